//! A group on its way to a token, as the ledger sees it.

use std::fmt;
use std::sync::Arc;

use super::record::{Entry, Intent};
use super::{Kept, Ticket};
use crate::domain::{Algorithm, CallerId, Country, Digest, Kid, NumericDate, Octets};

/// What of a batch is about to be signed: under one DSC, by one token.
#[derive(Clone, Debug)]
pub struct Group {
    /// Who asked.
    pub caller: CallerId,
    /// The pseudonym of the person behind the call.
    pub person: Option<Arc<str>>,
    /// The call's request id.
    pub request: Arc<str>,
    /// The profile's name.
    pub profile: Arc<str>,
    /// The DSC.
    pub kid: Kid,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// `iss`.
    pub issuer: Country,
    /// `iat`.
    pub issued_at: NumericDate,
    /// What is to be signed.
    pub digests: Vec<Digest>,
}

impl Group {
    /// The record of it, and its detail.
    pub(super) fn to_record(&self) -> (Intent, Vec<u8>) {
        let detail: Vec<u8> = self.digests.iter().flat_map(Digest::as_bytes).copied().collect();
        let intent = Intent {
            caller: self.caller.as_str().to_owned(),
            person: self.person.as_deref().map(str::to_owned),
            request: (*self.request).to_owned(),
            profile: (*self.profile).to_owned(),
            kid: Octets(*self.kid.as_bytes()),
            algorithm: self.algorithm.name().to_owned(),
            issuer: self.issuer.as_str().to_owned(),
            issued_at: self.issued_at.seconds(),
            count: u32::try_from(self.digests.len()).unwrap_or(u32::MAX),
            digests: Digest::of(&detail).into(),
        };
        (intent, detail)
    }
}

/// One certificate of a group, signed.
#[derive(Debug)]
pub struct SignedItem {
    /// Its claim, and what is kept of it; nothing where retries are not kept.
    pub keep: Option<(Ticket, Kept)>,
    /// What stands on record of it; nothing where the ledger has no [`super::Ledger::keys`].
    pub entry: Option<Entry>,
}

/// Hears of intents that end without an outcome.
pub trait Abandon: Send + Sync {
    /// Nothing will be settled of an intent. Does not block: it is called wherever an intent is dropped.
    fn abandon(&self, seq: u64, count: u32);
}

/// An intent that is on record. It is settled, or put down as unsigned when it is dropped. Not `Clone`.
pub struct OpenIntent {
    seq: u64,
    count: u32,
    owner: Option<Arc<dyn Abandon>>,
}

impl OpenIntent {
    /// One at a place in the chain, of so many items.
    #[must_use]
    pub const fn new(seq: u64, count: u32, owner: Arc<dyn Abandon>) -> Self {
        Self { seq, count, owner: Some(owner) }
    }

    /// One that stands nowhere, of a ledger that writes nothing down.
    #[must_use]
    pub const fn unrecorded() -> Self {
        Self { seq: 0, count: 0, owner: None }
    }

    /// Takes it for its settlement: its place in the chain, and how many items it has.
    #[must_use]
    pub fn redeem(mut self) -> (u64, u32) {
        self.owner = None;
        (self.seq, self.count)
    }
}

impl Drop for OpenIntent {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.abandon(self.seq, self.count);
        }
    }
}

impl fmt::Debug for OpenIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenIntent({})", self.seq)
    }
}
