//! A question to the ledger, as auditors and officers put it.

use tonic::Status;

use super::proto::v1;
use super::status;
use crate::domain::{CertificateType, ItemId, NumericDate, Octets};
use crate::ledger::LedgerKeys;
use crate::ledger::index::Question;

/// Reads a question; an `item_id` is hashed at once.
pub(super) fn read(question: Option<&v1::Question>, keys: &LedgerKeys) -> Result<Question, Status> {
    let Some(v1::Question { uvci_hash, item_id, signature_hash, kid, caller, person, r#type, from, to }) = question else {
        return Ok(Question::default());
    };
    let item = item_id.as_deref().map(ItemId::new).transpose().map_err(|error| invalid("item_id", &error.to_string()))?;
    Ok(Question {
        uci: octets("uvci_hash", uvci_hash.as_deref())?,
        item: item.map(|item| keys.items(&item).into_iter().map(|(_, hash)| hash).collect()),
        signature: octets("signature_hash", signature_hash.as_deref())?,
        kid: octets("kid", kid.as_deref())?,
        caller: caller.clone(),
        person: person.clone(),
        kind: r#type.as_deref().map(kind).transpose()?,
        from: from.map(NumericDate::from_seconds),
        to: to.map(NumericDate::from_seconds),
    })
}

fn invalid(field: &str, reason: &str) -> Status {
    status::invalid(&format!("question.{field}"), reason)
}

fn octets<const N: usize>(field: &str, bytes: Option<&[u8]>) -> Result<Option<Octets<N>>, Status> {
    let read = |bytes: &[u8]| bytes.try_into().map(Octets).map_err(|_| invalid(field, &format!("it has {N} bytes")));
    bytes.map(read).transpose()
}

fn kind(text: &str) -> Result<CertificateType, Status> {
    let known = CertificateType::ALL.into_iter().find(|kind| kind.key() == text);
    known.ok_or_else(|| invalid("type", "it is v, t or r"))
}
