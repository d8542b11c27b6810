//! Reads the custody chain, record after record, into the register.

use std::sync::Arc;

use super::CHAIN;
use crate::custody::register::Register;
use crate::domain::NumericDate;
use crate::domain::officers::{ChainHead, Roster};
use crate::ledger::record::{Body, Head, Opened, Record};
use crate::ledger::store::{Row, Store, StoreError};

/// How many rows are read at a time.
const ROWS_AT_ONCE: usize = 256;

/// The chain, as far as it was read and found good.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    register: Arc<Register>,
    /// The chain's number in its store, once somebody has written it.
    chain: Option<i64>,
    head: Head,
    /// The time of the last record, in milliseconds since 1970.
    at: i64,
    opened: Option<Opened>,
    sealed: Sealed,
}

/// What of the chain a seal vouches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Up to this place.
    pub(super) head: u64,
    /// The last seal's own time, in milliseconds since 1970.
    pub(super) at: i64,
    /// The last seal's own place.
    pub(super) place: u64,
}

/// Why the chain was not read to its end. What was read before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The store does not answer.
    #[error("the custody chain cannot be read: {0}")]
    Store(StoreError),
    /// It says something else than was written, or than it said before.
    #[error("the custody chain is damaged at record {seq}: {reason}; `sceau audit verify` says where it was changed")]
    Damaged {
        /// The record.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
}

impl Unreadable {
    /// Whether time alone mends it.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Store(StoreError::Damaged { .. }))
    }
}

impl From<StoreError> for Unreadable {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Reader {
    pub(super) fn new(first: Roster) -> Self {
        let register = Arc::new(Register::new(first));
        Self { register, chain: None, head: Head::EMPTY, at: i64::MIN, opened: None, sealed: Sealed::default() }
    }

    pub(super) const fn register(&self) -> &Arc<Register> {
        &self.register
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    pub(super) const fn at(&self) -> i64 {
        self.at
    }

    pub(super) const fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    pub(super) const fn sealed(&self) -> Sealed {
        self.sealed
    }

    /// Whether somebody wrote what no seal vouches for.
    pub(super) const fn is_unsealed(&self) -> bool {
        self.sealed.place < self.head.seq
    }

    /// Takes what was written since. The last record that was read is read again: a chain that was put back, or written anew, is
    /// not gone on with.
    pub(super) async fn catch_up(&mut self, store: &dyn Store) -> Result<(), Unreadable> {
        if self.chain.is_none() {
            self.chain = store.chains().await?.into_iter().find(|state| state.instance == CHAIN).map(|state| state.chain);
        }
        let Some(chain) = self.chain else { return Ok(()) };
        let mut next = self.head.seq.max(1);
        let mut is_known = self.head.seq > 0;
        loop {
            let rows = store.rows(chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            let mut rows = rows.iter();
            if std::mem::take(&mut is_known)
                && rows.next().is_none_or(|row| (row.seq, row.link) != (self.head.seq, self.head.link))
            {
                return Err(self.damaged("it was another one before"));
            }
            rows.try_for_each(|row| self.take(row))?;
            next = last + 1;
        }
        if is_known { Err(self.damaged("it was there before, and is not any more")) } else { Ok(()) }
    }

    fn damaged(&self, reason: &str) -> Unreadable {
        Unreadable::Damaged { seq: self.head.seq, reason: reason.to_owned() }
    }

    /// Takes the next row. Where it is not good, nothing has changed.
    pub(super) fn take(&mut self, row: &Row) -> Result<(), Unreadable> {
        let damaged = |reason: String| Unreadable::Damaged { seq: row.seq, reason };
        let bytes =
            row.record.as_deref().ok_or_else(|| damaged("it was forgotten, which no record of custody may be".to_owned()))?;
        let digest = Record::digest_of(bytes);
        let head = self.head.next(&digest);
        if (row.seq, row.link, row.digest) != (head.seq, head.link, digest) {
            return Err(damaged(format!("it does not follow from record {}", self.head.seq)));
        }
        let record = Record::from_cbor(bytes).map_err(|error| damaged(error.to_string()))?;
        if record.instance != CHAIN || record.seq != row.seq {
            return Err(damaged("it says that it stands elsewhere".to_owned()));
        }
        if record.at < self.at {
            return Err(damaged("it says that it is older than the one before it".to_owned()));
        }
        let event = match &record.body {
            Body::Custody(event) => Some(event),
            Body::Opened(_) | Body::Seal(_) => None,
            other => return Err(damaged(format!("it is about {}, not about custody", other.kind()))),
        };
        let at = seconds(record.at);
        let place = ChainHead { seq: head.seq, link: head.link };
        Arc::make_mut(&mut self.register).follow(event, at, place).map_err(|error| damaged(error.source.to_string()))?;
        (self.head, self.at) = (head, record.at);
        match record.body {
            Body::Opened(opened) => self.opened = Some(opened),
            Body::Seal(seal) => self.sealed = Sealed { head: seal.head, at: seal.at, place: record.seq },
            _ => {}
        }
        Ok(())
    }
}

/// An instant of the ledger, as custody judges it.
pub(super) const fn seconds(millis: i64) -> NumericDate {
    NumericDate::from_seconds(millis.div_euclid(1_000))
}
