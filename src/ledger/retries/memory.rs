//! A ledger in the memory of this process.

use std::future::ready;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::table::{Found, Settled, Store};
use super::{Claim, Claims, Held, InWork, ItemKey, Kept, MOST_GROUPED, Release, Ticket};
use crate::domain::NumericDate;
use crate::ledger::store::ToKeep;
use crate::ledger::{EachItem, Group, Ledger, LedgerError, LedgerFuture, LedgerKeys, OpenIntent, SignedItem};

/// How long items are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From the signature on.
    pub keep: Duration,
    /// Past that the oldest is forgotten first. What is in work does not count: the lanes' queues bound it.
    pub max_items: NonZeroUsize,
}

/// Keeps items in memory, in a bounded number and for a bounded time. An item that is forgotten is signed again.
///
/// One lock, held for less than a microsecond an item.
#[derive(Debug)]
pub struct MemoryLedger(Arc<Shared>);

#[derive(Debug)]
struct Shared(Mutex<Store>);

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self(Arc::new(Shared(Mutex::new(Store::new(retention)))))
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Release for Shared {
    fn release(&self, key: ItemKey, number: u64) {
        self.store().release(key, number);
    }
}

impl MemoryLedger {
    /// Keeps what was kept before, for so much longer. Items come in the order in which they fall due.
    pub(in crate::ledger) fn resume(&self, key: ItemKey, kept: Kept, left: Duration) {
        self.0.store().resume(key, kept, Instant::now() + left);
    }

    /// Keeps what was signed, and ends the claims.
    pub(in crate::ledger) fn keep(&self, signed: Vec<(Ticket, Kept)>) -> EachItem<()> {
        let now = Instant::now();
        let mut store = self.0.store();
        let keep = |(ticket, kept): (Ticket, Kept)| {
            let (key, number) = ticket.redeem();
            match store.keep(key, number, kept, now) {
                Settled::Kept => Ok(()),
                Settled::Unknown => Err(LedgerError::new("the claim is not one of this ledger")),
            }
        };
        signed.into_iter().map(keep).collect()
    }
}

/// Beside a chain, too, it is this memory that says what is free and kept.
impl Claims for MemoryLedger {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        Ledger::claim(self, keys)
    }

    /// Together: they are read again together, when the next process starts.
    fn seal(&self, keys: &LedgerKeys, signed: &[(Ticket, Kept)], due: NumericDate) -> ToKeep {
        let seal = |items: &[(Ticket, Kept)]| keys.seal_group(items.iter().map(|(ticket, kept)| (ticket.key(), kept)), due);
        ToKeep { items: Vec::new(), groups: signed.chunks(MOST_GROUPED).map(seal).collect() }
    }

    fn keep(&self, signed: Vec<(Ticket, Kept)>) -> EachItem<()> {
        Self::keep(self, signed)
    }

    fn held(&self) -> Option<Held> {
        Some(self.0.store().held())
    }
}

/// It writes nothing down.
impl Ledger for MemoryLedger {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        let now = Instant::now();
        let mut store = self.0.store();
        let claims = keys.into_iter().map(|key| match store.claim(key, now) {
            Found::Free(number) => Ok(Claim::Free(Ticket::new(key, number, Arc::clone(&self.0) as Arc<dyn Release>))),
            Found::InWork(mut end) => Ok(Claim::InWork(InWork::until(async move {
                // An error says that the sender was dropped, which is the end.
                let _ = end.changed().await;
            }))),
            Found::Kept(kept, due) => Ok(Claim::Kept { kept, left: due.saturating_duration_since(now) }),
        });
        Box::pin(ready(claims.collect()))
    }

    fn intend(&self, _group: Group) -> LedgerFuture<Result<OpenIntent, LedgerError>> {
        Box::pin(ready(Ok(OpenIntent::unrecorded())))
    }

    fn settle(&self, _intent: OpenIntent, signed: Vec<SignedItem>) -> LedgerFuture<EachItem<()>> {
        Box::pin(ready(self.keep(signed.into_iter().filter_map(|item| item.keep).collect())))
    }

    fn trouble(&self) -> Option<LedgerError> {
        None
    }

    fn keys(&self) -> Option<&LedgerKeys> {
        None
    }
}
