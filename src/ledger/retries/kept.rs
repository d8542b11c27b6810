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

/// Bytes that are nothing kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was kept of an item cannot be read: it was written under another ledger key, or is damaged")]
pub struct InvalidKept;

impl Kept {
    /// As it is encrypted and written down: digest 32, kid 8, algorithm 1, iat 8, exp 8, who set exp 1, the signature's length 2
    /// and bytes, the profile.
    pub(in crate::ledger) fn write(&self, bytes: &mut Vec<u8>) {
        let signature = self.signature.as_bytes();
        bytes.extend_from_slice(self.digest.as_bytes());
        bytes.extend_from_slice(self.kid.as_bytes());
        bytes.push(code_of(self.algorithm));
        bytes.extend_from_slice(&self.issued_at.seconds().to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.seconds().to_be_bytes());
        bytes.push(u8::from(self.expiry == Expiry::OfItem));
        bytes.extend_from_slice(&u16::try_from(signature.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(signature);
        bytes.extend_from_slice(self.profile.as_bytes());
    }

    /// How many bytes that is.
    #[must_use]
    pub(in crate::ledger) fn len(&self) -> usize {
        60 + self.signature.as_bytes().len() + self.profile.len()
    }

    /// Reads it again.
    pub(in crate::ledger) fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKept> {
        Self::read(bytes).ok_or(InvalidKept)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (kid, rest) = rest.split_first_chunk::<8>()?;
        let (algorithm, rest) = rest.split_first()?;
        let (issued_at, rest) = rest.split_first_chunk::<8>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (expiry, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (signature, profile) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Self {
            digest: Digest::from_bytes(*digest),
            signature: Signature::new(signature.to_vec()),
            kid: Kid::from(*kid),
            algorithm: algorithm_of(*algorithm)?,
            issued_at: NumericDate::from_seconds(i64::from_be_bytes(*issued_at)),
            expires_at: NumericDate::from_seconds(i64::from_be_bytes(*expires_at)),
            expiry: if *expiry == 0 { Expiry::OfProfile } else { Expiry::OfItem },
            profile: std::str::from_utf8(profile).ok()?.into(),
        })
    }

    /// Whether an item that wants this end of validity, or leaves it to its profile, wants what was kept.
    #[must_use]
    pub fn has_expiry(&self, wanted: Option<NumericDate>) -> bool {
        match self.expiry {
            Expiry::OfProfile => wanted.is_none(),
            Expiry::OfItem => wanted == Some(self.expires_at),
        }
    }
}

/// An algorithm, as it is written down.
pub(super) const fn code_of(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Es256 => 0,
        Algorithm::Ps256 => 1,
    }
}

/// The algorithm of a code.
pub(super) fn algorithm_of(code: u8) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|algorithm| code_of(*algorithm) == code)
}
