//! A ledger in PostgreSQL: several processes write it, each its own chain, and share what is kept of items.
//!
//! Leases and claims run by the server's clock. Whatever is written with a claim or a lease is written in one statement, which
//! fails where either is gone: a process that was away too long changes nothing.

mod chain;
mod connections;
mod index;
mod item;
mod pruning;
mod tables;
mod url;

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};

use super::{
    Append, ChainState, FoundItem, ItemClaim, ItemStore, Lease, Row, Store, StoreError, StoreFuture, Taken, ToKeep, Wanted,
    WantedItems,
};
use crate::domain::{NumericDate, Octets};
use crate::ledger::LedgerKeyId;
use crate::ledger::record::Head;
use connections::Connections;
#[cfg(test)]
pub(super) use tables::STEPS;
pub use url::{InvalidPostgresUrl, PostgresUrl};

/// A ledger in PostgreSQL.
pub struct PostgresStore(Connections);

impl PostgresStore {
    /// Connects.
    ///
    /// # Errors
    /// Where the server does not answer, or [`Self::migrate`] has not been there.
    pub async fn connect(url: PostgresUrl) -> Result<Self, StoreError> {
        let connections = Connections::new(url);
        connections.with(tables::check).await?;
        Ok(Self(connections))
    }

    /// Makes the tables, or brings them up to date.
    ///
    /// # Errors
    /// Where the server does not answer, or the tables are of a later Sceau.
    pub async fn migrate(url: &PostgresUrl) -> Result<(), StoreError> {
        tables::migrate(url).await
    }
}

impl Store for PostgresStore {
    fn take<'s>(&'s self, wanted: Wanted<'s>) -> StoreFuture<'s, Taken> {
        Box::pin(self.0.writing(async move |connection| chain::take(connection, wanted).await))
    }

    fn append<'s>(&'s self, lease: &'s Lease, append: Append<'s>) -> StoreFuture<'s, Vec<usize>> {
        Box::pin(self.0.writing(async move |connection| chain::append(connection, lease, append).await))
    }

    fn release<'s>(&'s self, lease: &'s Lease) -> StoreFuture<'s, ()> {
        Box::pin(self.0.writing(async move |connection| chain::release(connection, lease).await))
    }

    fn kept(&self, _now: NumericDate, _most: usize) -> StoreFuture<'_, ToKeep> {
        Box::pin(async { Ok(ToKeep::NOTHING) })
    }

    fn forget_kept(&self, now: NumericDate) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            while self.0.with(async move |connection| item::forget(connection, now).await).await? {}
            Ok(())
        })
    }

    fn chains(&self) -> StoreFuture<'_, Vec<ChainState>> {
        Box::pin(self.0.with(chain::all))
    }

    fn rows(&self, chain: i64, from: u64, most: usize) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(self.0.with(async move |connection| chain::rows(connection, chain, from, most).await))
    }
}

impl ItemStore for PostgresStore {
    fn claim<'s>(&'s self, wanted: WantedItems<'s>) -> StoreFuture<'s, Vec<FoundItem>> {
        Box::pin(self.0.with(async move |connection| item::claim(connection, wanted).await))
    }

    fn in_work<'s>(&'s self, claims: &'s [ItemClaim]) -> StoreFuture<'s, Vec<ItemClaim>> {
        Box::pin(self.0.with(async move |connection| item::in_work(connection, claims).await))
    }

    fn release<'s>(&'s self, claims: &'s [ItemClaim]) -> StoreFuture<'s, ()> {
        Box::pin(self.0.with(async move |connection| item::release(connection, claims).await))
    }

    fn agree<'s>(&'s self, key: LedgerKeyId, holder: &'s Octets<16>) -> StoreFuture<'s, ()> {
        Box::pin(self.0.with(async move |connection| item::agree(connection, key, holder).await))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(self.0.url()).finish()
    }
}

/// What PostgreSQL says when the disk is full.
const DISK_FULL: &str = "53100";

fn of_sqlx(error: sqlx::Error) -> StoreError {
    let is_full = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(DISK_FULL));
    let reason = error.to_string();
    if is_full { StoreError::Full { reason } } else { StoreError::Database { reason } }
}

fn column<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(of_sqlx)
}

fn place(row: &PgRow, index: usize) -> Result<u64, StoreError> {
    column::<i64>(row, index)?.try_into().map_err(|_| StoreError::Damaged { reason: "a place is negative".to_owned() })
}

fn octets<const N: usize>(row: &PgRow, index: usize) -> Result<Octets<N>, StoreError> {
    let bytes: &[u8] = column(row, index)?;
    bytes.try_into().map(Octets).map_err(|_| StoreError::Damaged { reason: format!("a hash has {} bytes", bytes.len()) })
}

fn head(row: &PgRow, index: usize) -> Result<Head, StoreError> {
    Ok(Head { seq: place(row, index)?, link: octets(row, index + 1)? })
}

/// PostgreSQL has signed integers alone.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// One column of many rows, as an array.
fn each<'a, T, V>(all: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    all.iter().map(value).collect()
}
