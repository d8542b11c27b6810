//! Claims in a database, which several processes share.
//!
//! A claim costs two statements a call, and has a time: it outlives no process for long. Its end is heard at once in the process
//! that held it, elsewhere by asking. It is settled where its outcome is written, see [`crate::ledger::store::Append`].

mod loose;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::claims::{Claims, Held};
use super::{Claim, InWork, InvalidKept, ItemKey, Kept, Release, Ticket};
use crate::domain::{Clock, NumericDate, Octets};
use crate::ledger::store::{FoundItem, ItemClaim, ItemStore, KeptItem, StoreError, ToKeep, WantedItems};
use crate::ledger::{EachItem, LedgerError, LedgerFuture, LedgerKeys};
use loose::Loose;
use waiting::Waiting;

/// How long items are kept, and claims hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRetention {
    /// From the signature on.
    pub keep: Duration,
    /// A claim holds so long: longer than a batch may take, or its certificates do not leave.
    pub claim: Duration,
}

/// Claims of one process, among others.
pub(in crate::ledger) struct SharedClaims {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    items: Arc<dyn ItemStore>,
    keys: LedgerKeys,
    clock: Arc<dyn Clock>,
    holder: Octets<16>,
    lasts: Duration,
    waiting: Waiting,
    loose: Loose,
}

impl SharedClaims {
    /// Those of the holder of a chain.
    ///
    /// # Errors
    /// Where the store does not answer, or others share it under other keys.
    pub(in crate::ledger) async fn start(
        items: Arc<dyn ItemStore>,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        holder: Octets<16>,
        lasts: Duration,
    ) -> Result<Self, StoreError> {
        let oldest = keys.ids().last().copied().expect("there is one key at least");
        items.agree(oldest, &holder).await?;
        let (waiting, loose) = (Waiting::default(), Loose::default());
        let shared = Arc::new(Shared { items, keys, clock, holder, lasts, waiting, loose });
        let (asking, freeing) = (Arc::clone(&shared), Arc::clone(&shared));
        let asking = tokio::spawn(async move { asking.waiting.ask(&*asking.items).await });
        let freeing = tokio::spawn(async move { freeing.loose.free(&*freeing.items, &freeing.waiting, freeing.lasts).await });
        Ok(Self { shared, tasks: [asking.abort_handle(), freeing.abort_handle()] })
    }
}

impl Drop for SharedClaims {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Claims for SharedClaims {
    /// It goes on where the caller has gone, so that no claim is held that nobody knows of.
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        let (shared, count) = (Arc::clone(&self.shared), keys.len());
        let claiming = tokio::spawn(async move { shared.claim(keys).await });
        Box::pin(async move {
            let failed = |_| (0..count).map(|_| Err(LedgerError::new("the service is ending"))).collect();
            claiming.await.unwrap_or_else(failed)
        })
    }

    /// One by one: whoever claims an item gets it.
    fn seal(&self, keys: &LedgerKeys, signed: &[(Ticket, Kept)], due: NumericDate) -> ToKeep {
        let seal = |(ticket, kept): &(Ticket, Kept)| {
            let key = ticket.key();
            KeptItem { key, claim: ticket.number(), sealed: keys.seal(&key, kept), due }
        };
        ToKeep { items: signed.iter().map(seal).collect(), groups: Vec::new() }
    }

    fn keep(&self, signed: Vec<(Ticket, Kept)>) -> EachItem<()> {
        let redeem = |(ticket, _): (Ticket, Kept)| {
            let (key, claim) = ticket.redeem();
            ItemClaim { key, claim }
        };
        let ended: Vec<ItemClaim> = signed.into_iter().map(redeem).collect();
        self.shared.waiting.end(&ended);
        ended.iter().map(|_| Ok(())).collect()
    }

    fn held(&self) -> Option<Held> {
        None
    }
}

impl Shared {
    async fn claim(self: Arc<Self>, keys: Vec<ItemKey>) -> EachItem<Claim> {
        if keys.is_empty() {
            return Vec::new();
        }
        let claim = rand::random::<u64>() >> 1;
        let now = self.clock.now();
        let wanted = WantedItems { keys: &keys, claim, holder: &self.holder, lasts: self.lasts, now };
        match self.items.claim(wanted).await {
            Ok(found) => {
                keys.into_iter().zip(found).map(|(key, found)| self.answer(ItemClaim { key, claim }, found, now)).collect()
            }
            Err(error) => {
                let results = keys.iter().map(|_| Err(LedgerError::new(error.to_string()))).collect();
                // They may hold all the same.
                self.loose.add(keys.into_iter().map(|key| ItemClaim { key, claim }));
                results
            }
        }
    }

    fn answer(
        self: &Arc<Self>,
        ItemClaim { key, claim }: ItemClaim,
        found: FoundItem,
        now: NumericDate,
    ) -> Result<Claim, LedgerError> {
        match found {
            FoundItem::Claimed => Ok(Claim::Free(Ticket::new(key, claim, Arc::clone(self) as Arc<dyn Release>))),
            FoundItem::InWork { claim, left } => Ok(Claim::InWork(self.waiting.wait(ItemClaim { key, claim }, left))),
            FoundItem::Ended => Ok(Claim::InWork(InWork::until(std::future::ready(())))),
            FoundItem::Kept { sealed, due } => {
                let kept = self.keys.open(&key, &sealed).map_err(|InvalidKept| {
                    LedgerError::new(
                        "what is kept of the item cannot be read: this replica has other ledger keys than the one that kept it",
                    )
                })?;
                let left = u64::try_from(due.seconds() - now.seconds()).unwrap_or_default();
                Ok(Claim::Kept { kept, left: Duration::from_secs(left) })
            }
        }
    }
}

impl Release for Shared {
    fn release(&self, key: ItemKey, number: u64) {
        self.loose.add([ItemClaim { key, claim: number }]);
    }
}

impl fmt::Debug for SharedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedClaims").field("items", &self.shared.items).finish_non_exhaustive()
    }
}
