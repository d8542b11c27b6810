//! What is kept of signed items, so that the same item again gives the same certificate.
//!
//! 1. An item is claimed by its [`ItemKey`], which stands for caller and `item_id`. The claim is free, or the item is in work for
//!    another call, or it is kept.
//! 2. Who holds a free claim signs, and then settles its [`Ticket`] with what is to be kept. A ticket that is dropped instead
//!    (refused, failed, cancelled) frees the claim: nothing is kept of it.
//! 3. Of a kept item the payload is encoded again, under the times and the kid that were [`Kept`]. Encoding is deterministic: it
//!    is the same payload where the digest is the same, and then the kept signature makes the same certificate, byte for byte.
//!
//! So the certificate itself is not kept, nor anything of the payload.

mod claim;
pub mod item_key;
mod kept;
mod memory;
mod store;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use claim::{Claim, InWork, Release, Ticket};
pub use item_key::ItemKey;
pub use kept::{Expiry, Kept};
pub use memory::{MemoryLedger, Retention};

/// One result an item, in the order in which they were given.
pub type LedgerFuture<T> = Pin<Box<dyn Future<Output = Vec<Result<T, LedgerError>>> + Send>>;

/// Keeps signed items. [`MemoryLedger`] does it in this process; one on disk would hold across restarts, one in a database for
/// several instances.
///
/// # What an implementation owes
/// - **One claim at a time.** Of several claims of one key, wherever they are made, one is [`Claim::Free`] until its ticket is
///   settled or dropped; the others are [`Claim::InWork`], and hear when it ends.
/// - **Settled is kept.** When a settlement is `Ok`, every claim of the key that follows is [`Claim::Kept`] with the same value,
///   until it is forgotten; on disk, it is there after a crash. A settlement that fails keeps nothing, and its certificate does
///   not leave.
/// - **No claim for ever.** One whose holder died ends. An implementation that gives claims a time makes it longer than the time
///   that a batch may take, and fails the settlement of one that has run out.
/// - **Nothing personal.** [`ItemKey`] is a bare hash of what may be a patient's number, and there are few enough of those to try
///   them all: who writes keys down hashes them again under a secret. A [`Kept`] makes a certificate whole for whoever has the
///   payload: it is written down encrypted.
/// - **No waiting under way.** Neither call waits for another's claim; dropping a ticket never blocks.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Claims items, each of another key.
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<Claim>;

    /// Keeps what was signed, and ends the claims. The tickets are of this ledger.
    fn settle(&self, signed: Vec<(Ticket, Kept)>) -> LedgerFuture<()>;
}

/// The ledger cannot say, or keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of signed items: {reason}")]
pub struct LedgerError {
    /// What is wrong; nothing personal.
    pub reason: String,
}
