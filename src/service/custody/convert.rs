//! Between the protocol's words and custody's.

use tonic::Status;

use crate::custody::revocation::{PlainList, Remade, RevocationOrder, RevocationPlan, Revoked};
use crate::domain::HashType;
use crate::encode::cms::SignedMessage;
use crate::ledger::LedgerKeys;
use crate::ledger::index::Question;
use crate::ledger::record::Head;
use crate::service::proto::v1;
use crate::service::{question, status};

/// Reads an order; an `item_id` is hashed at once.
pub(super) fn read_order(request: v1::RevokeRequest, by: String, keys: &LedgerKeys) -> Result<RevocationOrder, Status> {
    let item_id = request.question.as_ref().and_then(|question| question.item_id.as_deref());
    let reason = request.reason.parse().and_then(|reason: crate::custody::revocation::Reason| reason.without(item_id));
    let reason = reason.map_err(|error| status::invalid("reason", &error.to_string()))?;
    let question = question::read(request.question.as_ref(), keys)?;
    match (question == Question::default(), request.everything) {
        (true, false) => {
            return Err(status::invalid(
                "question",
                "it is empty, and would mean every certificate: set everything where that is so",
            ));
        }
        (false, true) => return Err(status::invalid("everything", "it is set, and the question means less")),
        _ => {}
    }
    Ok(RevocationOrder {
        question,
        hash_type: read_hash_type(request.hash_type)?,
        with_expired: request.with_expired,
        expected: request.expected_certificates,
        by,
        reason,
    })
}

fn read_hash_type(number: i32) -> Result<HashType, Status> {
    match v1::HashType::try_from(number) {
        Ok(v1::HashType::Unspecified | v1::HashType::Signature) => Ok(HashType::Signature),
        Ok(v1::HashType::Uci) => Ok(HashType::Uci),
        Ok(v1::HashType::Countrycodeuci) => Ok(HashType::CountryCodeUci),
        Err(_) => Err(status::invalid("hash_type", "it is SIGNATURE, UCI or COUNTRYCODEUCI")),
    }
}

const fn hash_type(hash_type: HashType) -> v1::HashType {
    match hash_type {
        HashType::Signature => v1::HashType::Signature,
        HashType::Uci => v1::HashType::Uci,
        HashType::CountryCodeUci => v1::HashType::Countrycodeuci,
    }
}

/// How many a plan has of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    certificates: u32,
    lists: usize,
    expired: u64,
    repeated: u64,
}

impl Counts {
    pub(super) fn of(plan: &RevocationPlan) -> Self {
        let (expired, repeated) = (plan.expired(), plan.repeated());
        Self { certificates: plan.certificates(), lists: plan.lists().len(), expired, repeated }
    }
}

/// Of what is not on record.
pub(super) fn dry_summary(counts: Counts, asked: String, plain_because: Option<String>) -> v1::RevocationSummary {
    let Counts { certificates, lists, expired, repeated } = counts;
    v1::RevocationSummary {
        certificates: certificates.into(),
        lists: lists as u64,
        expired_certificates: expired,
        repeated_certificates: repeated,
        plain_because,
        instance: None,
        seq: None,
        asked,
    }
}

/// Of what is.
pub(super) fn summary(
    counts: Counts,
    asked: String,
    plain_because: Option<String>,
    instance: &str,
    head: Head,
) -> v1::RevocationSummary {
    let (instance, seq) = (Some(instance.to_owned()), Some(head.seq));
    v1::RevocationSummary { instance, seq, ..dry_summary(counts, asked, plain_because) }
}

/// Of what two officers had revoked.
pub(super) fn revoked_summary(revoked: Revoked) -> v1::RevocationSummary {
    let Revoked { instance, seq, certificates, lists, expired, repeated, asked, plain } = revoked;
    v1::RevocationSummary {
        certificates: certificates.into(),
        lists: lists as u64,
        expired_certificates: expired,
        repeated_certificates: repeated,
        plain_because: plain,
        instance: Some(instance),
        seq: Some(seq),
        asked,
    }
}

/// Of lists that were made again. What had expired then was left out, and is not counted now.
pub(super) fn remade_summary(remade: &Remade) -> v1::RevocationSummary {
    let hashes: usize = remade.lists.iter().map(|(list, _)| list.batch.entries().len()).sum();
    v1::RevocationSummary {
        certificates: remade.certificates.into(),
        lists: remade.lists.len() as u64,
        expired_certificates: 0,
        repeated_certificates: u64::from(remade.certificates).saturating_sub(hashes as u64),
        plain_because: remade.plain.clone(),
        instance: Some(remade.instance.clone()),
        seq: Some(remade.seq),
        asked: remade.asked.clone(),
    }
}

/// A list without its contents.
pub(super) fn plain_list(list: &PlainList) -> v1::RevocationList {
    let batch = &list.batch;
    v1::RevocationList {
        id: list.digest.0.to_vec().into(),
        kid: batch.kid().map(|kid| kid.as_bytes().to_vec()).unwrap_or_default().into(),
        country: batch.country().to_string(),
        expires_at: batch.expires().seconds(),
        hash_type: hash_type(batch.hash_type()).into(),
        hashes: u32::try_from(batch.entries().len()).unwrap_or(u32::MAX),
        json: Vec::new().into(),
        cms: None,
    }
}

/// A list as it leaves.
pub(super) fn signed_list(list: PlainList, message: Option<SignedMessage>) -> v1::RevocationList {
    let cms = message.map(|message| message.as_der().to_vec().into());
    v1::RevocationList { cms, json: list.json.clone().into(), ..plain_list(&list) }
}
