//! One measured step: so many sessions that signed for a time.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::super::TokenError;
use super::signer::Run;

/// What so many sessions did together.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// How many signed at the same time.
    pub sessions: usize,
    /// How many signatures they made.
    pub signatures: u64,
    /// Signatures a second, of all sessions together.
    pub signatures_per_second: f64,
    /// How long one signature took.
    pub latency_ms: Latency,
    /// CPU time of the sessions' threads over wall time: about 1 where the token computes on this machine.
    pub cpu_share: f64,
    /// Time in which they waited for a core that others had, over wall time.
    pub core_wait_share: f64,
    /// Signatures that do not verify.
    pub wrong: u64,
    /// Why sessions could not be opened, or signed no more.
    pub failures: Vec<Failure>,
}

/// How long a signature took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A failure, and how many sessions had it.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// What the token said.
    #[serde(rename = "code", serialize_with = "as_text")]
    pub error: TokenError,
    /// How often.
    pub count: u64,
}

fn as_text<S: Serializer>(error: &TokenError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

impl Step {
    /// A step that did not begin.
    pub(super) fn failed(sessions: usize, error: TokenError) -> Self {
        Self {
            sessions,
            signatures: 0,
            signatures_per_second: 0.0,
            latency_ms: Latency::default(),
            cpu_share: 0.0,
            core_wait_share: 0.0,
            wrong: 0,
            failures: vec![Failure { error, count: 1 }],
        }
    }

    /// Puts together what each session did in a step of a certain time.
    pub(super) fn of(time: Duration, runs: &[Run]) -> Self {
        // A session's last signature ends after the time, and counts with the time that it took.
        let rate = |run: &Run| run.signatures.len() as f64 / run.wall.max(time).as_secs_f64();
        let seconds = |of: fn(&Run) -> Duration| runs.iter().map(of).sum::<Duration>().as_secs_f64();
        let wall = seconds(|run| run.wall).max(f64::MIN_POSITIVE);
        Self {
            sessions: runs.len(),
            signatures: runs.iter().map(|run| run.signatures.len() as u64).sum(),
            signatures_per_second: rounded(runs.iter().map(rate).sum(), 1),
            latency_ms: Latency::of(runs.iter().flat_map(|run| run.latencies.iter().copied()).collect()),
            cpu_share: rounded(seconds(|run| run.cpu) / wall, 3),
            core_wait_share: rounded(seconds(|run| run.core_wait) / wall, 3),
            wrong: 0,
            failures: count(runs.iter().filter_map(|run| run.failure.clone())),
        }
    }

    /// How much of the time that signatures take is CPU time here, whatever else has kept the cores busy meanwhile.
    #[must_use]
    pub fn share_computed_here(&self) -> f64 {
        self.cpu_share / (1.0 - self.core_wait_share).max(0.001)
    }

    /// Whether everything that was asked for was signed, and rightly.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.failures.is_empty() && self.wrong == 0
    }
}

impl Latency {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let share = |percent: usize| {
            let rank = (latencies.len() * percent).div_ceil(100).max(1);
            let latency = latencies.get(rank - 1).copied().unwrap_or_default();
            rounded(latency.as_secs_f64() * 1000.0, 3)
        };
        Self { p50: share(50), p95: share(95), p99: share(99), max: share(100) }
    }
}

/// Failures of one text are one.
fn count(errors: impl Iterator<Item = TokenError>) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for error in errors {
        match failures.iter_mut().find(|known| known.error.to_string() == error.to_string()) {
            Some(known) => known.count += 1,
            None => failures.push(Failure { error, count: 1 }),
        }
    }
    failures
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Signature;

    fn run(signer: usize, latencies_ms: &[u64], wall_ms: u64, failure: Option<TokenError>) -> Run {
        Run {
            signer,
            signatures: vec![Signature::new(vec![0; 64]); latencies_ms.len()],
            latencies: latencies_ms.iter().copied().map(Duration::from_millis).collect(),
            wall: Duration::from_millis(wall_ms),
            cpu: Duration::from_millis(wall_ms / 4),
            core_wait: Duration::from_millis(wall_ms / 2),
            failure,
        }
    }

    #[test]
    fn rates_of_sessions_add_up_each_over_its_own_time() {
        let step = Step::of(Duration::from_secs(1), &[run(0, &[500, 500], 1000, None), run(1, &[1250], 1250, None)]);
        assert_eq!((step.sessions, step.signatures), (2, 3));
        assert!((step.signatures_per_second - 2.8).abs() < 1e-9, "{step:?}");
        assert!((step.cpu_share - 0.25).abs() < 1e-3 && (step.core_wait_share - 0.5).abs() < 1e-3, "{step:?}");
        assert!(step.is_good());
    }

    #[test]
    fn percentiles_are_latencies_that_were_measured() {
        let latencies: Vec<u64> = (1..=200).rev().collect();
        let step = Step::of(Duration::from_secs(1), &[run(0, &latencies, 1000, None)]);
        assert_eq!(step.latency_ms, Latency { p50: 100.0, p95: 190.0, p99: 198.0, max: 200.0 });
        assert_eq!(Latency::of(vec![Duration::from_millis(7)]), Latency { p50: 7.0, p95: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }

    #[test]
    fn failures_are_counted_by_what_the_token_said() {
        let runs = [run(0, &[], 0, Some(TokenError::Closed)), run(1, &[5], 1000, None), run(2, &[], 0, Some(TokenError::Closed))];
        let step = Step::of(Duration::from_secs(1), &runs);
        assert_eq!(step.failures.iter().map(|failure| failure.count).collect::<Vec<_>>(), [2]);
        assert!(!step.is_good() && step.signatures == 1 && (step.signatures_per_second - 1.0).abs() < 1e-9, "{step:?}");
    }
}
