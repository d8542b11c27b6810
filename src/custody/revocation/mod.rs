//! Revoking certificates that are on record: from an officer's order to the lists that verifiers read.
//!
//! [`Revoker::plan`] finds what is meant and writes the lists plain; nothing has happened then, and the plan may be shown, or
//! thrown away. [`Revoker::carry_out`] has the lists signed, puts the revocation on record, and gives the lists. Whoever else has to
//! agree, agrees between the two.
//!
//! A list is made from what is on record and from nothing else, so that the same order gives the same lists, and
//! [`crate::ledger::record::Revocation`] says how anybody makes them again.

mod order;
mod plan;
mod reason;
mod remade;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::domain::{Clock, ClockStopped, NumericDate};
use crate::encode::cms::SignedMessage;
use crate::ledger::LedgerError;
use crate::ledger::index::Records;
use crate::ledger::record::Head;
use crate::ledger::store::StoreError;
use crate::ledger::writer::ChainWriter;
use crate::sign::{UploadError, UploadKey};

pub use order::{InvalidAsked, RevocationOrder};
use plan::Gathering;
pub use plan::{MOST_CERTIFICATES, PlainList, RevocationPlan};
pub use reason::{InvalidReason, Reason};
pub use remade::Remade;

/// Revokes what is on record.
pub struct Revoker {
    records: Records,
    writer: ChainWriter,
    upload: Option<UploadKey>,
    clock: Arc<dyn Clock>,
}

/// A revocation that was carried out, and is on record.
#[derive(Debug)]
pub struct Carried {
    /// The end of the service's chain with the record of it.
    pub head: Head,
    /// The lists, each with the signed message where there is one.
    pub lists: Vec<(PlainList, Option<SignedMessage>)>,
    /// Why lists are plain; nothing where all are signed.
    pub plain: Option<String>,
}

/// A revocation that officers agreed on, and that is on record; its lists are made again when they are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The chain that it is on record in.
    pub instance: String,
    /// The record's place.
    pub seq: u64,
    /// How many certificates are revoked.
    pub certificates: u32,
    /// In so many lists.
    pub lists: usize,
    /// How many more were meant, and had expired.
    pub expired: u64,
    /// How many have a hash that another has as well.
    pub repeated: u64,
    /// What was asked for.
    pub asked: String,
    /// Why lists are plain.
    pub plain: Option<String>,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// More are meant than one order may have.
    #[error(
        "more than {MOST_CERTIFICATES} certificates are meant, which is the most of one order: give it in windows of time; for all \
         that a key has ever signed, rather have its DSC taken off the trust list"
    )]
    TooMany,
    /// The officer meant something else.
    #[error("the certificates that are meant are {found}, and not {expected} as expected: nothing was revoked")]
    Unexpected {
        /// How many the officer expects.
        expected: u64,
        /// How many there are.
        found: u32,
    },
    /// By a clock that cannot be trusted nobody knows what has expired.
    #[error(transparent)]
    Clock(#[from] ClockStopped),
    /// The ledger cannot be read.
    #[error("the ledger: {0}")]
    Store(#[from] StoreError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lists cannot be signed.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The record of it is not there, or is of something else.
    #[error("record {seq} of the chain {instance:?} is no revocation")]
    NoRecord {
        /// Whose chain.
        instance: String,
        /// The place.
        seq: u64,
    },
    /// What was revoked cannot be read any more.
    #[error("record {seq} of the chain {instance:?} was forgotten since, and with it what its revocation lists hold")]
    Forgotten {
        /// Whose chain.
        instance: String,
        /// The place.
        seq: u64,
    },
    /// The lists are others than those on record.
    #[error("the lists that were made again are not those on record; `sceau audit verify` says what was changed")]
    Changed,
    /// The machine gives no thread.
    #[error("the lists cannot be made now: {0}")]
    Thread(std::io::Error),
}

impl RevokeError {
    /// Whether the same order will fail again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::TooMany | Self::Unexpected { .. })
    }
}

impl Revoker {
    /// Over the records of a store, with what writes this service's chain; without an upload key lists are plain.
    #[must_use]
    pub fn new(records: Records, writer: ChainWriter, upload: Option<UploadKey>, clock: Arc<dyn Clock>) -> Self {
        Self { records, writer, upload, clock }
    }

