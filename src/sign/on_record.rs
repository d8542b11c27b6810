//! On record: an intent before a group is signed, its outcome before a certificate leaves.

use tokio::time::timeout_at;

use super::batch::{ItemError, SignFailure};
use super::replay::{in_time, late};
use super::signer::{Finished, Pending, Way};
use super::stage::Stage;
use crate::ledger::{Group, LedgerError, OpenIntent};

/// Puts on record that a group is about to be signed. Nothing is signed before that is durable.
pub(super) async fn intend(way: &Way, group: &[Pending]) -> Result<Option<OpenIntent>, LedgerError> {
    let (Some(keeping), Some(first)) = (&way.keeping, group.first()) else { return Ok(None) };
    let (context, dsc) = (&way.context, first.item.binding.dsc());
    let intended = keeping.ledger.intend(Group {
        caller: context.caller.clone(),
        person: context.person.clone(),
        request: context.request.clone(),
        profile: keeping.profile.clone(),
        kid: dsc.kid(),
        algorithm: dsc.algorithm(),
        issuer: context.profile.issuer,
        issued_at: context.issued_at,
        digests: group.iter().map(|pending| pending.item.digest).collect(),
    });
    let _running = Stage::Ledger.begin(way.lane, group.len());
    timeout_at(way.deadline, intended).await.unwrap_or_else(|_| Err(late())).map(Some)
}

/// Has the ledger write down and keep what was signed, before it leaves. What it does not keep fails.
pub(super) async fn settle(way: &Way, intent: Option<OpenIntent>, finished: &mut [Finished]) {
    let (Some(keeping), Some(intent)) = (&way.keeping, intent) else { return };
    let (mut indices, mut signed) = (Vec::new(), Vec::new());
    for (index, item) in finished.iter_mut().enumerate() {
        if let Finished::Outcome { signed: signing, .. } = item
            && let Some(item) = signing.take()
        {
            indices.push(index);
            signed.push(*item);
        }
    }
    if signed.is_empty() {
        return;
    }
    let settled = in_time(way, indices.len(), || keeping.ledger.settle(intent, signed)).await;
    for (index, settled) in indices.into_iter().zip(settled) {
        if let (Finished::Outcome { outcome, .. }, Err(error)) = (&mut finished[index], settled) {
            *outcome = Err(ItemError::Failed(SignFailure::Ledger(error)));
        }
    }
}
