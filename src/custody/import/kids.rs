//! The kids that are taken.

use std::collections::HashMap;
use std::fmt;

use super::{Findings, ImportFault};
use crate::domain::{Digest, Kid};

/// Kids that a new DSC must not have: those of our own DSCs, and of a trust list.
///
/// The gateway refuses a second certificate of one kid, and a verifier would try two keys for each of its signatures.
#[derive(Clone, Debug, Default)]
pub struct KnownKids(HashMap<Kid, (Digest, String)>);

impl KnownKids {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate in DER; `place` says where it stands, for the officer who has to look. The first of a kid stays.
    pub fn add(&mut self, der: &[u8], place: impl Into<String>) {
        self.0.entry(Kid::of_der(der)).or_insert_with(|| (Digest::of(der), place.into()));
    }

    /// How many kids are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn check(&self, der: &[u8], findings: &mut Findings) {
        let kid = Kid::of_der(der);
        if let Some((thumbprint, place)) = self.0.get(&kid) {
            let holder = Holder { place: place.clone(), is_same: *thumbprint == Digest::of(der) };
            findings.refuse(ImportFault::Kid { kid, holder });
        }
    }

    /// A kid that is taken by another certificate, which no test can find by trying.
    #[cfg(test)]
    pub(super) fn add_kid(&mut self, kid: Kid, place: &str) {
        self.0.insert(kid, (Digest::of(b"another certificate"), place.to_owned()));
    }
}

/// The certificate that has a kid already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Where it stands.
    pub place: String,
    /// Whether it is this very certificate.
    pub is_same: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_same {
            return write!(f, "this very certificate stands in {} already", self.place);
        }
        write!(f, "by another certificate in {}; the CSCA has to issue this one anew, under another serial number", self.place)
    }
}