    /// Finds what an order means, and writes its lists plain. Nothing is signed, and nothing is on record.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written, the clock cannot be trusted, or another number of certificates is meant than expected.
    pub async fn plan(&self, order: RevocationOrder) -> Result<RevocationPlan, RevokeError> {
        // Whoever hears how many there are may want them revoked next.
        self.writer.status().check()?;
        let mut gathering = Gathering::new(&order, self.clock.signing_time()?);
        let mut search = self.records.search(order.question.clone()).await?;
        while let Some(found) = search.next().await? {
            gathering.take(&found)?;
        }
        let expected = order.expected;
        let plan = on_a_thread(move || gathering.plan(order)).await?;
        match expected.filter(|expected| *expected != u64::from(plan.certificates())) {
            Some(expected) => Err(RevokeError::Unexpected { expected, found: plan.certificates() }),
            None => Ok(plan),
        }
    }

    /// Signs a plan's lists, puts the revocation on record, and gives the lists. They are signed first, so that no revocation is on
    /// record whose lists there never were; none leaves before the record is durable.
    ///
    /// # Errors
    /// Where no token signs, or the ledger cannot be written: then there is no list.
    pub async fn carry_out(&self, plan: RevocationPlan) -> Result<Carried, RevokeError> {
        self.writer.status().check()?;
        let now = self.clock.signing_time()?;
        let (body, places, lists) = plan.into_parts();
        let plain = self.plain_at(&lists, now);
        let messages = self.sign(&lists, now).await?;
        let head = self.writer.write(body, places).await?.head;
        Ok(Carried { head, lists: lists.into_iter().zip(messages).collect(), plain })
    }

    /// Puts a plan on record as [`Self::carry_out`] does, for lists that are fetched later.
    ///
    /// # Errors
    /// As there.
    pub async fn revoke(&self, plan: RevocationPlan) -> Result<Revoked, RevokeError> {
        let (certificates, expired, repeated) = (plan.certificates(), plan.expired(), plan.repeated());
        let asked = plan.asked().to_owned();
        let Carried { head, lists, plain } = self.carry_out(plan).await?;
        let instance = self.writer.instance().to_owned();
        Ok(Revoked { instance, seq: head.seq, certificates, lists: lists.len(), expired, repeated, asked, plain })
    }

    /// The key that signs uploads.
    #[must_use]
    pub const fn upload(&self) -> Option<&UploadKey> {
        self.upload.as_ref()
    }

    /// Why lists of a plan would stay plain; nothing where all would be signed.
    #[must_use]
    pub fn plain_because(&self, plan: &RevocationPlan) -> Option<String> {
        self.plain_at(plan.lists(), self.clock.now())
    }

    fn plain_at(&self, lists: &[PlainList], now: NumericDate) -> Option<String> {
        let Some(key) = &self.upload else {
            return Some("the service has no upload key: there is no [revocation] in its configuration".to_owned());
        };
        let foreign = || lists.iter().map(|list| list.batch.country()).find(|country| *country != key.country());
        let of_another = |country| format!("the upload certificate is of {}, and some lists are of {country}", key.country());
        key.lapse(now).or_else(|| foreign().map(of_another))
    }

    /// One message a list, where the upload key may sign it.
    async fn sign(&self, lists: &[PlainList], now: NumericDate) -> Result<Vec<Option<SignedMessage>>, UploadError> {
        let Some(key) = self.upload.as_ref().filter(|key| key.lapse(now).is_none()) else {
            return Ok(lists.iter().map(|_| None).collect());
        };
        let is_own = |list: &&PlainList| list.batch.country() == key.country();
        let own: Vec<_> = lists.iter().filter(is_own).map(|list| &list.batch).collect();
        let mut messages = key.sign(&own, now).await?.into_iter();
        Ok(lists.iter().map(|list| if is_own(&list) { messages.next() } else { None }).collect())
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker").field("upload", &self.upload).finish_non_exhaustive()
    }
}

/// Work that a thread of the network must not be held up with.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RevokeError> {
    let (done, worked) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("revocation".to_owned());
    thread.spawn(move || drop(done.send(work()))).map_err(RevokeError::Thread)?;
    worked.await.map_err(|error| RevokeError::Thread(std::io::Error::other(error)))
}
