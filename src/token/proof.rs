//! A key proves itself: it signs a digest that means nothing else, and the signature verifies.

use std::sync::LazyLock;

use super::TokenError;
use crate::domain::{Digest, InvalidKey, PublicKey, Signature, SignatureCheck};

/// The one digest that proofs are over: no certificate has it, for no `Sig_structure` begins like this.
static DIGEST: LazyLock<Digest> = LazyLock::new(|| Digest::of(b"sceau: a key proves that it signs, version 1"));

/// What every proof signs.
pub(super) fn digest() -> &'static Digest {
    &DIGEST
}

/// The proof of one key.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    check: SignatureCheck,
}

impl Proof {
    /// The proof that belongs to a public key.
    pub(super) fn of(key: &PublicKey) -> Result<Self, InvalidKey> {
        Ok(Self { check: SignatureCheck::new(key)? })
    }

    /// Whether a signature over [`digest`] is the key's.
    pub(super) fn accept(&self, signature: &Signature) -> Result<(), TokenError> {
        if self.check.accepts(digest(), signature.as_bytes()) { Ok(()) } else { Err(TokenError::BadSignature) }
    }
}
