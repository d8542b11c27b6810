//! The service's words, as they are printed.

use serde_json::{Value, json};

use super::{Scene, tell};
use crate::domain::NumericDate;
use crate::domain::officers::{Proposal, SignedText};
use crate::service::proto::v1;

/// Bytes in hexadecimal digits.
pub(crate) fn hex_id(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// An instant as people read it.
pub(crate) fn instant(seconds: i64) -> String {
    NumericDate::from_seconds(seconds).to_string()
}

/// A key's state, in a word.
pub(crate) fn state_name(state: v1::KeyState) -> String {
    state.as_str_name().trim_start_matches("KEY_STATE_").to_ascii_lowercase()
}

/// A proposal's state, in a word.
pub(crate) fn proposal_state(state: v1::ProposalState) -> String {
    state.as_str_name().trim_start_matches("PROPOSAL_STATE_").to_ascii_lowercase()
}

/// Types by their letters.
pub(crate) fn types_text(letters: &[String]) -> String {
    letters.join(",")
}

/// The proposal as its officer signed it.
///
/// # Errors
/// It is not of the form, or stands under another id than its own.
pub(crate) fn read_proposal(told: &v1::CustodyProposal) -> anyhow::Result<Proposal> {
    let signed = told.signed.as_ref().ok_or_else(|| anyhow::anyhow!("the service tells no text of the proposal"))?;
    let proposal = Proposal::read(read_signed(signed)?)?;
    anyhow::ensure!(
        proposal.id() == super::scene::id_of(told)?,
        "the service shows the text of the proposal {} under another name: nothing of it is believed",
        proposal.id()
    );
    Ok(proposal)
}

pub(super) fn read_signed(signed: &v1::SignedText) -> anyhow::Result<SignedText> {
    let signature = signed.signature.as_ref().try_into().map_err(|_| anyhow::anyhow!("a signature has 64 bytes"))?;
    Ok(SignedText { text: signed.text.clone(), signature: crate::domain::Octets(signature) })
}

pub(super) fn to_wire(signed: &SignedText) -> v1::SignedText {
    v1::SignedText { text: signed.text.clone(), signature: signed.signature.as_ref().to_vec().into() }
}

pub(super) fn effect_json(effect: &v1::ChangeEffect) -> Value {
    let state = |state: v1::KeyState| (state != v1::KeyState::Unspecified).then(|| state_name(state));
    json!({
        "label": effect.label,
        "before": state(effect.before()),
        "after": state(effect.after()),
        "will": effect.will,
        "next": effect.next,
    })
}

/// A proposal, with what its text says.
pub(crate) fn proposal_json(told: &v1::CustodyProposal, scene: &Scene) -> Value {
    let read = read_proposal(told);
    let text: Option<Value> = told.signed.as_ref().and_then(|signed| serde_json::from_str(&signed.text).ok());
    json!({
        "id": hex_id(&told.id),
        "state": proposal_state(told.state()),
        "command": told.command,
        "what": read.as_ref().ok().map(|proposal| tell(proposal.change(), scene).headline),
        "text": text,
        "officer": told.officer,
        "approvers": told.approvers,
        "approvals_needed": told.needed,
        "valid_until": instant(told.valid_until),
        "effect": told.effect.as_ref().map(effect_json),
        "contradiction": told.contradiction,
        "reason": told.reason,
        "unreadable": read.err().map(|error| error.to_string()),
    })
}
