//! How custody's keys are, read when somebody asks.

use metrics::gauge;
use serde::Serialize;

use super::catalogue::{CUSTODY_ABSENT_KEYS, CUSTODY_KEYS, CUSTODY_PENDING, CUSTODY_REGISTER_AGE};
use crate::custody::duty::DutyView;
use crate::custody::register::State;
use crate::domain::NumericDate;

const STATES: [State; 7] =
    [State::Generated, State::Certified, State::Published, State::Active, State::Retired, State::Destroyed, State::Compromised];

/// No alert takes a number that is none: there is no custody.
pub(super) fn show_none() {
    STATES.into_iter().for_each(|state| gauge!(CUSTODY_KEYS, "state" => state.name()).set(f64::NAN));
    [CUSTODY_PENDING, CUSTODY_REGISTER_AGE, CUSTODY_ABSENT_KEYS].into_iter().for_each(|metric| gauge!(metric).set(f64::NAN));
}

/// Some locks, and a look at each key and each proposal.
pub(super) fn refresh(view: &DutyView, now: NumericDate) {
    let reading = view.reading();
    for state in STATES {
        let keys = reading.register.keys().filter(|key| key.state(now) == state).count();
        gauge!(CUSTODY_KEYS, "state" => state.name()).set(keys as f64);
    }
    gauge!(CUSTODY_PENDING).set(reading.register.pending(now).len() as f64);
    gauge!(CUSTODY_REGISTER_AGE).set(reading.age().as_secs_f64());
    gauge!(CUSTODY_ABSENT_KEYS).set(view.absent().len() as f64);
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
    pub(super) fn of(view: &DutyView) -> Self {
        let reading = view.reading();
        let absent = view.absent();
        let absent_keys = absent.iter().map(|absent| AbsentKey {
            label: absent.label.to_string(),
            kid: absent.kid.to_string(),
            reason: absent.reason.to_string(),
        });
        Self {
            fresh: reading.is_fresh(view.lead()),
            register_age_seconds: reading.age().as_secs_f64(),
            absent_keys: absent_keys.collect(),
        }
    }
}
