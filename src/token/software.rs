//! Keys in memory, for tests and benches. Never part of a release binary: the feature `software-token` is not a default,
//! and nothing in the binary names this module.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::{Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};
use crate::domain::{Digest, PublicKey, Signature};

/// A token of P-256 keys in memory.
pub struct SoftwareToken {
    keys: Vec<EcdsaKeyPair>,
}

impl SoftwareToken {
    /// So many new keys.
    ///
    /// # Panics
    /// Where the random generator fails.
    #[must_use]
    pub fn with_keys(count: usize) -> Self {
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the random generator works");
        Self { keys: (0..count).map(|_| key()).collect() }
    }

    /// The key of a number, and its public half.
    ///
    /// # Panics
    /// Where there is no key of that number.
    #[must_use]
    pub fn key(&self, number: usize) -> (TokenKey, PublicKey) {
        let point = self.keys[number].public_key().as_ref().try_into().expect("an uncompressed point has 65 bytes");
        (TokenKey(number), PublicKey::P256 { point })
    }

    /// One signature, at once.
    ///
    /// # Errors
    /// There is no key of that number.
    pub fn sign_now(&self, key: TokenKey, digest: &Digest) -> Result<Signed, TokenError> {
        let key = self.keys.get(key.0).ok_or(TokenError::KeyAbsent { what: "key of that number" })?;
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256)
            .map_err(|_| TokenError::Closed)?;
        let signature = key.sign_digest(&digest).map_err(|_| TokenError::Closed)?;
        Ok(Signed { signature: Signature::new(signature.as_ref().to_vec()), session: SessionId::default() })
    }
}

impl Token for SoftwareToken {
    fn name(&self) -> &'static str {
        "software"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let results = digests.iter().map(|digest| self.sign_now(order.key, digest)).collect();
        Box::pin(std::future::ready(results))
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

impl fmt::Debug for SoftwareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareToken({} keys)", self.keys.len())
    }
}
