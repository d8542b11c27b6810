//! What of the service can be changed while it runs: callers, how persons are known, profiles, limits.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tonic::Status;

use super::access::{Access, CallerSettings};
use super::admission::Admission;
use super::person::{PersonSettings, PersonVerifier};
use super::{Limits, status};
use crate::domain::{Clock, NumericDate};
use crate::sign::Profile;

/// What can be changed.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// Who may call.
    pub callers: Vec<CallerSettings>,
    /// How the person behind a call is known; absent: no call brings one.
    pub person: Option<PersonSettings>,
    /// How to issue; the first is the default.
    pub profiles: Vec<Arc<Profile>>,
    /// What one call may ask, and how much may wait.
    pub limits: Limits,
}

/// The settings in force. A change swaps one pointer, so that what belongs together comes together; a call, and each chunk of a
/// stream, takes those of its moment, and batches in work keep what they began with.
pub struct Live {
    settings: ArcSwap<InForce>,
    admission: Admission,
    clock: Arc<dyn Clock>,
}

/// Settings that came together.
struct InForce {
    access: Arc<Access>,
    person: Option<Arc<PersonVerifier>>,
    profiles: Arc<Vec<Arc<Profile>>>,
    limits: Arc<Limits>,
}

impl InForce {
    fn new(access: Access, person: Option<PersonVerifier>, profiles: Vec<Arc<Profile>>, limits: Limits) -> Self {
        Self { access: Arc::new(access), person: person.map(Arc::new), profiles: Arc::new(profiles), limits: Arc::new(limits) }
    }
}

impl Live {
    /// Starts with settings.
    #[must_use]
    pub fn new(settings: LiveSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        let LiveSettings { callers, person, profiles, limits } = settings;
        let first = InForce::new(Access::new(callers), person.map(PersonVerifier::new), profiles, limits);
        Arc::new(Self { settings: ArcSwap::from_pointee(first), admission: Admission::new(limits), clock })
    }

    /// Puts other settings in force. The largest message and the number of connections stay as they were.
    pub fn replace(&self, settings: LiveSettings) {
        let LiveSettings { callers, person, profiles, limits } = settings;
        let before = self.settings.load();
        let verifier = |settings| match &before.person {
            Some(before) => before.with_settings(settings),
            None => PersonVerifier::new(settings),
        };
        let next = InForce::new(before.access.succeeded_by(callers), person.map(verifier), profiles, limits);
        self.settings.store(Arc::new(next));
        self.admission.set_limits(limits);
    }

    /// Reads the keys by which persons are known, so that what is wrong with them shows now and not at the first call.
    pub async fn read_person_keys(&self) {
        let Some(verifier) = self.person() else { return };
        match verifier.read_keys().await {
            Ok(keys) => tracing::info!(keys, "the keys by which persons are known"),
            Err(error) => tracing::error!(%error, "calls that bring a person are refused until the keys can be read"),
        }
    }

    /// Who verifies the person behind a call.
    pub(super) fn person(&self) -> Option<Arc<PersonVerifier>> {
        self.settings.load().person.clone()
    }

    /// The callers.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.settings.load().access)
    }

    /// The profiles, the default one in front.
    #[must_use]
    pub fn profiles(&self) -> Arc<Vec<Arc<Profile>>> {
        Arc::clone(&self.settings.load().profiles)
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.settings.load().limits)
    }

    pub(super) const fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(super) fn now(&self) -> NumericDate {
        self.clock.now()
    }

    /// A profile by its name; the default one where there is none.
    pub(super) fn profile(&self, name: &str) -> Result<Arc<Profile>, Status> {
        let profiles = self.profiles();
        let found = if name.is_empty() { profiles.first() } else { profiles.iter().find(|profile| profile.name == name) };
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            status::invalid("profile", &format!("there is no profile of that name; there are {}", names.join(", ")))
        })
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("limits", &self.limits()).finish_non_exhaustive()
    }
}
