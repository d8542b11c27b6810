//! The check held to aws-lc-rs, from outside: for the fuzz target, which has no other way in.

use super::BatchCheck;
use crate::domain::{Digest, PublicKey};

/// A check that has proven nothing, so that it exists for odd keys too.
#[derive(Debug)]
pub struct Held(BatchCheck);

impl Held {
    /// Nothing where the key is none on P-256.
    #[must_use]
    pub fn unproven(key: &PublicKey) -> Option<Self> {
        BatchCheck::unproven(key).ok().map(|(check, _)| Self(check))
    }

    /// Whether what is said of each signature over its digest is what aws-lc-rs says, and what is proven is good.
    #[must_use]
    pub fn agrees(&self, signed: &[([u8; 32], Vec<u8>)]) -> bool {
        let digests: Vec<Digest> = signed.iter().map(|(digest, _)| Digest::from_bytes(*digest)).collect();
        let signed: Vec<(&Digest, &[u8])> = digests.iter().zip(signed).map(|(digest, signed)| (digest, &signed.1[..])).collect();
        let each: Vec<bool> = signed.iter().map(|(digest, signature)| self.0.each.accepts(digest, signature)).collect();
        let mut proven = vec![false; signed.len()];
        self.0.confirm(&signed, &mut proven, &|| {});
        proven.iter().zip(&each).all(|(proven, each)| *each || !proven) && self.0.accepts_each(&signed, || {}) == each
    }
}
