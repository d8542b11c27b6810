//! How custody is, read when somebody asks.

use std::sync::Arc;

use metrics::gauge;
use serde::Serialize;

use super::catalogue::{CUSTODY_ABSENT_KEYS, CUSTODY_HEAD, CUSTODY_KEYS, CUSTODY_PENDING, CUSTODY_REGISTER_AGE, CUSTODY_STALE};
use super::gauges::flag;
use crate::custody::duty::DutyView;
use crate::custody::office::Office;
use crate::custody::register::State;
use crate::domain::NumericDate;

/// What is looked at of custody.
#[derive(Clone, Debug)]
pub struct WatchedCustody {
    /// Where officers change keys.
    pub office: Arc<Office>,
    /// Which of their keys sign here.
    pub duty: DutyView,
}

const STATES: [State; 7] =
    [State::Generated, State::Certified, State::Published, State::Active, State::Retired, State::Destroyed, State::Compromised];

/// No alert takes a number that is none: there is no custody.
pub(super) fn show_none() {
    STATES.into_iter().for_each(|state| gauge!(CUSTODY_KEYS, "state" => state.name()).set(f64::NAN));
    let others = [CUSTODY_STALE, CUSTODY_HEAD, CUSTODY_PENDING, CUSTODY_REGISTER_AGE, CUSTODY_ABSENT_KEYS];
    others.into_iter().for_each(|metric| gauge!(metric).set(f64::NAN));
}

impl WatchedCustody {
    /// Some locks, and a look at each key and each proposal.
    pub(super) fn refresh(&self, now: NumericDate) {
        let standing = self.office.standing();
        for state in STATES {
            let keys = standing.register.keys().filter(|key| key.state(now) == state).count();
            gauge!(CUSTODY_KEYS, "state" => state.name()).set(keys as f64);
        }
        gauge!(CUSTODY_STALE).set(flag(standing.fresh(self.office.lead()).is_err()));
        gauge!(CUSTODY_HEAD).set(standing.register.head().seq as f64);
        gauge!(CUSTODY_PENDING).set(standing.register.pending(now).len() as f64);
        gauge!(CUSTODY_REGISTER_AGE).set(standing.age().as_secs_f64());
        gauge!(CUSTODY_ABSENT_KEYS).set(self.duty.absent().len() as f64);
    }
}

/// What `/readyz` says of custody.
#[derive(Serialize)]
pub(super) struct CustodyState {
    /// Whether keys of the register sign: it was read a moment ago.
    fresh: bool,
    register_age_seconds: f64,
    /// Keys that are to sign, now or later, and that their tokens do not have.
    absent_keys: Vec<AbsentKey>,
}

#[derive(Serialize)]
struct AbsentKey {
    label: String,
    kid: String,
    reason: String,
}

impl CustodyState {
    pub(super) fn of(watched: &WatchedCustody) -> Self {
        let standing = watched.office.standing();
        let absent = watched.duty.absent();
        let absent_keys = absent.iter().map(|absent| AbsentKey {
            label: absent.label.to_string(),
            kid: absent.kid.to_string(),
            reason: absent.reason.to_string(),
        });
        Self {
            fresh: standing.fresh(watched.office.lead()).is_ok(),
            register_age_seconds: standing.age().as_secs_f64(),
            absent_keys: absent_keys.collect(),
        }
    }
}
