//! A text, and an officer's signature over it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Octets};

/// A text as it was signed: stored and sent like this, and never written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedText {
    /// The text.
    pub text: String,
    /// ES256 over [`Role::digest`]: r‖s, 64 bytes, big-endian.
    pub signature: Octets<64>,
}

/// What an officer's signature is for. A signature in one role is none in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of the text of a proposal.
    Propose,
    /// Of the text of a verdict that approves.
    Approve,
    /// Of the text of a verdict that rejects.
    Reject,
    /// Of the line of a ceremony's transcript that says who was there.
    Witness,
}

/// The end of a chain that an officer saw: its last record's place, 0 before the first, and its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// The place, from 1 on.
    pub seq: u64,
    /// The link.
    pub link: Octets<32>,
}

/// The version of the texts; a reader refuses another.
pub(super) const VERSION: u8 = 1;

impl SignedText {
    /// The longest text, in bytes: a certificate in base64 has some 1,500, with an RSA key of 3072 bits some 2,500.
    pub const MAX_BYTES: usize = 32 * 1024;
}

impl Role {
    /// Its name in what is signed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Witness => "witness",
        }
    }

    /// The message that is signed with ECDSA and SHA-256: `"sceau custody 1\n" ‖ role ‖ "\n" ‖ text`.
    #[must_use]
    pub fn message(self, text: &str) -> Vec<u8> {
        ["sceau custody 1\n", self.name(), "\n", text].concat().into_bytes()
    }

    /// SHA-256 of the message.
    #[must_use]
    pub fn digest(self, text: &str) -> Digest {
        Digest::of(&self.message(text))
    }
}

impl ChainHead {
    /// That of a chain without records.
    pub const EMPTY: Self = Self { seq: 0, link: Octets([0; 32]) };
}

/// A text that officers' tools did not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// It is too long.
    #[error("the text has {bytes} bytes; it may have {}", SignedText::MAX_BYTES)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It is something else.
    #[error("the text is not of the form that officers sign: {message}")]
    Form {
        /// What is wrong, with the column.
        message: String,
    },
    /// It means the same as another text does, so that a person may read something else in it.
    #[error("the text is not written as Sceau writes it: members in their order, each once, no blanks, no escapes")]
    Unusual,
    /// It is of another version.
    #[error("the text has version {version}; this program reads version {VERSION}")]
    Version {
        /// Its version.
        version: u8,
    },
}

/// What a text says, which has a version.
pub(super) trait Said: Serialize + DeserializeOwned {
    fn version(&self) -> u8;

    /// The one text that says it.
    fn write(&self) -> String {
        serde_json::to_string(self).expect("the words of officers have a JSON form")
    }

    fn parse(text: &str) -> Result<Self, InvalidText> {
        if text.len() > SignedText::MAX_BYTES {
            return Err(InvalidText::TooLong { bytes: text.len() });
        }
        let said: Self = serde_json::from_str(text).map_err(|error| InvalidText::Form { message: error.to_string() })?;
        if said.version() != VERSION {
            return Err(InvalidText::Version { version: said.version() });
        }
        if said.write() == text { Ok(said) } else { Err(InvalidText::Unusual) }
    }
}
