//! Callers, and what each may ask.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};

use tonic::Status;

use super::peer::{Identity, Peer};
use super::quota::{Quota, Today};
use super::role::Roles;
use crate::domain::{CallerId, CertificateTypes, Lane};
use crate::service::status;

/// What the configuration says of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSettings {
    /// Its name, in logs and records.
    pub name: String,
    /// The names in certificates by which it is known; any of them does.
    pub identities: Vec<Identity>,
    /// What it is.
    pub roles: Roles,
    /// The profiles that it may use; absent: all.
    pub profiles: Option<Vec<String>>,
    /// The certificate types that it may have signed.
    pub types: CertificateTypes,
    /// The lanes that it may use.
    pub lanes: Lanes,
    /// The most items a second.
    pub items_per_second: Option<NonZeroU32>,
    /// The most items a day, which begins at midnight UTC.
    pub items_per_day: Option<NonZeroU32>,
    /// The most items of a batch, where that is fewer than the service takes.
    pub max_batch_items: Option<NonZeroUsize>,
    /// Whether a person stands behind its calls.
    pub person: PersonDemand,
}

/// The lanes that a caller may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Interactive.
    pub interactive: bool,
    /// Bulk.
    pub bulk: bool,
}

impl Lanes {
    /// Both.
    pub const ALL: Self = Self { interactive: true, bulk: true };

    const fn allows(self, lane: Lane) -> bool {
        match lane {
            Lane::Interactive => self.interactive,
            Lane::Bulk => self.bulk,
        }
    }
}

/// Whether the person behind a call has to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersonDemand {
    /// A person's token is not looked at.
    #[default]
    None,
    /// It is, where one comes along.
    Optional,
    /// Without one nothing is signed.
    Required,
}

/// A caller, with what it has used up.
#[derive(Debug)]
pub struct Caller {
    id: CallerId,
    settings: CallerSettings,
    quota: Arc<Quota>,
}

impl Caller {
    fn new(settings: CallerSettings, quota: Arc<Quota>) -> Arc<Self> {
        Arc::new(Self { id: CallerId::new(&settings.name), settings, quota })
    }

    /// Who it is.
    pub(crate) const fn id(&self) -> &CallerId {
        &self.id
    }

    pub(super) const fn roles(&self) -> Roles {
        self.settings.roles
    }

    /// The certificate types that it may have signed.
    pub(crate) const fn types(&self) -> CertificateTypes {
        self.settings.types
    }

    /// Whether a person stands behind its calls.
    pub(crate) const fn person(&self) -> PersonDemand {
        self.settings.person
    }

    /// What it has used up.
    pub(crate) const fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Refuses a batch that this caller may not ask for.
    pub(crate) fn check(&self, profile: &str, lane: Lane, items: usize) -> Result<(), Status> {
        let settings = &self.settings;
        if let Some(profiles) = &settings.profiles
            && !profiles.iter().any(|name| name == profile)
        {
            let message = format!("the profile {profile} is not this caller's; its profiles are {}", profiles.join(", "));
            return Err(status::denied("caller.profiles", &message));
        }
        if !settings.lanes.allows(lane) {
            let (this, other) = match lane {
                Lane::Interactive => ("interactive", "bulk"),
                Lane::Bulk => ("bulk", "interactive"),
            };
            return Err(status::denied(
                "caller.lanes",
                &format!("the {this} lane is not this caller's; it has the {other} lane"),
            ));
        }
        match settings.max_batch_items {
            Some(max) if items > max.get() => {
                let message = format!("the batch has {items} items; a batch of this caller has at most {max}");
                Err(status::denied("caller.max_batch_items", &message))
            }
            _ => Ok(()),
        }
    }
}

/// Every caller. A change of the configuration makes a new one, in which callers keep what they have used up.
#[derive(Debug, Default)]
pub struct Access {
    callers: Vec<Arc<Caller>>,
    /// What those that are not configured had used up: one that comes back goes on from there.
    departed: Mutex<BTreeMap<String, Today>>,
}

