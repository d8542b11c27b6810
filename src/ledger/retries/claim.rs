//! The three answers to a claim, and the ticket of the one that is free.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{ItemKey, Kept};

/// What a ledger says of an item.
#[derive(Debug)]
pub enum Claim {
    /// Nobody has signed it: the holder of the ticket does.
    Free(Ticket),
    /// It is being signed for another call.
    InWork(InWork),
    /// It was signed.
    Kept {
        /// What makes the certificate whole again.
        kept: Kept,
        /// How much longer it is kept, at most.
        left: Duration,
    },
}

/// The end of another's claim. What has become of the item then, only a claim of one's own can tell.
pub struct InWork(Pin<Box<dyn Future<Output = ()> + Send>>);

impl InWork {
    /// Ends where a future is ready.
    #[must_use]
    pub fn until(end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(end))
    }

    /// Waits for the end.
    pub async fn ended(self) {
        self.0.await;
    }
}

impl fmt::Debug for InWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InWork")
    }
}

/// Frees claims that were not settled.
pub trait Release: Send + Sync {
    /// Frees a claim; without effect where it has ended. Does not block: it is called wherever a ticket is dropped.
    fn release(&self, key: ItemKey, number: u64);
}

/// The right to sign an item. It is settled, or frees its claim when it is dropped. Not `Clone`.
pub struct Ticket {
    key: ItemKey,
    number: u64,
    owner: Option<Arc<dyn Release>>,
}

impl Ticket {
    /// A ticket of a claim, by a number that no other claim of the key has.
    #[must_use]
    pub const fn new(key: ItemKey, number: u64, owner: Arc<dyn Release>) -> Self {
        Self { key, number, owner: Some(owner) }
    }

    /// One of a ledger that keeps nothing, where every claim is free.
    #[must_use]
    pub const fn unclaimed(key: ItemKey) -> Self {
        Self { key, number: 0, owner: None }
    }

    /// What was claimed.
    #[must_use]
    pub const fn key(&self) -> ItemKey {
        self.key
    }

    /// The number of the claim.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Takes the ticket for its settlement; it frees nothing any more.
    #[must_use]
    pub fn redeem(mut self) -> (ItemKey, u64) {
        self.owner = None;
        (self.key, self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.release(self.key, self.number);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.number)
    }
}
