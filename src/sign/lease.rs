//! For how long a keyring may be used unless somebody says that it still holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An instant that is moved on as long as all is well. Who looks neither waits nor asks anybody: where the one that moves it
/// hangs, or comes late, it ends by itself.
#[derive(Debug)]
pub struct Lease {
    began: Instant,
    /// The end, in nanoseconds since it began; 0 where it has none yet.
    until: AtomicU64,
}

impl Lease {
    /// One that is not held yet.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }

    /// It is held for a length of time after an instant, which may have passed.
    pub fn hold(&self, since: Instant, length: Duration) {
        let end = (since + length).saturating_duration_since(self.began);
        self.until.store(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// It is held no more.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Whether it is held now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.began.elapsed().as_nanos() <= u128::from(self.until.load(Ordering::Acquire))
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn it_is_held_for_its_length_from_what_it_rests_on() {
        let lease = Lease::new();
        assert!(!lease.is_held(), "before anything was read");
        lease.hold(Instant::now(), LONG);
        assert!(lease.is_held());
        lease.end();
        assert!(!lease.is_held());
        let began = Instant::now();
        lease.hold(began, Duration::from_millis(20));
        while lease.is_held() {
            assert!(began.elapsed() < LONG);
            std::thread::yield_now();
        }
        assert!(began.elapsed() >= Duration::from_millis(20));
    }
}
