//! What a profile can sign at a moment: its readiness, for whoever asks, and the ends that come.
//!
//! Nothing is tried: a key counts as signing as long as its token's last signatures with it were good. Idle sessions sign now and
//! then, so that is never old news.

use super::keyring::{Keyring, Lacking, Need};
use super::profile::Profile;
use super::signer::Signer;
use super::signing_key::SigningKey;
use crate::domain::{CertificateType, NumericDate};
use crate::token::Readiness;

/// What a profile can sign at a moment.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The types of which a certificate would be signed now, of the profile's duration.
    pub types: Vec<CertificateType>,
    /// Why others would not be.
    pub hindrances: Vec<Hindrance>,
}

/// Why a profile signs no certificate of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Hindrance {
    /// The type.
    pub kind: CertificateType,
    /// What it lacks.
    pub cause: Cause,
    /// In words.
    pub reason: String,
}

/// What a type of certificate lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A DSC for it: the profile does not issue it.
    NotIssued,
    /// A DSC that is valid from now to its end.
    Validity,
    /// A token that signs with such a DSC's key.
    Token,
    /// A clock that is to be trusted.
    Clock,
    /// A ledger that can be written.
    Ledger,
    /// A register of keys that is known to be what it is now.
    Register,
}

impl Outlook {
    /// Whether anything can be signed: reason enough to send calls here.
    #[must_use]
    pub const fn signs_something(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether the profile is ready: every type that it issues can be signed.
    ///
    /// # Errors
    /// Of several hindrances the first.
    pub fn readiness(&self) -> Result<(), Hindrance> {
        self.troubles().next().map_or(Ok(()), |trouble| Err(trouble.clone()))
    }

    /// What hinders types that the profile issues; where it issues none, that.
    pub fn troubles(&self) -> impl Iterator<Item = &Hindrance> {
        let issues_none = self.types.is_empty() && self.hindrances.iter().all(|hindrance| hindrance.cause == Cause::NotIssued);
        self.hindrances.iter().filter(move |hindrance| issues_none || hindrance.cause != Cause::NotIssued)
    }

    /// Nothing is signed, for a reason that is not the keys'.
    fn stopped(self, Standstill { cause, reason }: &Standstill) -> Self {
        let (not_issued, issued): (Vec<_>, Vec<_>) =
            self.hindrances.into_iter().partition(|hindrance| hindrance.cause == Cause::NotIssued);
        let kinds = self.types.into_iter().chain(issued.into_iter().map(|hindrance| hindrance.kind));
        let stopped = kinds.map(|kind| Hindrance { kind, cause: *cause, reason: reason.clone() });
        Self { types: Vec::new(), hindrances: stopped.chain(not_issued).collect() }
    }
}

/// Why nothing is signed, whatever the tokens do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Standstill {
    /// What is lacking.
    pub cause: Cause,
    /// In words.
    pub reason: String,
}

impl Signer {
    /// What a profile can sign now: nothing, while the clock is not trusted, or the ledger cannot be written.
    #[must_use]
    pub fn outlook(&self, profile: &Profile) -> Outlook {
        let outlook = self.keyring().snapshot().outlook(profile, self.clock().now());
        match self.standstill() {
            None => outlook,
            Some(standstill) => outlook.stopped(&standstill),
        }
    }

    /// Why nothing is signed now, whatever the tokens do; nothing where that is for them to say.
    #[must_use]
    pub fn standstill(&self) -> Option<Standstill> {
        if let Err(stopped) = self.clock().signing_time() {
            return Some(Standstill { cause: Cause::Clock, reason: stopped.to_string() });
        }
        let trouble = self.ledger()?.trouble()?;
        Some(Standstill { cause: Cause::Ledger, reason: trouble.to_string() })
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
                Some(hindrance) => outlook.hindrances.push(hindrance),
            }
        }
        outlook
    }

    fn hindrance(&self, profile: &Profile, kind: CertificateType, now: NumericDate) -> Option<Hindrance> {
        let need = Need {
            algorithm: profile.algorithm,
            country: profile.issuer,
            kind,
            issued_at: now,
            expires_at: now.plus_seconds(profile.durations.of(kind)),
        };
        let mut fitting = self.iter().filter(|key| key.misfit(&need).is_none()).peekable();
        if fitting.peek().is_none() {
            return Some(self.lack(profile, &need));
        }
        let mut reason = format!("no token holds the key of a DSC for {kind} certificates");
        for place in fitting.flat_map(|key| key.places()) {
            match place.readiness() {
                Readiness::Ready => return None,
                Readiness::Unsettled => {
                    reason = format!("the token {:?} does not sign at this moment", place.station.token().name())
                }
                Readiness::Down(error) => reason = error.to_string(),
            }
        }
        Some(Hindrance { kind, cause: Cause::Token, reason })
    }

    /// Why no DSC is there for what a profile needs.
    fn lack(&self, profile: &Profile, need: &Need) -> Hindrance {
        let kind = need.kind;
        if let Some(Lacking { cause, reason, .. }) = self.lacking_for(need) {
            return Hindrance { kind, cause: *cause, reason: reason.to_string() };
        }
        let mut known =
            self.iter().chain(self.lacks().iter().map(|lacking| &lacking.key)).filter(|key| key.is_of(profile)).peekable();
        let knows_none = known.peek().is_none();
        let issues = known.any(|key| key.types().allows(kind));
        match self.is_unknown() {
            Some(reason) if issues || knows_none => Hindrance { kind, cause: Cause::Register, reason: reason.to_string() },
            _ => {
                let cause = if issues { Cause::Validity } else { Cause::NotIssued };
                Hindrance { kind, cause, reason: self.unavailable(need).message }
            }
        }
    }
}

impl SigningKey {
    /// The last instant at which this DSC signs a certificate of the longest duration that the profile gives to a type that it
    /// may sign; nothing where it signs none of the profile's.
    #[must_use]
    pub fn issuable_until(&self, profile: &Profile) -> Option<NumericDate> {
        if !self.is_of(profile) {
            return None;
        }
        let longest = self.types().iter().map(|kind| profile.durations.of(kind)).max()?;
        let by_validity = self.dsc().not_after().plus_seconds(-longest);
        Some(self.used().map_or(by_validity, |used| by_validity.min(used.window.to.plus_seconds(-1))))
    }

    pub(super) fn is_of(&self, profile: &Profile) -> bool {
        self.dsc().algorithm() == profile.algorithm && self.dsc().country() == Some(profile.issuer)
    }
}
