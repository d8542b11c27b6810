//! What was signed: an intent on record before each signature, an outcome before the certificate leaves, and both in a chain of
//! hashes that nobody bends unseen. And what is kept of signed items, so that a retry gets the same certificate.
//!
//! Reading order: [`record`] (what stands on record, and in which form), [`merkle`], [`keys`] (the secrets under which what is
//! nearly personal is hashed), [`retries`] (claims, and what is kept of an item), [`store`] (SQLite, PostgreSQL),
//! [`writer`] (one writer a chain, group commit), [`index`] (what questions need, built behind it, and answers), [`recorded`]
//! (the [`Ledger`] that puts them together), [`archive`] (chains as a file, and its audit), [`pruning`] (what is forgotten), [`moving`]
//! (chains from elsewhere).

pub mod archive;
pub mod index;
pub mod intent;
pub mod keys;
pub mod merkle;
pub mod moving;
pub mod pruning;
pub mod record;
pub mod recorded;
pub mod retries;
pub mod store;
pub mod writer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use intent::{Group, OpenIntent, SignedItem};
pub use keys::{InvalidLedgerKeys, LedgerKeyId, LedgerKeys};
pub use recorded::RecordedLedger;
pub use retries::{
    Claim, Expiry, Held, InWork, ItemKey, Kept, KeptOf, MemoryLedger, Release, Retention, SharedRetention, Ticket, open_kept,
};

/// What a ledger will have done; it goes on where the future is dropped.
pub type LedgerFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One result an item, in the order in which they were given.
pub type EachItem<T> = Vec<Result<T, LedgerError>>;

/// Keeps signed items, and writes down what is signed. [`MemoryLedger`] keeps them in this process and writes nothing down;
/// [`RecordedLedger`] writes to a database, and keeps them in this process or, for all who share the database, there.
///
/// # What an implementation owes
/// - **One claim at a time.** Of several claims of one key, wherever they are made, one is [`Claim::Free`] until its ticket is
///   settled or dropped; the others are [`Claim::InWork`], and hear when it ends.
/// - **Settled is kept.** When a settlement is `Ok`, every claim of the key that follows is [`Claim::Kept`] with the same value,
///   until it is forgotten; on disk, it is there after a crash. A settlement that fails keeps nothing, and its certificate does
///   not leave.
/// - **On record first.** When an intent is `Ok` it is durable, and so is an outcome when its settlement is.
/// - **No claim for ever.** One whose holder died ends. An implementation that gives claims a time makes it longer than the time
///   that a batch may take, and fails the settlement of one that has run out.
/// - **Nothing personal.** [`ItemKey`] is a bare hash of what may be a patient's number, and there are few enough of those to try
///   them all: who writes keys down hashes them again under a secret. A [`Kept`] makes a certificate whole for whoever has the
///   payload: it is written down encrypted.
/// - **No waiting under way.** Neither call waits for another's claim; dropping a ticket or an intent never blocks.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Claims items, each of another key.
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>>;

    /// Puts on record that a group is about to be signed.
    fn intend(&self, group: Group) -> LedgerFuture<Result<OpenIntent, LedgerError>>;

    /// Puts on record what of a group was signed, keeps it, and ends the claims. Intent and tickets are of this ledger.
    fn settle(&self, intent: OpenIntent, signed: Vec<SignedItem>) -> LedgerFuture<EachItem<()>>;

    /// Why nothing can be put on record now, and so nothing be signed; nothing where it can.
    fn trouble(&self) -> Option<LedgerError>;

    /// The secrets that entries are written under; nothing where none are written.
    fn keys(&self) -> Option<&LedgerKeys>;
}

/// The ledger cannot say, or keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger: {reason}")]
pub struct LedgerError {
    /// What is wrong; nothing personal.
    pub reason: String,
}

impl LedgerError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