impl Access {
    /// Callers that have used nothing up.
    #[must_use]
    pub fn new(settings: Vec<CallerSettings>) -> Self {
        Self::default().succeeded_by(settings)
    }

    /// Whoever is on this machine, as an issuer, without a bound: for development and tests.
    #[must_use]
    pub fn open_on_loopback() -> Self {
        Self::new(vec![CallerSettings::loopback()])
    }

    /// Other settings; a caller whose bounds stay keeps what it has used up, and any keeps its day.
    #[must_use]
    pub fn succeeded_by(&self, settings: Vec<CallerSettings>) -> Self {
        let mut days = self.used_today();
        let caller = |settings: CallerSettings| {
            let known = self.callers.iter().find(|caller| caller.settings.name == settings.name);
            let quota = Quota::succeeding(known.map(|caller| &caller.quota), &settings);
            if let Some(today) = days.remove(&settings.name)
                && known.is_none()
            {
                quota.resume(today);
            }
            Caller::new(settings, quota)
        };
        let callers = settings.into_iter().map(caller).collect();
        Self { callers, departed: Mutex::new(days) }
    }

    /// What each caller has used up, by its name; those that are not configured any more among them.
    pub(super) fn used_today(&self) -> BTreeMap<String, Today> {
        let mut days = self.departed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        days.extend(self.callers.iter().map(|caller| (caller.settings.name.clone(), caller.quota.used())));
        days
    }

    /// Goes on from what an earlier process had counted.
    pub(super) fn resume(&self, mut days: BTreeMap<String, Today>) {
        for caller in &self.callers {
            if let Some(today) = days.remove(&caller.settings.name) {
                caller.quota.resume(today);
            }
        }
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).extend(days);
    }

    /// The caller at the other end of a connection.
    pub(super) fn find(&self, peer: &Peer) -> Option<&Arc<Caller>> {
        let identities = peer.identities();
        self.callers.iter().find(|caller| caller.settings.identities.iter().any(|known| identities.contains(known)))
    }

    /// Every caller.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Caller>> {
        self.callers.iter()
    }
}

impl CallerSettings {
    /// Whoever is on this machine, in plain text: an issuer without a bound.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            name: "loopback".to_owned(),
            identities: vec![Identity::Loopback],
            roles: Roles::of(&[super::Role::Issuer]),
            profiles: None,
            types: CertificateTypes::ANY,
            lanes: Lanes::ALL,
            items_per_second: None,
            items_per_day: None,
            max_batch_items: None,
            person: PersonDemand::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(settings: CallerSettings) -> Arc<Caller> {
        Arc::clone(Access::new(vec![settings]).iter().next().unwrap())
    }

    #[test]
    fn what_is_not_a_callers_is_refused_by_the_name_of_the_rule() {
        let caller = caller(CallerSettings {
            profiles: Some(vec!["fr".to_owned()]),
            lanes: Lanes { interactive: true, bulk: false },
            max_batch_items: NonZeroUsize::new(10),
            ..CallerSettings::loopback()
        });
        assert!(caller.check("fr", Lane::Interactive, 10).is_ok());
        let cases = [
            ("eu", Lane::Interactive, 1, "its profiles are fr"),
            ("fr", Lane::Bulk, 1, "it has the interactive lane"),
            ("fr", Lane::Interactive, 11, "at most 10"),
        ];
        for (profile, lane, items, says) in cases {
            let refused = caller.check(profile, lane, items).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::PermissionDenied);
            assert!(refused.message().contains(says), "{}", refused.message());
        }
    }

    #[test]
    fn a_caller_is_known_by_any_of_its_names_and_a_stranger_by_none() {
        let access = Access::open_on_loopback();
        assert!(access.find(&Peer::Loopback).is_some());
        assert!(Access::default().find(&Peer::Loopback).is_none());
    }
}
