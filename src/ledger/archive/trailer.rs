//! The end of an export: how much it holds, signed.

use serde::{Deserialize, Serialize};

use super::certificate::{AuditCertificate, Distrust, TrustedAuditors};
use crate::domain::{Digest, Octets};
use crate::ledger::record::{Blob, Head, Link};

/// The version of the form; a reader refuses another.
pub const VERSION: u8 = 1;

/// How much an export holds, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// [`VERSION`].
    pub v: u8,
    /// When it was signed, in milliseconds since 1970.
    pub at: i64,
    /// Each chain, in the order of the export.
    pub chains: Vec<ChainEnd>,
}

/// How much of a chain an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainEnd {
    /// Whose chain it is.
    pub instance: String,
    /// The last record's place.
    pub seq: u64,
    /// Its link.
    pub link: Link,
    /// How many records are in the export; those that are forgotten do not count.
    pub records: u64,
    /// How many certificates are in it, each with its entry; those that are forgotten do not count.
    pub entries: u64,
}

impl ChainEnd {
    /// The end of the chain.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, link: self.link }
    }
}

impl Trailer {
    /// As it is signed.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("a vector takes every byte, and a trailer has a CBOR form");
        bytes
    }

    /// Reads one of this version; none where it is something else.
    #[must_use]
    pub fn from_cbor(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let trailer: Self = ciborium::from_reader(&mut rest).ok()?;
        (rest.is_empty() && trailer.v == VERSION).then_some(trailer)
    }

    /// What an audit key signs.
    #[must_use]
    pub fn digest_of(bytes: &[u8]) -> Digest {
        Digest::of_parts(&[b"sceau export v1\0", bytes])
    }

    /// The end of an instance's chain; none where it has none.
    #[must_use]
    pub fn chain(&self, instance: &str) -> Option<&ChainEnd> {
        self.chains.iter().find(|chain| chain.instance == instance)
    }
}

/// A trailer with its signature, as it stands in the last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTrailer {
    /// The [`Trailer`] in CBOR.
    pub trailer: Blob,
    /// SHA-256 of the audit certificate.
    pub certificate: Octets<32>,
    /// Over [`Trailer::digest_of`].
    pub signature: Blob,
}

impl SignedTrailer {
    /// What it says; none where it is no trailer of this version.
    #[must_use]
    pub fn read(&self) -> Option<Trailer> {
        Trailer::from_cbor(&self.trailer.0)
    }

    /// The certificate under which it was signed at that instant.
    ///
    /// # Errors
    /// [`Distrust`] where the signature counts for nothing.
    pub fn check<'t>(&self, trusted: &'t TrustedAuditors, at: i64) -> Result<&'t AuditCertificate, Distrust> {
        trusted.check(&self.certificate, &Trailer::digest_of(&self.trailer.0), &self.signature.0, at)
    }
}
