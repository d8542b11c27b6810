//! Where chains are kept: what a database has to do for a ledger, and the two that do it.
//!
//! On the path of a certificate a store only appends. What questions need beside that is built behind it.

mod conditions;
mod items;
mod kept;
pub mod postgres;
pub mod pruning;
pub mod sqlite;
mod steps;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::record::{Head, Link};
use crate::domain::{NumericDate, Octets};
pub use items::{FoundItem, ItemClaim, ItemStore, WantedItems};
pub use kept::{KeptGroup, KeptItem, ToKeep};

/// A store's answer to come.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in its chain, from 1 on.
    pub seq: u64,
    /// The link up to and with it.
    pub link: Link,
    /// SHA-256 of the record, which stays when it is forgotten.
    pub digest: Octets<32>,
    /// The record, in CBOR; nothing where it is forgotten.
    pub record: Option<Vec<u8>>,
    /// Its detail; empty where it has none, nothing where that is forgotten.
    pub detail: Option<Vec<u8>>,
}

impl Row {
    /// The length of record and detail.
    pub(in crate::ledger) fn bytes(&self) -> usize {
        [&self.record, &self.detail].into_iter().flatten().map(Vec::len).sum()
    }
}

/// The right to write a chain, until another has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The chain's number in its store.
    pub chain: i64,
    /// Whose chain it is.
    pub instance: String,
    /// One more than the lease before had: who comes with an older one writes nothing.
    pub fence: i64,
}

/// A chain that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The right to write it.
    pub lease: Lease,
    /// Its end.
    pub head: Head,
    /// Up to this place every intent has its outcome.
    pub settled: u64,
}

/// Who wants a chain.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The instance.
    pub instance: &'a str,
    /// The process that asks: it takes its own lease back at once, another's only when that has run out.
    pub holder: &'a Octets<16>,
    /// How long the lease holds without a word from its holder.
    pub lasts: Duration,
}

/// What is written at once: rows, and what is kept of the items in them.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The chain's end as the writer knows it; where it is another, somebody else has written.
    pub from: Head,
    /// The rows, in order; the first is `from.seq + 1`.
    pub rows: &'a [Row],
    /// Up to this place every intent has its outcome, with these rows.
    pub settled: u64,
    /// What is kept of items: one by one in a database that is shared, else together.
    pub kept: &'a ToKeep,
    /// How long the lease holds from now on.
    pub lasts: Duration,
}

/// What a chain is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// Its number in its store.
    pub chain: i64,
    /// Whose it is.
    pub instance: String,
    /// Its end.
    pub head: Head,
    /// What was pruned of it had ended before this instant; nothing where nothing was.
    pub pruned_before: Option<NumericDate>,
}

/// Keeps chains.
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes a chain for writing, a new one where the instance has none.
    fn take<'s>(&'s self, wanted: Wanted<'s>) -> StoreFuture<'s, Taken>;

    /// Writes durably, all or nothing. Gives the places in `kept.items` whose claims have run out meanwhile.
    fn append<'s>(&'s self, lease: &'s Lease, append: Append<'s>) -> StoreFuture<'s, Vec<usize>>;

    /// Ends a lease, so that the next holder need not wait.
    fn release<'s>(&'s self, lease: &'s Lease) -> StoreFuture<'s, ()>;

    /// What is kept and not due: the newest `most` items, and others of their groups, the oldest in front. Nothing where claims are
    /// shared.
    fn kept(&self, now: NumericDate, most: usize) -> StoreFuture<'_, ToKeep>;

    /// Forgets what was kept and is due.
    fn forget_kept(&self, now: NumericDate) -> StoreFuture<'_, ()>;

    /// Every chain, in the order of their instances.
    fn chains(&self) -> StoreFuture<'_, Vec<ChainState>>;

    /// Rows of a chain from a place on, in order: at least one where there is one, and at most `most`.
    fn rows(&self, chain: i64, from: u64, most: usize) -> StoreFuture<'_, Vec<Row>>;
}

/// What went wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the chain.
    #[error("another process writes the chain of instance {instance:?}; each needs an `instance` of its own (its lease ends in {} s)", .left.as_secs())]
    Held {
        /// Whose chain it is.
        instance: String,
        /// For so long, if it says nothing more.
        left: Duration,
    },
    /// The chain was taken by another process, or has another end than the writer knows.
    #[error("the chain of instance {instance:?} was taken by another process")]
    Lost {
        /// Whose chain it is.
        instance: String,
    },
    /// There is no room.
    #[error("there is no room to write: {reason}")]
    Full {
        /// In the database's words.
        reason: String,
    },
    /// The database cannot be reached, or refuses.
    #[error("the database: {reason}")]
    Database {
        /// In its own words.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("the ledger is damaged: {reason}; `sceau audit verify` says where")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
}
