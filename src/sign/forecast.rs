//! What will not be signed: until when a profile has DSCs, and what to tell operators before.

use std::sync::Arc;

use super::keyring::Keyring;
use super::profile::Profile;
use super::signing_key::SigningKey;
use crate::domain::{CertificateType, NumericDate};

/// So long before an end it is warned of: a CSCA may take weeks, and verifiers fetch a new DSC within days.
const AHEAD_SECONDS: i64 = 30 * 86_400;

impl Keyring {
    /// The first instant from `now` on at which no DSC of those that are known signs a type of certificate of the profile's
    /// duration, whatever tokens do; nothing where none ever did.
    #[must_use]
    pub fn covered_until(&self, profile: &Profile, kind: CertificateType, now: NumericDate) -> Option<NumericDate> {
        let mut spans: Vec<_> = self.known().filter_map(|key| key.span(profile, kind)).collect();
        spans.sort_by_key(|(from, _)| *from);
        let end = |covered: NumericDate, (from, to): &(NumericDate, NumericDate)| {
            if *from <= covered { covered.max(*to) } else { covered }
        };
        (!spans.is_empty()).then(|| spans.iter().fold(now, end))
    }

    /// What ends within 30 days: keys, and types for which no key is left.
    #[must_use]
    pub fn warnings(&self, profiles: &[Arc<Profile>], now: NumericDate) -> Vec<String> {
        let horizon = now.plus_seconds(AHEAD_SECONDS);
        let mut warnings = Vec::new();
        for profile in profiles {
            for key in self.known() {
                let end = key.issuable_until(profile).filter(|_| key.ends_after(now)).filter(|end| *end < horizon);
                warnings.extend(end.map(|end| key.warning(profile, end)));
            }
            for kind in CertificateType::ALL {
                let end = self.covered_until(profile, kind, now).filter(|end| *end < horizon);
                warnings.extend(end.map(|end| {
                    let name = &profile.name;
                    format!("from {end} on no DSC signs {kind} certificates of the profile {name:?}; have another one activated")
                }));
            }
        }
        warnings
    }

    /// Every DSC, those that cannot sign at present among them.
    fn known(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.iter().chain(self.lacks().iter().map(|lacking| &lacking.key))
    }
}

impl SigningKey {
    /// From when on, and until just before when, it signs a type of certificate of a profile's duration.
    fn span(&self, profile: &Profile, kind: CertificateType) -> Option<(NumericDate, NumericDate)> {
        if !self.is_of(profile) || !self.types().allows(kind) {
            return None;
        }
        // The certificate's own end is inclusive.
        let (from, to) = (self.dsc().not_before(), self.dsc().not_after().plus_seconds(1 - profile.durations.of(kind)));
        let window = self.used().map(|used| used.window);
        let (from, to) = window.map_or((from, to), |window| (from.max(window.from), to.min(window.to)));
        (from < to).then_some((from, to))
    }

    /// Whether anything is signed with it after an instant.
    fn ends_after(&self, now: NumericDate) -> bool {
        self.dsc().not_after() > now && self.used().is_none_or(|used| used.window.to > now)
    }

    fn warning(&self, profile: &Profile, end: NumericDate) -> String {
        let (kid, name) = (self.dsc().kid(), &profile.name);
        match self.used().filter(|used| used.window.to.plus_seconds(-1) == end) {
            Some(used) => format!("the DSC {kid} signs until {}; see that another takes over", used.window.to),
            None => format!(
                "the DSC {kid} ends at {}: from {end} on it outlives no certificate of the longest duration of the profile {name:?}",
                self.dsc().not_after()
            ),
        }
    }
}
