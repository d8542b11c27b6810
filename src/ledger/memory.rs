//! A ledger in the memory of this process.

use std::future::ready;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::store::{Found, Settled, Store};
use super::{Claim, InWork, ItemKey, Kept, Ledger, LedgerError, LedgerFuture, Release, Ticket};

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

impl Ledger for MemoryLedger {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<Claim> {
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

    fn settle(&self, signed: Vec<(Ticket, Kept)>) -> LedgerFuture<()> {
        let now = Instant::now();
        let mut store = self.0.store();
        let settled = signed.into_iter().map(|(ticket, kept)| {
            let (key, number) = ticket.redeem();
            match store.keep(key, number, kept, now) {
                Settled::Kept => Ok(()),
                Settled::Unknown => Err(LedgerError { reason: "the claim is not one of this ledger".to_owned() }),
            }
        });
        Box::pin(ready(settled.collect()))
    }
}
