//! A record: what a chain is made of, and how it is written.
//!
//! ```text
//! record = CBOR { v: 1, instance, seq, at, body: { kind: { … } } }
//! digest = SHA-256(record)
//! link   = SHA-256("sceau link v1" 0 ‖ previous link ‖ digest)        the first previous link is 32 zeros
//! ```
//! What is long, and is forgotten one day, is the record's *detail*: it stands beside the record, which holds its hash.
//!
//! | kind | detail | the record's hash of it |
//! |---|---|---|
//! | intent | the digests that are to be signed, 32 bytes each | SHA-256 |
//! | outcome | one [`Entry`] a certificate | Merkle root, [`super::merkle`] |
//! | revocation | the places of what was revoked, [`Place`], chain by chain | SHA-256 |
//!
//! The digest and not the record stands in the link, so that a record that is forgotten leaves its digest and the chain holds.

mod body;
mod chain;
mod entry;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use body::{Blob, Body, Intent, Opened, Outcome, Pruning, Revocation, RevokedOf, Seal};
pub use chain::{Head, Link};
pub use entry::{Entry, Place};

use super::merkle;
use crate::domain::{Digest, Octets};

/// The version of the form; a reader refuses another.
pub const VERSION: u8 = 1;

/// One record of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`].
    pub v: u8,
    /// Whose chain it is: the signer's name in its configuration.
    pub instance: String,
    /// Its place in the chain, from 1 on.
    pub seq: u64,
    /// When it was written, in milliseconds since 1970; no earlier than the record before it, also where the clock was set back.
    pub at: i64,
    /// What happened.
    pub body: Body,
}

impl Record {
    /// As it is stored, hashed and exported.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(384);
        ciborium::into_writer(self, &mut bytes).expect("a vector takes every byte, and a record has a CBOR form");
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidRecord`] where the bytes are no record of this version.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let mut rest = bytes;
        let record: Self = ciborium::from_reader(&mut rest).map_err(|_| InvalidRecord::Form)?;
        if !rest.is_empty() {
            return Err(InvalidRecord::Form);
        }
        if record.v != VERSION {
            return Err(InvalidRecord::Version { version: record.v });
        }
        Ok(record)
    }

    /// What the chain's link takes of a record.
    #[must_use]
    pub fn digest_of(bytes: &[u8]) -> Octets<32> {
        Digest::of(bytes).into()
    }

    /// Whether a detail is this record's own; one that has none has the empty one.
    #[must_use]
    pub fn has_detail(&self, detail: &[u8]) -> bool {
        let is_hashed = |hash: &Octets<32>| *hash == Octets::from(Digest::of(detail));
        match &self.body {
            Body::Intent(intent) => detail.len() as u64 == u64::from(intent.count) * 32 && is_hashed(&intent.digests),
            Body::Outcome(outcome) => {
                detail.len() as u64 == u64::from(outcome.signed) * Entry::BYTES as u64
                    && merkle::root(detail.chunks(Entry::BYTES)) == outcome.root
            }
            Body::Revocation(revocation) => {
                detail.len() as u64 == u64::from(revocation.certificates) * Place::BYTES as u64
                    && revocation.adds_up()
                    && is_hashed(&revocation.places)
            }
            Body::Opened(_) | Body::Doubt { .. } | Body::Seal(_) | Body::Pruning(_) | Body::Custody(_) => detail.is_empty(),
        }
    }
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// They are something else.
    #[error("it is no record in CBOR")]
    Form,
    /// They are of a later Sceau.
    #[error("the record has version {version}; this program reads version {VERSION}")]
    Version {
        /// Its version.
        version: u8,
    },
}
