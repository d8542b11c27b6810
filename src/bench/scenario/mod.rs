//! Peaks of the field, and whether a measured run meets one.
//!
//! A [`Scenario`] is so many certificates in a time, with a busy hour and with people who wait for single ones meanwhile. What it needs
//! is a rate; a [`Run`] of some minutes at that rate, and one as fast as it goes, are carried on to the whole by [`judge`],
//! which shows how. [`Backlog`] follows a queue of requests day by day. An [`Outcome`] is all of it, as JSON, text and page.
//!
//! Pure functions; figures and sources stand in the table.

mod backlog;
mod outcome;
mod queue;
mod stretch;
mod table;
#[cfg(test)]
mod tests;
mod told;
mod verdict;

use std::time::Duration;

use serde::Serialize;

pub use backlog::{Backlog, Day};
pub use outcome::{Measured, Outcome, RunOf, SCHEMA};
pub use queue::Queue;
pub use stretch::Stretch;
pub use verdict::{Run, Verdict, judge};

/// A peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// As it is called on the command line.
    pub name: &'static str,
    /// What happens.
    pub what: &'static str,
    /// Certificates of the bulk lane in all.
    pub certificates: u64,
    /// On how many days.
    pub days: u32,
    /// Hours a day in which it is worked.
    pub hours_a_day: u32,
    /// The busy hour's rate in the mean's; 1 for a job that runs evenly.
    pub peak: f64,
    /// Single certificates a second at the same time, for which somebody waits.
    pub interactive_per_second: f64,
    /// From where the figures are; what is assumed stands in it.
    pub source: &'static str,
}

impl Scenario {
    /// All of them, the smallest first.
    pub const ALL: &'static [Self] = table::ALL;

    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|scenario| scenario.name == name)
    }

    /// The time that is worked, without nights.
    #[must_use]
    pub const fn worked(&self) -> Duration {
        Duration::from_secs(self.days as u64 * self.hours_a_day as u64 * 3_600)
    }

    /// Certificates a second in the mean of the time that is worked.
    #[must_use]
    pub fn mean_per_second(&self) -> f64 {
        self.certificates as f64 / self.worked().as_secs_f64()
    }

    /// Certificates a second of the bulk lane in the busy hour: what it needs.
    #[must_use]
    pub fn needed_per_second(&self) -> f64 {
        self.mean_per_second() * self.peak
    }

    /// The queue of requests behind it, where there is one.
    #[must_use]
    pub fn backlog(&self) -> Option<Backlog> {
        (self.name == table::BACKLOG).then_some(Backlog::NEW_CALEDONIA)
    }
}
