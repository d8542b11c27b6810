//! How fast a lane is worked off, from what it finished of late.

use std::time::{Duration, Instant};

/// What is older hardly counts.
const MEMORY: Duration = Duration::from_secs(2);

/// Signed items a second, smoothed; time in which nothing was in work does not count.
#[derive(Debug, Default)]
pub(super) struct Pace {
    items: f64,
    seconds: f64,
    busy_since: Option<Instant>,
}

impl Pace {
    /// Work begins where there was none.
    pub(super) fn begin(&mut self, now: Instant) {
        self.busy_since.get_or_insert(now);
    }

    /// So many items were signed; whether others are still in work. Where it was none the time goes to whoever signs next, or to
    /// nobody.
    pub(super) fn finish(&mut self, items: usize, is_busy: bool, now: Instant) {
        let Some(since) = self.busy_since else { return };
        if items == 0 {
            self.busy_since = is_busy.then_some(since);
            return;
        }
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let kept = (-passed / MEMORY.as_secs_f64()).exp();
        self.items = self.items * kept + items as f64;
        self.seconds = self.seconds * kept + passed;
        self.busy_since = is_busy.then_some(now);
    }

    /// How long so many items take; nothing before the pace is known.
    pub(super) fn time_for(&self, items: usize) -> Option<Duration> {
        // A few milliseconds say nothing of a second.
        if self.seconds < 0.05 || self.items < 1.0 {
            return None;
        }
        Some(Duration::from_secs_f64((items as f64 * self.seconds / self.items).min(3_600.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pace_is_found_and_idle_time_does_not_slow_it() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.time_for(10), None);
        for second in 0..5 {
            let from = start + Duration::from_secs(10 * second);
            pace.begin(from);
            pace.finish(1_000, false, from + Duration::from_secs(1));
        }
        let time = pace.time_for(500).unwrap();
        assert!((0.45..0.55).contains(&time.as_secs_f64()), "{time:?}");
    }

    #[test]
    fn a_pace_that_drops_is_noticed_within_seconds() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.begin(start);
        pace.finish(10_000, true, start + Duration::from_secs(1));
        for second in 2..10 {
            pace.finish(100, true, start + Duration::from_secs(second));
        }
        assert!(pace.time_for(100).unwrap() > Duration::from_millis(500));
    }
}
