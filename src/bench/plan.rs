//! What a run is to be.

use std::time::Duration;

use super::payloads::Payloads;
use super::schedule::{Arrivals, Schedule};
use crate::domain::Lane;

/// The longest run; it bounds what is kept of each second.
const LONGEST: Duration = Duration::from_secs(48 * 3_600);

/// A run: what is asked of a service, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The profile's name; empty takes the service's default.
    pub profile: String,
    /// What is asked; a lane once at most.
    pub lanes: Vec<LaneLoad>,
    /// The same load before that, which is not counted.
    pub warm_up: Duration,
    /// How long it is counted.
    pub duration: Duration,
    /// How long answers are waited for after the last start.
    pub patience: Duration,
    /// What is to be signed.
    pub payloads: Payloads,
    /// The service's Prometheus endpoint, like `http://127.0.0.1:9464/metrics`; asked once a second.
    pub metrics: Option<String>,
}

/// What is asked of one lane.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneLoad {
    /// The priority at the service.
    pub lane: Lane,
    /// Items a call.
    pub batch: u32,
    /// When calls start.
    pub pace: Pace,
    /// The most calls without an answer at the same time; with [`Pace::Max`] there are always so many.
    pub in_flight: u32,
}

/// When calls start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Open loop: at times that are fixed beforehand.
    Rate {
        /// Items a second.
        items_per_second: f64,
        /// How calls lie in time.
        arrivals: Arrivals,
    },
    /// Closed loop: the next call starts when one is answered.
    Max,
}

/// Why a run cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Nothing is asked.
    #[error("the plan has no lane; it takes one or both of interactive and bulk")]
    NoLane,
    /// A lane stands twice.
    #[error("the lane {0} is in the plan twice; once at most")]
    Twice(&'static str),
    /// A number is out of its range.
    #[error("{what} is {given}; it is {right}")]
    Range {
        /// Of what.
        what: &'static str,
        /// As given.
        given: String,
        /// What would be right.
        right: &'static str,
    },
}

impl Plan {
    /// # Errors
    /// [`PlanError`].
    pub fn check(&self) -> Result<(), PlanError> {
        let range = |what, given: String, right| Err(PlanError::Range { what, given, right });
        if self.lanes.is_empty() {
            return Err(PlanError::NoLane);
        }
        for (index, load) in self.lanes.iter().enumerate() {
            if self.lanes[..index].iter().any(|other| other.lane == load.lane) {
                return Err(PlanError::Twice(load.lane.name()));
            }
            load.check()?;
        }
        if !(Duration::from_secs(1)..=LONGEST).contains(&self.duration) {
            return range("the duration", format!("{} s", self.duration.as_secs_f64()), "1 s to 48 h");
        }
        if self.warm_up > LONGEST {
            return range("the warm-up", format!("{} s", self.warm_up.as_secs_f64()), "48 h at most");
        }
        Ok(())
    }

    /// Warm-up and what is counted.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.warm_up + self.duration
    }
}

impl LaneLoad {
    fn check(&self) -> Result<(), PlanError> {
        let range = |what, given: String, right| Err(PlanError::Range { what, given, right });
        if !(1..=10_000).contains(&self.batch) {
            return range("the batch", format!("{} items", self.batch), "1 to 10,000 items");
        }
        if !(1..=10_000).contains(&self.in_flight) {
            return range("in flight", format!("{} calls", self.in_flight), "1 to 10,000 calls");
        }
        match self.pace {
            Pace::Rate { items_per_second, .. } if !(0.01..=10_000_000.0).contains(&items_per_second) => {
                range("the rate", format!("{items_per_second} items/s"), "0.01 to 10,000,000 items/s, or max")
            }
            _ => Ok(()),
        }
    }

    /// The times of its calls; nothing for a closed loop.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule> {
        match self.pace {
            Pace::Rate { items_per_second, arrivals } => Some(Schedule::new(items_per_second, self.batch, arrivals)),
            Pace::Max => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let pace = Pace::Rate { items_per_second: 100.0, arrivals: Arrivals::Even };
        Plan {
            profile: String::new(),
            lanes: vec![LaneLoad { lane: Lane::Bulk, batch: 10, pace, in_flight: 4 }],
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            payloads: Payloads::new(vec!["{}".into()], "t"),
            metrics: None,
        }
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_refused() {
        assert_eq!(plan().check(), Ok(()));
        assert_eq!(Plan { lanes: Vec::new(), ..plan() }.check(), Err(PlanError::NoLane));
        assert_eq!(Plan { lanes: [plan().lanes, plan().lanes].concat(), ..plan() }.check(), Err(PlanError::Twice("bulk")));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut wrong = plan();
            wrong.lanes[0].pace = Pace::Rate { items_per_second: rate, arrivals: Arrivals::Even };
            assert!(matches!(wrong.check(), Err(PlanError::Range { what: "the rate", .. })), "{rate}");
        }
        assert!(Plan { duration: Duration::ZERO, ..plan() }.check().is_err());
        let mut empty = plan();
        empty.lanes[0].batch = 0;
        assert!(empty.check().is_err());
    }
}
