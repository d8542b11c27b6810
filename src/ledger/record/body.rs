//! What a record says.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Link;
use crate::domain::Octets;
use crate::domain::officers::Event;

/// What happened, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A signer began to write.
    Opened(Opened),
    /// A group of a batch is about to be signed: one DSC, one token.
    Intent(Intent),
    /// What became of it, before the certificates leave.
    Outcome(Outcome),
    /// Intents of which nobody knows what became: the process died, or could not write. None of their certificates left.
    Doubt {
        /// Their places in the chain.
        intents: Vec<u64>,
    },
    /// A token signed the chain's head.
    Seal(Seal),
    /// Certificates were revoked.
    Revocation(Revocation),
    /// Records were forgotten; their digests stay.
    Pruning(Pruning),
    /// Officers proposed, approved or did something.
    Custody(Event),
}

impl Body {
    /// Its kind, as it is written.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Intent(_) => "intent",
            Self::Outcome(_) => "outcome",
            Self::Doubt { .. } => "doubt",
            Self::Seal(_) => "seal",
            Self::Revocation(_) => "revocation",
            Self::Pruning(_) => "pruning",
            Self::Custody(_) => "custody",
        }
    }
}

/// A signer began to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Its version.
    pub program: String,
    /// The names of the ledger keys that it knows, the one that it writes with in front.
    pub keys: Vec<Octets<4>>,
    /// SHA-256 of the audit certificate whose key seals the chain; absent where nothing does.
    pub audit: Option<Octets<32>>,
}

/// A group of a batch is about to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The caller's name in the configuration.
    pub caller: String,
    /// The pseudonym of the person behind the call.
    pub person: Option<String>,
    /// The call's request id, as the logs have it.
    pub request: String,
    /// The profile's name.
    pub profile: String,
    /// The DSC that is to sign.
    pub kid: Octets<8>,
    /// Its algorithm, as COSE names it.
    pub algorithm: String,
    /// `iss` of the certificates.
    pub issuer: String,
    /// `iat` of the certificates, in seconds since 1970.
    pub issued_at: i64,
    /// How many digests there are.
    pub count: u32,
    /// SHA-256 over all of them.
    pub digests: Octets<32>,
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The intent's place in the chain.
    pub intent: u64,
    /// How many were signed; of each there is an [`super::Entry`].
    pub signed: u32,
    /// How many were not.
    pub unsigned: u32,
    /// The ledger key of the entries' keyed hashes.
    pub key: Octets<4>,
    /// The Merkle root over the entries.
    pub root: Octets<32>,
}

/// A token signed the chain's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The record whose link was signed.
    pub head: u64,
    /// Its link.
    pub link: Link,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// SHA-256 of the audit certificate.
    pub certificate: Octets<32>,
    /// Over [`super::Head::sealed_digest`].
    pub signature: Blob,
}

/// Certificates were revoked. It is written before their lists leave, and the lists can be made again from it.
///
/// # The lists, made again
/// The detail has the place of each certificate; its outcome there has the entry (exp and hashes), the outcome's intent the DSC and
/// `iss`. By country (`iss`), each country's certificates are grouped as [`crate::encode::revocation::batches`] does it, with the
/// expiry of the day, and written as JSON: the same bytes, whose SHA-256 stand here in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The officer's name in the configuration.
    pub by: String,
    /// Why, in the officer's words.
    pub reason: String,
    /// What was asked for, with hashes in place of identifiers.
    pub question: String,
    /// The hash type of the lists, as the gateway names it.
    pub hash_type: String,
    /// How many certificates.
    pub certificates: u32,
    /// SHA-256 over their places.
    pub places: Octets<32>,
    /// Whose places they are, in the order of the detail: all of one chain, then all of the next.
    pub chains: Vec<RevokedOf>,
    /// SHA-256 of each list that was made, as JSON.
    pub lists: Vec<Octets<32>>,
}

impl Revocation {
    /// Whether the chains' shares come to the whole.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.chains.iter().map(|of| u64::from(of.certificates)).sum::<u64>() == u64::from(self.certificates)
    }
}

/// What of a revocation is in one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedOf {
    /// Whose chain.
    pub instance: String,
    /// How many certificates.
    pub certificates: u32,
}

/// Records were forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// From and to, both of them too: of intents that have an outcome record and detail, of outcomes the detail. Nothing else of what
    /// stands between them.
    pub ranges: Vec<(u64, u64)>,
    /// How many certificates they were about.
    pub certificates: u64,
    /// All of them had expired before this instant, in seconds since 1970.
    pub before: i64,
}

/// Bytes of any number: base64 where a person reads them, a byte string in CBOR.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        if serializer.is_human_readable() {
            return serializer.serialize_str(&base64::prelude::BASE64_STANDARD.encode(&self.0));
        }
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BlobReader)
        } else {
            deserializer.deserialize_byte_buf(BlobReader)
        }
    }
}

struct BlobReader;

impl de::Visitor<'_> for BlobReader {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
        use base64::Engine;
        base64::prelude::BASE64_STANDARD.decode(text).map(Blob).map_err(|_| E::custom("it is no base64"))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }
}
