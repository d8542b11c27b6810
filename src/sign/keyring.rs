//! Which DSC signs what, and on which token: one immutable value that a batch takes once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::lease::Lease;
use super::outlook::Cause;
use super::route::{Binding, Route};
use super::signing_key::{KeyringError, SigningKey};
use crate::domain::{Algorithm, CertificateType, Country, Fault, Kid, NumericDate, Rule};

/// The DSCs that may sign, as one batch sees them.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<Arc<SigningKey>>,
    /// How many routes there were: keys share them by weight.
    routes: AtomicU64,
    lacking: Vec<Lacking>,
    stopped: Arc<BTreeSet<Kid>>,
    unknown: Option<Arc<str>>,
    lease: Option<(Arc<Lease>, Arc<Self>)>,
}

/// A DSC that is to sign and cannot at present.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// The DSC; where its key is does not matter.
    pub key: Arc<SigningKey>,
    /// What it lacks.
    pub cause: Cause,
    /// In words.
    pub reason: Arc<str>,
}

/// Which keys sign what is not to be had at present: no fault of the item, and another try may do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no DSC signs at present: {reason}")]
pub struct KeysLacking {
    /// Why.
    pub reason: Arc<str>,
}

/// Why there is no DSC for a certificate.
#[derive(Clone, Debug)]
pub enum Unbound {
    /// None is for it.
    Unavailable(Fault),
    /// One is, or may be, and cannot sign at present.
    Lacking(KeysLacking),
}

/// What a certificate needs of the DSC that signs it.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The profile's algorithm.
    pub algorithm: Algorithm,
    /// The profile's `iss`.
    pub country: Country,
    /// The payload's type.
    pub kind: CertificateType,
    /// The signing time.
    pub issued_at: NumericDate,
    /// The end of the certificate's validity.
    pub expires_at: NumericDate,
}

impl Keyring {
    /// A keyring. The DSC that ends first stands first, so that keys of one token that have no weight are used up in the order in
    /// which they end; the kid decides between equals, so that every replica picks the same.
    ///
    /// # Errors
    /// [`KeyringError::DuplicateKid`] where two different certificates have the same kid: verifiers could not tell them apart.
    pub fn new(mut keys: Vec<Arc<SigningKey>>) -> Result<Self, KeyringError> {
        keys.sort_by_key(|key| (key.dsc().not_after(), key.dsc().kid()));
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.dsc().kid() == key.dsc().kid()) {
                return Err(KeyringError::DuplicateKid { kid: key.dsc().kid() });
            }
        }
        Ok(Self { keys, ..Self::default() })
    }

    /// The same, and it is known that these are to sign as well and cannot: what they would sign is told to come again.
    #[must_use]
    pub fn lacking(mut self, lacking: Vec<Lacking>) -> Self {
        self.lacking = lacking;
        self
    }

    /// The same, and officers stopped these as compromised: what they signed is not handed out again.
    #[must_use]
    pub fn stopped(mut self, kids: Arc<BTreeSet<Kid>>) -> Self {
        self.stopped = kids;
        self
    }

    /// The same, and there may be others, which cannot be known at present: what none of these signs is told to come again.
    #[must_use]
    pub fn unknown(mut self, reason: Arc<str>) -> Self {
        self.unknown = Some(reason);
        self
    }

    /// The same as long as a lease is held; batches that begin when it is not get the other.
    #[must_use]
    pub fn while_held(mut self, lease: Arc<Lease>, otherwise: Self) -> Self {
        self.lease = Some((lease, Arc::new(otherwise)));
        self
    }

    /// The DSCs that are to sign as well and cannot.
    #[must_use]
    pub fn lacks(&self) -> &[Lacking] {
        &self.lacking
    }

    /// Whether officers stopped a DSC as compromised.
    #[must_use]
    pub fn is_stopped(&self, kid: Kid) -> bool {
        self.stopped.contains(&kid)
    }

    /// Whether these are all the DSCs that there are.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.unknown.is_none()
    }

    /// Why there may be others; nothing where these are all.
    pub(super) const fn is_unknown(&self) -> Option<&Arc<str>> {
        self.unknown.as_ref()
    }

    /// Every DSC, the one that ends first in front.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter()
    }

    /// The order in which tokens are asked to sign `items` certificates of an algorithm and a country, issued at an instant.
    #[must_use]
    pub fn route(&self, algorithm: Algorithm, country: Country, issued_at: NumericDate, items: usize) -> Route {
        let is_of = |key: &&Arc<SigningKey>| key.dsc().algorithm() == algorithm && key.dsc().country() == Some(country);
        let is_used = |key: &&Arc<SigningKey>| key.used().is_none_or(|used| used.window.contains(issued_at));
        let number = self.routes.fetch_add(1, Ordering::Relaxed);
        Route::plan(self.keys.iter().filter(is_of).filter(is_used), number, items)
    }

    /// The DSC and the token for a certificate: the first of the route that fits.
    ///
    /// # Errors
    /// A fault of rule `dsc.available` that says which DSCs there are and why none of them fits; or that one may, later.
    pub fn select(&self, need: &Need, route: &Route) -> Result<Binding, Unbound> {
        route.first(|key| key.misfit(need).is_none()).ok_or_else(|| self.unbound(need))
    }

    fn unbound(&self, need: &Need) -> Unbound {
        let reason = self.lacking_for(need).map(|lacking| &lacking.reason).or(self.unknown.as_ref());
        match reason {
            Some(reason) => Unbound::Lacking(KeysLacking { reason: Arc::clone(reason) }),
            None => Unbound::Unavailable(self.unavailable(need)),
        }
    }

    /// A DSC that would sign a certificate, if it could.
    pub(super) fn lacking_for(&self, need: &Need) -> Option<&Lacking> {
        self.lacking.iter().find(|lacking| lacking.key.misfit(need).is_none())
    }

    pub(super) fn unavailable(&self, need: &Need) -> Fault {
        let reason = |key: &Arc<SigningKey>| Some(format!("{} {}", key.dsc().kid(), key.explain(&key.misfit(need)?)));
        let reasons: Vec<String> = self.keys.iter().filter_map(reason).collect();
        let have = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join(", ") };
        let message = format!(
            "no {} DSC of {} signs a {} certificate from {} to {}: {have}",
            need.algorithm, need.country, need.kind, need.issued_at, need.expires_at
        );
        Fault::new("$", Rule::DscAvailable, message)
    }
}

/// The keyring in force. A batch loads it once; a change swaps one pointer, and batches that began keep what they began with.
#[derive(Debug, Default)]
pub struct LiveKeyring(ArcSwap<Keyring>);

impl LiveKeyring {
    /// Starts with a keyring.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self(ArcSwap::from_pointee(keyring))
    }

    /// The keyring of this moment: the one that is in force, or what it says is to be used when its lease is over.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Keyring> {
        let keyring = self.0.load_full();
        match &keyring.lease {
            Some((lease, otherwise)) if !lease.is_held() => Arc::clone(otherwise),
            _ => keyring,
        }
    }

    /// Puts another keyring in force for all batches that begin from now on.
    pub fn replace(&self, keyring: Keyring) {
        self.0.store(Arc::new(keyring));
    }
}
