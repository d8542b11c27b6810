//! A verdict: another officer approves a proposal, or rejects it.

use serde::{Deserialize, Serialize};

use super::signed::{Said, VERSION};
use super::{ChainHead, InvalidText, Label, ProposalId, Role, SignedText, serial};
use crate::domain::NumericDate;

/// What an officer thinks of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It shall be done.
    Approve,
    /// It shall not, whoever approves: one officer is enough, the proposer too.
    Reject,
}

impl Decision {
    /// The role in which it is signed.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Approve => Role::Approve,
            Self::Reject => Role::Reject,
        }
    }
}

/// What the text of a verdict says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictText {
    /// The version of the form, [`Self::VERSION`].
    pub v: u8,
    /// What the officer thinks.
    pub decision: Decision,
    /// Of which proposal: the hash of its text, so of the exact change.
    pub proposal: ProposalId,
    /// Who thinks so.
    pub officer: Label,
    /// When it was made, by the officer's clock.
    #[serde(with = "serial::instant")]
    pub made_at: NumericDate,
    /// The end of the custody chain that the officer saw; the proposal is before it.
    pub head: ChainHead,
}

impl VerdictText {
    /// The version of the form.
    pub const VERSION: u8 = VERSION;

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.write()
    }
}

impl Said for VerdictText {
    fn version(&self) -> u8 {
        self.v
    }
}

/// A verdict whose text has the form; whether its signature is an officer's, a [`super::Roster`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    text: VerdictText,
    signed: SignedText,
}

impl Verdict {
    /// Reads a signed text.
    ///
    /// # Errors
    /// [`InvalidText`] where it is no verdict's.
    pub fn read(signed: SignedText) -> Result<Self, InvalidText> {
        Ok(Self { text: VerdictText::parse(&signed.text)?, signed })
    }

    /// What it says.
    #[must_use]
    pub const fn text(&self) -> &VerdictText {
        &self.text
    }

    /// As it was signed.
    #[must_use]
    pub const fn signed(&self) -> &SignedText {
        &self.signed
    }
}
