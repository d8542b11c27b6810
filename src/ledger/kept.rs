//! What is kept of a signed item.

use std::sync::Arc;

use crate::domain::{Algorithm, Digest, Kid, NumericDate, Signature};

/// What makes a certificate whole again for whoever brings the same payload, and nothing of the payload.
///
/// The DSC may have left the keyring since: kid and algorithm are all that its header needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the `Sig_structure` that was signed: kid, times and the canonical payload.
    pub digest: Digest,
    /// The signature, as it was checked when it was made.
    pub signature: Signature,
    /// The DSC that signed.
    pub kid: Kid,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// `iat`.
    pub issued_at: NumericDate,
    /// `exp`.
    pub expires_at: NumericDate,
    /// Who set `exp`.
    pub expiry: Expiry,
    /// The name of the profile.
    pub profile: Arc<str>,
}

/// Who set the end of a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The profile, by its duration for the type.
    OfProfile,
    /// The item.
    OfItem,
}

impl Expiry {
    /// By what an item asked for.
    #[must_use]
    pub const fn of(wanted: Option<NumericDate>) -> Self {
        if wanted.is_some() { Self::OfItem } else { Self::OfProfile }
    }
}

impl Kept {
    /// Whether an item that wants this end of validity, or leaves it to its profile, wants what was kept.
    #[must_use]
    pub fn has_expiry(&self, wanted: Option<NumericDate>) -> bool {
        match self.expiry {
            Expiry::OfProfile => wanted.is_none(),
            Expiry::OfItem => wanted == Some(self.expires_at),
        }
    }
}
