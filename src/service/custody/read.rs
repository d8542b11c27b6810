//! What officers send, read.

use tonic::Status;

use crate::custody::office::Against;
use crate::domain::officers::{ProposalId, SignedText};
use crate::domain::{Kid, Octets};
use crate::service::proto::v1;
use crate::service::status;

/// A signed text as it was sent.
pub(super) fn signed(field: &str, signed: Option<v1::SignedText>) -> Result<SignedText, Status> {
    let v1::SignedText { text, signature } = signed.ok_or_else(|| status::invalid(field, "it is missing"))?;
    let signature = octets(&format!("{field}.signature"), &signature)?;
    Ok(SignedText { text, signature })
}

/// A text that may be without its signature.
pub(super) fn text_to_try(field: &str, sent: Option<v1::SignedText>) -> Result<SignedText, Status> {
    match sent {
        Some(v1::SignedText { text, signature }) if signature.is_empty() => Ok(SignedText { text, signature: Octets([0; 64]) }),
        sent => signed(field, sent),
    }
}

pub(super) fn proposal_id(bytes: &[u8]) -> Result<ProposalId, Status> {
    octets("proposal", bytes).map(ProposalId)
}

pub(super) fn kid(bytes: &[u8]) -> Result<Kid, Status> {
    octets::<8>("kid", bytes).map(|kid| Kid::from(kid.0))
}

pub(super) fn against(import: v1::ImportCheck) -> Against {
    let v1::ImportCheck { cscas, trust_list } = import;
    Against { cscas: cscas.iter().map(|csca| csca.to_vec()).collect(), trust_list: trust_list.map(|list| list.to_vec()) }
}

fn octets<const N: usize>(field: &str, bytes: &[u8]) -> Result<Octets<N>, Status> {
    bytes.try_into().map(Octets).map_err(|_| status::invalid(field, &format!("it has {N} bytes")))
}
