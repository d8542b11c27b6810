//! When each call starts: fixed before the run, so that no answer moves it.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How calls lie in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// As far from each other, all of them: a job that sends.
    Even,
    /// As people come, each by himself: gaps of an exponential distribution. They meet whatever else goes on in the service in
    /// each of its phases, which an even pace beside another even pace would not.
    Poisson {
        /// The same seed gives the same times.
        seed: u64,
    },
}

/// The start of each call, counted from the run's, endlessly.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Between two calls, in nanoseconds.
    gap: f64,
    chance: Option<ChaCha8Rng>,
    number: u64,
    /// The last start, in nanoseconds.
    at: f64,
}

impl Schedule {
    /// Calls of `batch` items, so many items a second.
    #[must_use]
    pub fn new(items_per_second: f64, batch: u32, arrivals: Arrivals) -> Self {
        let gap = f64::from(batch) / items_per_second * 1e9;
        let chance = match arrivals {
            Arrivals::Even => None,
            Arrivals::Poisson { seed } => Some(ChaCha8Rng::seed_from_u64(seed)),
        };
        Self { gap, chance, number: 0, at: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at = match &mut self.chance {
            // From the number and not from the last one: roundings would add up.
            None => self.number as f64 * self.gap,
            Some(chance) => {
                // Above 0 and at most 1.
                let draw = (f64::from(chance.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
                self.at - draw.ln() * self.gap
            }
        };
        self.number += 1;
        Some(Duration::from_nanos(self.at as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(schedule: Schedule, within: Duration) -> Vec<Duration> {
        schedule.take_while(|start| *start < within).collect()
    }

    #[test]
    fn an_even_schedule_has_its_rate_to_the_last_call() {
        let starts = starts(Schedule::new(3_803.0, 500, Arrivals::Even), Duration::from_secs(600));
        assert_eq!(starts.len(), 4_564, "3,803 x 600 / 500 = 4,563.6");
        assert_eq!(starts[0], Duration::ZERO);
        let last = Duration::from_secs_f64(4_563.0 * 500.0 / 3_803.0);
        assert!(starts[4_563].abs_diff(last) < Duration::from_micros(1));
    }

    #[test]
    fn chance_keeps_the_rate_and_repeats() {
        let by_chance = |seed| starts(Schedule::new(100.0, 1, Arrivals::Poisson { seed }), Duration::from_secs(100));
        let starts = by_chance(7);
        // Four standard deviations of a count of 10,000.
        assert!((9_600..=10_400).contains(&starts.len()), "{}", starts.len());
        assert!(starts.is_sorted());
        assert_eq!(starts, by_chance(7));
        assert_ne!(starts, by_chance(8));
        // A third of the gaps is longer than the mean, by 1/e.
        let long = starts.windows(2).filter(|pair| pair[1] - pair[0] > Duration::from_millis(10)).count();
        assert!((3_400..=3_960).contains(&long), "{long}");
    }
}
