//! What officers' commands have in common: what they see of custody, what a change means, and the signature.
//!
//! What is signed is shown first, on stderr, in this program's own words: read from the text that is signed, never from what the
//! service says of it. What came of it goes to stdout.

mod args;
mod ask;
mod certificate;
mod decide;
mod desk;
mod files;
mod next;
mod propose;
mod scene;
mod signer;
mod told;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use args::{KeyArgs, ProposingArgs, SigningArgs, When, command, parse_types};
pub(crate) use certificate::{AgainstArgs, Checked, first_der};
pub(crate) use decide::{Decided, approve, decided, reject};
pub(crate) use desk::Desk;
pub(crate) use files::{refuse_existing, write_new};
pub(crate) use next::Next;
pub(crate) use propose::{Proposed, Wish, propose, proposed_json, tell_proposed};
pub(crate) use scene::{Scene, dsc_of, types_of, words_of};
pub(crate) use told::{certificate_facts, tell};
pub(crate) use view::{hex_id, instant, proposal_json, proposal_state, read_proposal, state_name, types_text};

/// A command that cannot be, as it was typed or as things are: the exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(String);

pub(crate) fn misuse(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Misuse(message.into()))
}
