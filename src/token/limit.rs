//! The most signatures a second that a worker makes, whoever asks for them.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A bound on the rate. A service that has been taken over can have no more signed than this.
#[derive(Debug)]
pub(super) struct RateLimit {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl RateLimit {
    /// One worker's share of a token's rate, so that all workers together keep it.
    pub(super) fn share_of(a_second: NonZeroU32, workers: usize) -> Self {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        let share = NonZeroU32::new(a_second.get() / workers).unwrap_or(NonZeroU32::MIN);
        // A tenth of a second's work may come at once; a whole second's, which is the default, would double the first second.
        let burst = NonZeroU32::new(share.get() / 10).unwrap_or(NonZeroU32::MIN);
        let clock = DefaultClock::default();
        Self { limiter: RateLimiter::direct_with_clock(Quota::per_second(share).allow_burst(burst), clock.clone()), clock }
    }

    /// Waits until one more is allowed.
    pub(super) fn wait(&self) {
        while let Some(pause) = self.pause() {
            std::thread::sleep(pause);
        }
    }

    fn pause(&self) -> Option<Duration> {
        self.limiter.check().err().map(|denied| denied.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_no_more_than_a_tenth_of_its_second_at_once() {
        let limit = RateLimit::share_of(NonZeroU32::new(200).unwrap(), 2);
        let allowed = (0..100).take_while(|_| limit.pause().is_none()).count();
        assert!((10..=12).contains(&allowed), "{allowed}");
    }

    #[test]
    fn what_is_denied_is_allowed_after_its_pause() {
        let limit = RateLimit::share_of(NonZeroU32::new(1_000).unwrap(), 1);
        while limit.pause().is_none() {}
        limit.wait();
    }
}
