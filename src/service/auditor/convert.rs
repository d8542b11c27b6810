//! The ledger's words as the protocol has them.

use crate::domain::NumericDate;
use crate::ledger::index::Found;
use crate::service::proto::v1;

/// A certificate as it is told.
pub(super) fn found(found: Found) -> v1::RecordedCertificate {
    let Found { instance, index, signing, group, entry, revoked_at } = found;
    v1::RecordedCertificate {
        instance,
        seq: signing.seq,
        index: index.into(),
        recorded_at: signing.at.seconds(),
        caller: group.caller,
        person: group.person,
        request_id: group.request,
        profile: group.profile,
        kid: group.kid.0.to_vec().into(),
        algorithm: group.algorithm,
        issuer: group.issuer,
        r#type: entry.kind.key().to_owned(),
        issued_at: group.issued_at,
        expires_at: entry.expires_at.seconds(),
        uvci_hash: entry.uci.0.to_vec().into(),
        country_uvci_hash: entry.country_uci.0.to_vec().into(),
        signature_hash: entry.signature.0.to_vec().into(),
        item_hash: entry.item.0.to_vec().into(),
        payload_hash: entry.payload.0.to_vec().into(),
        revoked_at: revoked_at.map(NumericDate::seconds),
    }
}
