//! Waiting: pauses that grow from one failure to the next, and an end that interrupts them.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::queue::lock;

/// The end of a thing, which wakes all that wait.
#[derive(Debug, Default)]
pub(super) struct Ending {
    begun: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    pub(super) fn begin(&self) {
        *lock(&self.begun) = true;
        self.changed.notify_all();
    }

    pub(super) fn has_begun(&self) -> bool {
        *lock(&self.begun)
    }

    /// Waits, but not past the end; whether the end has come.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.begun), pause, |begun| !*begun);
        waited.map_or(true, |(begun, _)| *begun)
    }
}

/// Pauses that double from failure to failure up to a longest one. The half of each is random, so that those who failed
/// together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause after one more failure.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        let mut byte = [0; 1];
        // Without randomness the pause is merely the same for all.
        let _ = aws_lc_rs::rand::fill(&mut byte);
        pause / 2 + pause / 2 * u32::from(byte[0]) / 255
    }

    /// All is well again.
    pub(super) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_within_their_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for longest in [100, 200, 400, 400] {
            let pause = backoff.pause().as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause} of {longest}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }

    #[test]
    fn an_end_wakes_whoever_waits() {
        let ending = Ending::default();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| ending.wait(Duration::from_secs(60)));
            ending.begin();
            assert!(waiter.join().unwrap());
        });
        assert!(ending.has_begun());
    }
}
