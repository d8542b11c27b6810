//! What of the service can be changed while it runs: callers, profiles, limits.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tonic::Status;

use super::access::{Access, CallerSettings};
use super::admission::Admission;
use super::{Limits, status};
use crate::domain::{Clock, NumericDate};
use crate::sign::Profile;

/// The settings in force. A call takes those of its moment; a change swaps pointers, and calls in work keep what they began with.
pub struct Live {
    access: ArcSwap<Access>,
    profiles: ArcSwap<Vec<Arc<Profile>>>,
    limits: ArcSwap<Limits>,
    admission: Admission,
    clock: Arc<dyn Clock>,
}

impl Live {
    /// Starts with settings. Of the profiles the first is the default.
    #[must_use]
    pub fn new(callers: Vec<CallerSettings>, profiles: Vec<Arc<Profile>>, limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            access: ArcSwap::from_pointee(Access::new(callers)),
            profiles: ArcSwap::from_pointee(profiles),
            limits: ArcSwap::from_pointee(limits),
            admission: Admission::new(limits),
            clock,
        })
    }

    /// Puts other settings in force. The largest message and the number of connections stay as they were.
    pub fn replace(&self, callers: Vec<CallerSettings>, profiles: Vec<Arc<Profile>>, limits: Limits) {
        self.access.store(Arc::new(self.access.load().succeeded_by(callers)));
        self.profiles.store(Arc::new(profiles));
        self.limits.store(Arc::new(limits));
        self.admission.set_limits(limits);
    }

    /// The callers.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// The profiles, the default one in front.
    #[must_use]
    pub fn profiles(&self) -> Arc<Vec<Arc<Profile>>> {
        self.profiles.load_full()
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    pub(super) const fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(super) fn now(&self) -> NumericDate {
        self.clock.now()
    }

    /// A profile by its name; the default one where there is none.
    pub(super) fn profile(&self, name: &str) -> Result<Arc<Profile>, Status> {
        let profiles = self.profiles.load();
        let found = if name.is_empty() { profiles.first() } else { profiles.iter().find(|profile| profile.name == name) };
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            status::invalid("profile", &format!("there is no profile of that name; there are {}", names.join(", ")))
        })
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("limits", &self.limits).finish_non_exhaustive()
    }
}
