//! What can be proposed: one variant a command.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Label, Officer, Words, serial};
use crate::domain::{CertificateTypes, Country, HashType, Kid, NumericDate, PublicKey};

/// One change. In a text it is an object of one member: `{"retire":{"kid":"870aaa4460b56d17","at":"2022-01-31T08:00:00Z"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A token makes a key pair.
    Generate(Generation),
    /// The certificate that a CSCA issued for a key is taken.
    Certify(Certification),
    /// A certificate stands on the trust list, or will, from an instant on.
    Publish {
        /// Of the certificate.
        #[serde(with = "serial::text")]
        kid: Kid,
        /// From then on verifiers can have it.
        #[serde(with = "serial::instant")]
        at: NumericDate,
    },
    /// A key signs, in a window.
    Activate(Activation),
    /// A key signs no more from an instant on.
    Retire {
        /// Of its certificate.
        #[serde(with = "serial::text")]
        kid: Kid,
        /// The first instant at which it does not sign.
        #[serde(with = "serial::instant")]
        at: NumericDate,
    },
    /// A key signs no more, whatever the instant. One officer is enough: it only stops.
    Compromise {
        /// Of its certificate.
        #[serde(with = "serial::text")]
        kid: Kid,
        /// Why, in the officer's words.
        reason: Words<500>,
    },
    /// A token forgets a private key.
    Destroy(KeyName),
    /// Other officers, or another number of them that has to agree.
    Roster(RosterChange),
    /// A token gets another user PIN. It stands in no text: the worker reads it from where its configuration says.
    ChangePin {
        /// The token's name in the configuration.
        token: Label,
    },
    /// A free slot becomes a token, with the label and the PINs of the worker's configuration.
    InitialiseToken {
        /// The token's name in the configuration.
        token: Label,
    },
    /// Certificates are revoked.
    Revoke(Revocation),
}

impl Change {
    /// The command that proposes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Certify(_) => "certify",
            Self::Publish { .. } => "publish",
            Self::Activate(_) => "activate",
            Self::Retire { .. } => "retire",
            Self::Compromise { .. } => "compromise",
            Self::Destroy(_) => "destroy",
            Self::Roster(_) => "roster",
            Self::ChangePin { .. } => "change_pin",
            Self::InitialiseToken { .. } => "initialise_token",
            Self::Revoke(_) => "revoke",
        }
    }

    /// Whether one officer is enough: it stops a key, and starts nothing.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        matches!(self, Self::Compromise { .. })
    }
}

/// A token makes a key pair that never leaves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// CKA_LABEL of both halves; no other key of any token has had it.
    pub label: Label,
    /// The token's name in the configuration.
    pub token: Label,
    /// The kind of key.
    pub key: KeyKind,
    /// The subject that the certificate is asked for with.
    pub subject: Subject,
    /// The types that the certificate is asked for with (extended key usage); all three ask for none, which means any.
    #[serde(with = "serial::types")]
    pub types: CertificateTypes,
}

/// The kinds of key that a DSC may have.
///
/// # Source
/// Certificate governance, DSC profile: P-256, or RSA of 2048 to 3072 bits for PS256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// P-256, for ES256.
    #[serde(rename = "p256")]
    P256,
    /// RSA with 2048 bits and exponent 65537, for PS256.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 3072 bits and exponent 65537, for PS256.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
}

impl KeyKind {
    /// Its name in texts and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
        }
    }

    /// Of a public key; none of a length that no DSC has.
    #[must_use]
    pub fn of(key: &PublicKey) -> Option<Self> {
        match key {
            PublicKey::P256 { .. } => Some(Self::P256),
            PublicKey::Rsa { modulus, .. } if modulus.len() == 256 => Some(Self::Rsa2048),
            PublicKey::Rsa { modulus, .. } if modulus.len() == 384 => Some(Self::Rsa3072),
            PublicKey::Rsa { .. } => None,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The subject of a DSC. The lengths are X.520's upper bounds.
///
/// # Source
/// Certificate governance, DSC profile: CN not empty and unique, O recommended, C the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// `C`.
    #[serde(with = "serial::text")]
    pub country: Country,
    /// `O`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Words<64>>,
    /// `CN`.
    pub common_name: Words<64>,
}

/// The certificate that a CSCA issued for a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// The key.
    pub label: Label,
    /// The certificate in DER.
    #[serde(with = "serial::base64")]
    pub certificate: Vec<u8>,
}

impl fmt::Debug for Certification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certification {{ label: {}, kid: {} }}", self.label, Kid::of_der(&self.certificate))
    }
}

/// When a key signs, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Of its certificate.
    #[serde(with = "serial::text")]
    pub kid: Kid,
    /// The first instant at which it signs, judged by `iat`.
    #[serde(with = "serial::instant")]
    pub from: NumericDate,
    /// The first at which it signs no more; absent: until it is retired, or its certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serial::instant_if_any")]
    pub to: Option<NumericDate>,
    /// What it signs; among what its certificate allows.
    #[serde(with = "serial::types")]
    pub types: CertificateTypes,
    /// Its share of the work among the active keys that fit: 1 to 1000.
    pub weight: u16,
}

/// A key by what it has: its certificate's kid, or its label where it has no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyName {
    /// Of its certificate.
    Kid(#[serde(with = "serial::text")] Kid),
    /// CKA_LABEL.
    Label(Label),
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kid(kid) => write!(f, "the DSC {kid}"),
            Self::Label(label) => write!(f, "the key {label:?}", label = label.as_str()),
        }
    }
}

/// Other officers, or another quorum. What there is now is the roster that the proposal names by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterChange {
    /// Who comes.
    pub add: Vec<Officer>,
    /// Who goes.
    pub remove: Vec<Label>,
    /// How many approvals a proposal needs from then on, beside the proposer's signature.
    pub quorum: u32,
}

/// Certificates are revoked: as many as a question finds, and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The question to the ledger, with hashes in place of identifiers.
    pub question: Words<4000>,
    /// The hash type of the lists.
    #[serde(with = "serial::text")]
    pub hash_type: HashType,
    /// Why, in the officer's words.
    pub reason: Words<500>,
    /// How many certificates the officer saw that it finds; where it finds another number, nothing is revoked.
    pub expect: u64,
}
