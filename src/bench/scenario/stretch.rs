//! What a peak asks, stretch by stretch.

use std::time::Duration;

use super::Scenario;

/// A time in which a peak asks at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Which.
    pub heading: String,
    /// Certificates of the bulk lane a second.
    pub per_second: f64,
    /// How long.
    pub duration: Duration,
}

/// Minutes at less than that count next to nothing; who gets more gets less too.
const LEAST_PER_SECOND: f64 = 1.0;
const HOUR: Duration = Duration::from_secs(3_600);

impl Stretch {
    /// Items a call: four calls a second, where that makes no call larger than `most` items.
    #[must_use]
    pub fn batch(&self, most: u32) -> u32 {
        ((self.per_second / 4.0) as u32).clamp(1, most.max(1))
    }
}

impl Scenario {
    /// Some time of its busy hour, 1 certificate a second at least.
    #[must_use]
    pub fn busy(&self, duration: Duration) -> Stretch {
        let per_second = self.needed_per_second().max(LEAST_PER_SECOND);
        Stretch { heading: "At the rate that it needs".to_owned(), per_second, duration }
    }

    /// All of it, day by day, without the nights; the busy hour is in the middle of each day, and the hours around it share what it
    /// leaves.
    #[must_use]
    pub fn whole(&self) -> Vec<Stretch> {
        (1..=self.days).flat_map(|day| self.day(day)).collect()
    }

    fn day(&self, day: u32) -> Vec<Stretch> {
        let all = if self.days == 1 { "All of it".to_owned() } else { format!("Day {day} of {}", self.days) };
        let (mean, hours) = (self.mean_per_second(), self.hours_a_day);
        if self.peak <= 1.0 || hours < 2 {
            return vec![Stretch { heading: all, per_second: mean, duration: HOUR * hours }];
        }
        let around = (mean * (f64::from(hours) - self.peak) / f64::from(hours - 1)).max(0.0);
        let before = hours / 2;
        let stretch = |which: &str, per_second, hours: u32| Stretch {
            heading: format!("{all}, {which}"),
            per_second,
            duration: HOUR * hours,
        };
        let parts = [
            stretch("until the busy hour", around, before),
            stretch("the busy hour", self.needed_per_second(), 1),
            stretch("after it", around, hours - before - 1),
        ];
        parts.into_iter().filter(|part| !part.duration.is_zero()).collect()
    }
}
