//! The same item again: items are claimed before they are worked on, and one that was signed gets its certificate from what was
//! kept of it.
//!
//! Nobody waits for another's claim while holding one: a slice signs, or fails, all that it has claimed, and then waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::batch::{BatchItem, Certificate, SignFailure, SignedForms};
use super::pools::pause;
use super::prepare::{BatchContext, Prepared};
use super::signer::{Outcomes, Way};
use super::stage::Stage;
use crate::domain::{Fault, Faults, ItemId, Rule, Signature};
use crate::encode::ProtectedHeader;
use crate::ledger::{
    Claim, EachItem, Expiry, InWork, ItemKey, Kept, Ledger, LedgerError, LedgerFuture, LedgerKeys, SignedItem, Ticket,
};

/// Where a batch claims its items, and puts them on record.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) profile: Arc<str>,
}

/// An item with its place in its slice.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) place: usize,
    pub(super) item: BatchItem,
}

/// What is to be done for an item.
#[derive(Debug)]
pub(super) enum Task {
    /// It is signed, and kept where it was claimed.
    Sign(Option<Held>),
    /// It was signed.
    Replay(Kept, Duration),
}

/// A claim, with what is kept beside the signature.
#[derive(Debug)]
pub(super) struct Held {
    ticket: Ticket,
    item_id: ItemId,
    profile: Arc<str>,
    expiry: Expiry,
}

impl Held {
    /// What is to be kept of a signed item, and put on record: its digest stands at `place` among those of its intent.
    pub(super) fn signed(self, place: usize, item: &Prepared, signature: &Signature, keys: Option<&LedgerKeys>) -> SignedItem {
        let entry = keys.map(|keys| item.entry(place, &self.item_id, signature, keys));
        SignedItem { keep: Some((self.ticket, item.kept(signature.clone(), self.expiry, self.profile))), entry }
    }
}

/// The items of a slice, claimed.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) tasks: Vec<(Placed, Task)>,
    pub(super) in_work: Vec<(Placed, InWork)>,
}

impl Keeping {
    pub(super) fn new(ledger: &Arc<dyn Ledger>, profile: &str) -> Self {
        Self { ledger: Arc::clone(ledger), profile: profile.into() }
    }

    fn held(&self, ticket: Ticket, item: &BatchItem) -> Held {
        let (item_id, profile) = (item.item_id.clone(), Arc::clone(&self.profile));
        Held { ticket, item_id, profile, expiry: Expiry::of(item.expires_at) }
    }
}

/// Claims items. Where nothing is kept, all of them are to be signed.
pub(super) async fn claim(way: &Way, items: Vec<Placed>, outcomes: &mut Outcomes) -> Claimed {
    let Some(keeping) = &way.keeping else {
        return Claimed { tasks: items.into_iter().map(|placed| (placed, Task::Sign(None))).collect(), in_work: Vec::new() };
    };
    let key = |placed: &Placed| ItemKey::new(&way.context.caller, &placed.item.item_id);
    let keys = items.iter().map(key).collect();
    let claims = in_time(way, items.len(), || keeping.ledger.claim(keys)).await;
    pause(way.lane);
    let mut claimed = Claimed::default();
    for (placed, claim) in items.into_iter().zip(claims) {
        match claim {
            Ok(Claim::Free(ticket)) => {
                let held = keeping.held(ticket, &placed.item);
                claimed.tasks.push((placed, Task::Sign(Some(held))));
            }
            Ok(Claim::Kept { kept, left }) => claimed.tasks.push((placed, Task::Replay(kept, left))),
            Ok(Claim::InWork(in_work)) => claimed.in_work.push((placed, in_work)),
            Err(error) => outcomes.fail(placed.place, SignFailure::Ledger(error)),
        }
    }
    pause(way.lane);
    claimed
}

/// Waits, as long as the batch may take, until nothing of this is in work for another call, and gives the items back: now they
/// are kept, or free, or another call that waited too was faster.
pub(super) async fn wait(way: &Way, in_work: Vec<(Placed, InWork)>, outcomes: &mut Outcomes) -> Vec<Placed> {
    let ends = in_work.into_iter().map(async |(placed, in_work)| match timeout_at(way.deadline, in_work.ended()).await {
        Ok(()) => Ok(placed),
        Err(_) => Err(placed.place),
    });
    let mut free = Vec::new();
    for end in join_all(ends).await {
        match end {
            Ok(placed) => free.push(placed),
            Err(place) => outcomes.fail(place, SignFailure::InWork),
        }
    }
    free
}

/// The ledger's answers, or an error for each where they do not come in time.
pub(super) async fn in_time<T>(way: &Way, count: usize, ask: impl FnOnce() -> LedgerFuture<EachItem<T>>) -> EachItem<T> {
    let _running = Stage::Ledger.begin(way.lane, count);
    timeout_at(way.deadline, ask()).await.unwrap_or_else(|_| (0..count).map(|_| Err(late())).collect())
}

pub(super) fn late() -> LedgerError {
    LedgerError { reason: "it gave no answer in time".to_owned() }
}

impl BatchContext {
    /// The certificate of an item that was signed before, byte for byte, if this is the same item.
    ///
    /// It is made from the payload by today's rules and issuer: where a reload has changed those, an honest retry is refused. That
    /// is the safe side, for the certificate is out already, and it passes with what is kept. One whose key was compromised since
    /// is not handed out again either: what that key signed is in doubt.
    pub(super) fn replay(&self, item: &BatchItem, kept: Kept, left: Duration) -> Result<Certificate, Faults> {
        let taken = |what: &str| {
            let left = left.as_secs();
            let message = format!("{what}; an item_id stands for one certificate, so take another (kept for {left} s more)");
            Fault::new("item_id", Rule::ItemIdTaken, message)
        };
        if *kept.profile != *self.profile.name {
            return Err(taken(&format!("was used under the profile {}", kept.profile)).into());
        }
        if !kept.has_expiry(item.expires_at) {
            return Err(taken("was used with another expires_at").into());
        }
        if self.keyring.is_stopped(kept.kid) {
            return Err(
                taken(&format!("was used for a certificate of the DSC {}, which was stopped as compromised", kept.kid)).into()
            );
        }
        let hcert = self.parse(item, kept.issued_at).map_err(|faults| {
            let taken = taken("was used for a payload without faults, and this one has some");
            Faults::from(taken).and(faults)
        })?;
        let (uvci, kind) = (hcert.uvci().to_owned(), hcert.certificate_type());
        // The person behind the call may be another than the one for whom it was signed.
        self.permits.check(kind)?;
        let claims = self.claims(hcert, kept.issued_at, kept.expires_at);
        let header = ProtectedHeader::new(kept.algorithm, kept.kid);
        if header.digest(&claims) != kept.digest {
            return Err(taken("was used for another payload").into());
        }
        let signed = Some(SignedForms::assemble(&header, claims, kept.signature));
        let Kept { kid, issued_at, expires_at, .. } = kept;
        Ok(Certificate { signed, uvci, kind, kid, issued_at, expires_at, is_replayed: true })
    }
}
