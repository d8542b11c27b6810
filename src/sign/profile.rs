//! What a profile fixes for every certificate that is signed under it.

use crate::domain::{Algorithm, CertificateType, Country, Rulebook};

/// A named way of issuing.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in requests.
    pub name: String,
    /// ES256 or PS256: picks among the DSCs.
    pub algorithm: Algorithm,
    /// `iss`, which is also the country of the DSC and of the UVCIs that are made.
    pub issuer: Country,
    /// How long a certificate of each type is valid.
    pub durations: Durations,
    /// What a payload has to be.
    pub rulebook: Rulebook,
}

/// Seconds of validity by type, from `iat` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// Of a vaccination certificate.
    pub vaccination_seconds: i64,
    /// Of a test certificate.
    pub test_seconds: i64,
    /// Of a recovery certificate.
    pub recovery_seconds: i64,
}

impl Durations {
    /// The validity of a type.
    #[must_use]
    pub const fn of(&self, kind: CertificateType) -> i64 {
        match kind {
            CertificateType::Vaccination => self.vaccination_seconds,
            CertificateType::Test => self.test_seconds,
            CertificateType::Recovery => self.recovery_seconds,
        }
    }
}
