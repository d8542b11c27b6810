//! What stands in the custody chain.

use serde::{Deserialize, Serialize};

use super::{Label, ProposalId, SignedText, Words};
use crate::domain::{Octets, PublicKey};

/// One step of custody, as a record of the chain holds it: an object of one member, CBOR or JSON.
///
/// | event | what it holds |
/// |---|---|
/// | proposed | `text`, `signature`: the proposal as it was signed |
/// | approved, rejected | `text`, `signature`: the verdict as it was signed |
/// | executed | `proposal`: its id, 32 bytes; `outcome` |
/// | emergency | `text`, `signature`: a proposal that one officer's signature carries; it is in force with its record |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An officer proposed a change.
    Proposed(SignedText),
    /// Another one approved it.
    Approved(SignedText),
    /// An officer rejected it: that ends it.
    Rejected(SignedText),
    /// What was approved was done, or failed: that ends it.
    Executed {
        /// The proposal.
        proposal: ProposalId,
        /// What came of it.
        outcome: Outcome,
    },
    /// An officer stopped a key, alone.
    Emergency(SignedText),
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A token made the key.
    Generated(GeneratedKey),
    /// Certificates were revoked; the record of it, with every place and every list, is in a signer's chain.
    Revoked {
        /// Whose chain.
        instance: Label,
        /// The record's place in it.
        seq: u64,
    },
    /// It was tried, and not done; nothing changed.
    Failed {
        /// Why not. No PIN, no payload.
        reason: Words<500>,
    },
}

/// The public half of a key that a token made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GeneratedKey {
    /// On P-256: `04 ‖ X ‖ Y`.
    P256(Octets<65>),
    /// RSA: the big-endian modulus, in hexadecimal digits. The exponent is 65537.
    Rsa(String),
}

/// 65537, the exponent of every RSA key that is made here.
const EXPONENT: [u8; 3] = [1, 0, 1];

impl GeneratedKey {
    /// Of a public key; none of an RSA key with another exponent than 65537.
    #[must_use]
    pub fn of(key: &PublicKey) -> Option<Self> {
        let generated = match key {
            PublicKey::P256 { point } => Self::P256(Octets(*point)),
            PublicKey::Rsa { modulus, .. } => Self::Rsa(hex::encode(modulus)),
        };
        (generated.public_key().as_ref() == Some(key)).then_some(generated)
    }

    /// The public key; none where the bytes are no key.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        match self {
            Self::P256(point) => Some(PublicKey::P256 { point: point.0 }),
            Self::Rsa(modulus) => PublicKey::from_rsa_parts(&hex::decode(modulus).ok()?, &EXPONENT),
        }
    }
}
