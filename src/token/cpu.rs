//! What a thread's time is spent on: whether a token computes on this machine or elsewhere.

use std::time::{Duration, Instant};

/// A stretch of one thread's time.
#[derive(Debug)]
pub(super) struct Stretch {
    wall: Instant,
    cpu: Duration,
    core_wait: Duration,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// On a core.
    pub(super) cpu: Duration,
    /// Ready for a core that others had.
    pub(super) core_wait: Duration,
}

impl Stretch {
    pub(super) fn begin() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time(), core_wait: core_wait() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    pub(super) fn end(self) -> Spent {
        let (cpu, core_wait) = (cpu_time() - self.cpu, core_wait().saturating_sub(self.core_wait));
        Spent { wall: self.wall.elapsed(), cpu, core_wait }
    }
}

impl Spent {
    /// Whether most of it was work for this machine's cores; time in which others had them says nothing.
    pub(super) fn is_computing(&self) -> bool {
        self.cpu * 2 > self.wall.saturating_sub(self.core_wait)
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// The second number of the kernel's account: nanoseconds on a run queue. Nothing where the kernel keeps none.
fn core_wait() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(account.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_and_waiting_are_told_apart() {
        let computing = Stretch::begin();
        while computing.elapsed() < Duration::from_millis(20) {}
        assert!(computing.end().is_computing());
        let waiting = Stretch::begin();
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiting.end().is_computing());
    }
}
