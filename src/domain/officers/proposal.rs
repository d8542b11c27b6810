//! A proposal: one officer says what is to be done.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::signed::{Said, VERSION};
use super::{ChainHead, Change, InvalidText, Label, SignedText, serial};
use crate::domain::octets::InvalidOctets;
use crate::domain::{Digest, NumericDate, Octets};

/// SHA-256 of a proposal's text, so that it names the exact change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProposalId(pub Octets<32>);

/// What the text of a proposal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalText {
    /// The version of the form, [`Self::VERSION`].
    pub v: u8,
    /// What is to be done.
    pub change: Change,
    /// Who proposes it.
    pub officer: Label,
    /// When it was made, by the officer's clock.
    #[serde(with = "serial::instant")]
    pub made_at: NumericDate,
    /// The instant from which it is void.
    #[serde(with = "serial::instant")]
    pub valid_until: NumericDate,
    /// The number of the roster that it is made under.
    pub roster: u32,
    /// The end of the custody chain that the officer saw.
    pub head: ChainHead,
    /// 16 random bytes.
    pub nonce: Octets<16>,
}

impl ProposalText {
    /// The version of the form.
    pub const VERSION: u8 = VERSION;

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.write()
    }
}

impl Said for ProposalText {
    fn version(&self) -> u8 {
        self.v
    }
}

/// A proposal whose text has the form; whether its signature is an officer's, a [`super::Roster`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    id: ProposalId,
    text: ProposalText,
    signed: SignedText,
}

impl Proposal {
    /// Reads a signed text.
    ///
    /// # Errors
    /// [`InvalidText`] where it is no proposal's.
    pub fn read(signed: SignedText) -> Result<Self, InvalidText> {
        let text = ProposalText::parse(&signed.text)?;
        Ok(Self { id: ProposalId(Digest::of(signed.text.as_bytes()).into()), text, signed })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ProposalId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub const fn text(&self) -> &ProposalText {
        &self.text
    }

    /// What is to be done.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.text.change
    }

    /// As it was signed.
    #[must_use]
    pub const fn signed(&self) -> &SignedText {
        &self.signed
    }
}

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProposalId({self})")
    }
}

impl FromStr for ProposalId {
    type Err = InvalidOctets;

    fn from_str(text: &str) -> Result<Self, InvalidOctets> {
        text.parse().map(Self)
    }
}
