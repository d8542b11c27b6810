//! Whether a profile can sign at this moment: from the keys in force, and from what their tokens' own signatures have shown.

use super::keyring::{Keyring, Need, SigningKey, misfit};
use super::{Profile, Signer};
use crate::domain::{CertificateType, NumericDate};
use crate::token::Readiness;

/// Why a profile cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The machine's clock is not to be trusted.
    #[error("{reason}")]
    Clock {
        /// What was seen.
        reason: String,
    },
    /// No DSC is there for its algorithm and country.
    #[error("there is no {algorithm} DSC of {country}")]
    NoDsc {
        /// The profile's algorithm.
        algorithm: crate::domain::Algorithm,
        /// The profile's country.
        country: crate::domain::Country,
    },
    /// DSCs are there for a type, and none is valid from now to the end of what would be signed.
    #[error("no DSC for {kind} certificates is valid from now to their end at {until}")]
    Validity {
        /// The type.
        kind: CertificateType,
        /// Until when a certificate of now would be valid.
        until: NumericDate,
    },
    /// Such a DSC is there, and no token signs with its key.
    #[error("no token signs with the key of a DSC for {kind} certificates")]
    Token {
        /// The type.
        kind: CertificateType,
    },
}

const TYPES: [CertificateType; 3] = [CertificateType::Vaccination, CertificateType::Test, CertificateType::Recovery];

impl Signer {
    /// Whether every type of certificate that a profile has DSCs for would be signed now, for the profile's whole duration.
    ///
    /// Nothing is tried: a key counts as signing as long as its token's last signatures with it were good. Idle sessions sign
    /// now and then, so that is never old news.
    ///
    /// # Errors
    /// [`NotReady`] says why not; of several reasons the first.
    pub fn readiness(&self, profile: &Profile) -> Result<(), NotReady> {
        match self.clock().signing_time() {
            Ok(now) => self.keyring().snapshot().readiness(profile, now),
            Err(stopped) => Err(NotReady::Clock { reason: stopped.to_string() }),
        }
    }
}

impl Keyring {
    /// The same at an instant.
    ///
    /// # Errors
    /// [`NotReady`].
    pub fn readiness(&self, profile: &Profile, now: NumericDate) -> Result<(), NotReady> {
        let (algorithm, country) = (profile.algorithm, profile.issuer);
        let is_of_profile = |key: &&SigningKey| key.dsc().algorithm() == algorithm && key.dsc().country() == Some(country);
        let keys: Vec<&SigningKey> = self.iter().map(AsRef::as_ref).filter(is_of_profile).collect();
        // A type that no DSC of the profile is for is not issued here.
        let kinds = TYPES.into_iter().filter(|kind| keys.iter().any(|key| key.dsc().types().allows(*kind)));
        let kinds: Vec<CertificateType> = kinds.collect();
        if kinds.is_empty() {
            return Err(NotReady::NoDsc { algorithm, country });
        }
        for kind in kinds {
            let until = now.plus_seconds(profile.durations.of(kind));
            let need = Need { algorithm, country, kind, issued_at: now, expires_at: until };
            let mut fitting = keys.iter().filter(|key| misfit(key.dsc(), &need).is_none()).peekable();
            if fitting.peek().is_none() {
                return Err(NotReady::Validity { kind, until });
            }
            if !fitting.any(|key| key.signs()) {
                return Err(NotReady::Token { kind });
            }
        }
        Ok(())
    }
}

impl SigningKey {
    /// Whether a token signs with it at present.
    fn signs(&self) -> bool {
        self.places().iter().any(|place| matches!(place.readiness(), Readiness::Ready))
    }
}
