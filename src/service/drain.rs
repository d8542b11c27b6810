//! How the service ends.

use std::time::Duration;

/// What happens between the wish to end and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long new calls are still taken after health says NOT_SERVING: load balancers need a moment to see it.
    pub delay: Duration,
    /// How long calls in work may take after that: a batch's signatures, with room. A health watch that its caller leaves open
    /// would never end by itself, nor a stream whose caller does not read.
    pub limit: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, limit: Duration::from_secs(20) }
    }
}
