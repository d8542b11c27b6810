//! What a profile can sign at a moment, for those who watch: readiness, and the ends that come.

use super::keyring::{Keyring, Need, SigningKey, misfit};
use super::profile::Profile;
use super::signer::Signer;
use crate::domain::{CertificateType, NumericDate};
use crate::token::Readiness;

/// What a profile can sign at a moment.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The types of which a certificate would be signed now, of the profile's duration.
    pub types: Vec<CertificateType>,
    /// Why others would not be.
    pub hindrances: Vec<(CertificateType, String)>,
}

impl Outlook {
    /// Whether anything can be signed.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !self.types.is_empty()
    }
}

impl Signer {
    /// What a profile can sign now: nothing, while the clock is not trusted.
    #[must_use]
    pub fn outlook(&self, profile: &Profile) -> Outlook {
        match self.clock().signing_time() {
            Ok(now) => self.keyring().snapshot().outlook(profile, now),
            Err(stopped) => {
                let hindrances = CertificateType::ALL.into_iter().map(|kind| (kind, stopped.to_string())).collect();
                Outlook { types: Vec::new(), hindrances }
            }
        }
    }
}

impl Keyring {
    /// The same at an instant. A token counts where it signs: its sessions have each made a signature that verified.
    #[must_use]
    pub fn outlook(&self, profile: &Profile, now: NumericDate) -> Outlook {
        let mut outlook = Outlook { types: Vec::new(), hindrances: Vec::new() };
        for kind in CertificateType::ALL {
            match self.hindrance(profile, kind, now) {
                None => outlook.types.push(kind),
                Some(reason) => outlook.hindrances.push((kind, reason)),
            }
        }
        outlook
    }

    fn hindrance(&self, profile: &Profile, kind: CertificateType, now: NumericDate) -> Option<String> {
        let need = Need {
            algorithm: profile.algorithm,
            country: profile.issuer,
            kind,
            issued_at: now,
            expires_at: now.plus_seconds(profile.durations.of(kind)),
        };
        let fitting = || self.iter().filter(|key| misfit(key.dsc(), &need).is_none());
        let mut reason = fitting().next().map_or_else(|| self.unavailable(&need).message, |_| String::new());
        for place in fitting().flat_map(|key| key.places()) {
            match place.readiness() {
                Readiness::Ready => return None,
                Readiness::Unsettled => {
                    reason = format!("the token {:?} does not sign at this moment", place.station.token().name())
                }
                Readiness::Down(error) => reason = error.to_string(),
            }
        }
        Some(reason)
    }
}

impl SigningKey {
    /// The last instant at which this DSC signs a certificate of the longest duration that the profile gives to a type that it
    /// may sign; nothing where it signs none of the profile's.
    #[must_use]
    pub fn issuable_until(&self, profile: &Profile) -> Option<NumericDate> {
        let dsc = self.dsc();
        if dsc.algorithm() != profile.algorithm || dsc.country() != Some(profile.issuer) {
            return None;
        }
        let allowed = CertificateType::ALL.into_iter().filter(|kind| dsc.types().allows(*kind));
        let longest = allowed.map(|kind| profile.durations.of(kind)).max()?;
        Some(dsc.not_after().plus_seconds(-longest))
    }
}
