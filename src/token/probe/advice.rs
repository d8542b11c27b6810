//! From measured steps to a configuration: pure functions.

use serde::Serialize;

use super::Step;
use crate::domain::Algorithm;

/// What one key did at more and more sessions.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The kid of its DSC.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its kind and size, like `P-256`.
    pub kind: String,
    /// The steps, one session first.
    pub steps: Vec<Step>,
    /// Why there are no more; nothing while there may be.
    pub end: Option<End>,
}

/// Why no more sessions are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// They are as many as may be.
    Most,
    /// More of them sign hardly more.
    NoGain,
    /// Some fail.
    Failures,
}

/// What to configure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Worker processes.
    pub workers: usize,
    /// Sessions a worker.
    pub sessions: usize,
    /// How long a worker may take.
    pub hang_timeout_ms: u64,
    /// Why, in words.
    pub reason: String,
}

/// More sessions have to bring so much.
const LEAST_GAIN: f64 = 1.05;
/// So much of the best rate is as good as the best.
const NEARLY_BEST: f64 = 0.97;
/// Where a larger share of a signature's time is CPU time, the token computes on this machine.
const LOCAL_SHARE: f64 = 0.5;

/// A worker counts as hung where a call takes so many times longer than the slowest that was seen.
const HANG_FACTOR: f64 = 4.0;
/// Less than half of the time that a batch waits for its signatures by default, so that what a hung worker held is still signed
/// in time; and more than the moment that an HSM takes to fail over.
const LEAST_HANG_SECONDS: f64 = 4.0;

/// How many sessions are to be tried after the measured steps; twice as many each time.
///
/// # Errors
/// [`End`] where there is nothing more to be learnt.
pub fn next_step(steps: &[Step], most: usize) -> Result<usize, End> {
    let Some((last, before)) = steps.split_last() else { return Ok(1) };
    if !last.is_good() {
        return Err(End::Failures);
    }
    if !before.is_empty() && last.signatures_per_second < best_rate(before) * LEAST_GAIN {
        return Err(End::NoGain);
    }
    if last.sessions >= most { Err(End::Most) } else { Ok((last.sessions * 2).min(most)) }
}

/// What to configure for a token with these curves, on a machine of so many cores; nothing where nothing was signed, or
/// something wrongly.
#[must_use]
pub fn advise(curves: &[Curve], cores: usize) -> Option<Advice> {
    if curves.iter().flat_map(|curve| &curve.steps).any(|step| step.wrong > 0) {
        return None;
    }
    // Of one session: more of them wait for each other in some modules.
    let share = curves.iter().filter_map(|curve| curve.good().next()).map(Step::share_computed_here).reduce(f64::max)?;
    let percent = (share * 100.0).round();
    let (workers, sessions, reason) = if share > LOCAL_SHARE {
        let reason = format!(
            "{percent} % of a signature's time is CPU time of this machine, so the token computes here and a core bounds a \
             session: a worker a core, with one session each."
        );
        (cores, 1, reason)
    } else {
        let sessions = curves.iter().filter_map(Curve::smallest_nearly_best).map(|step| step.sessions).max()?;
        let rates: Vec<String> = curves.iter().filter_map(|curve| curve.text_of(sessions)).collect();
        let reason = format!(
            "{percent} % of a signature's time is CPU time of this machine, so the token is a device, and one worker is enough. \
             {}.",
            rates.join("; ")
        );
        (1, sessions, reason)
    };
    let seconds = curves.iter().filter_map(|curve| curve.slowest_seconds(workers * sessions)).reduce(f64::max)?;
    let hang_timeout_ms = (seconds * HANG_FACTOR).max(LEAST_HANG_SECONDS).ceil() as u64 * 1000;
    let reason = format!("{reason} {}", hang_text(seconds));
    Some(Advice { workers, sessions, hang_timeout_ms, reason })
}

fn hang_text(seconds: f64) -> String {
    if seconds * HANG_FACTOR > LEAST_HANG_SECONDS {
        format!("The slowest signature took {seconds:.1} s; hang_timeout_ms is four times that.")
    } else {
        format!("The slowest signature took {:.0} ms; hang_timeout_ms leaves time for a stall.", (seconds * 1000.0).ceil())
    }
}

impl Curve {
    fn good(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_good())
    }

    fn best(&self) -> Option<&Step> {
        self.good().max_by(|one, other| one.signatures_per_second.total_cmp(&other.signatures_per_second))
    }

    fn smallest_nearly_best(&self) -> Option<&Step> {
        let enough = self.best()?.signatures_per_second * NEARLY_BEST;
        self.good().find(|step| step.signatures_per_second >= enough)
    }

    /// The step that was measured with so many sessions, or the nearest.
    fn at(&self, sessions: usize) -> Option<&Step> {
        self.good().find(|step| step.sessions >= sessions).or_else(|| self.good().last())
    }

    /// How long the slowest signature took at so many sessions.
    fn slowest_seconds(&self, sessions: usize) -> Option<f64> {
        Some(self.at(sessions)?.latency_ms.max / 1000.0)
    }

    fn text_of(&self, sessions: usize) -> Option<String> {
        let (chosen, best) = (self.at(sessions)?, self.best()?);
        let (algorithm, count, rate) = (self.algorithm, chosen.sessions, chosen.signatures_per_second);
        let percent = (100.0 * chosen.signatures_per_second / best.signatures_per_second.max(f64::MIN_POSITIVE)).round();
        let plural = if count == 1 { "" } else { "s" };
        let mut text = format!("{algorithm}: {count} session{plural} sign {rate:.0}/s");
        if chosen.sessions == best.sessions {
            text += ", the best rate";
        } else {
            text += &format!(", {percent} % of the best rate ({} sessions)", best.sessions);
        }
        if self.end == Some(End::Most) && chosen.sessions == best.sessions && count > 1 {
            text += ", which was still growing";
        }
        Some(text)
    }
}

fn best_rate(steps: &[Step]) -> f64 {
    steps.iter().map(|step| step.signatures_per_second).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, Latency};
    use super::*;
    use crate::token::TokenError;

    fn step(sessions: usize, rate: f64, p99: f64, cpu_share: f64) -> Step {
        Step {
            sessions,
            signatures: rate as u64,
            signatures_per_second: rate,
            latency_ms: Latency { p50: p99 / 2.0, p95: p99, p99, max: p99 },
            cpu_share,
            core_wait_share: 0.0,
            wrong: 0,
            failures: Vec::new(),
        }
    }

    fn failed(mut step: Step) -> Step {
        step.failures = vec![Failure { error: TokenError::Closed, count: 1 }];
        step
    }

    fn curve(algorithm: Algorithm, steps: &[Step], end: End) -> Curve {
        Curve { kid: "00".into(), algorithm, kind: "P-256".into(), steps: steps.to_vec(), end: Some(end) }
    }

    /// A device: 5 ms away, 3000 a second.
    fn device() -> Vec<Step> {
        [(1, 198.0), (2, 395.0), (4, 790.0), (8, 1570.0), (16, 2930.0), (32, 3000.0)]
            .map(|(sessions, rate)| step(sessions, rate, 6.0, 0.03))
            .to_vec()
    }

    #[test]
    fn sessions_double_up_to_the_most_that_may_be() {
        let mut steps = Vec::new();
        let mut tried = Vec::new();
        let end = loop {
            match next_step(&steps, 14) {
                Ok(sessions) => steps.push(step(sessions, 100.0 * sessions as f64, 5.0, 0.0)),
                Err(end) => break end,
            }
            tried.push(steps[steps.len() - 1].sessions);
        };
        assert_eq!((tried, end), (vec![1, 2, 4, 8, 14], End::Most));
        assert_eq!(next_step(&[step(1, 9.0, 1.0, 0.0)], 1), Err(End::Most));
    }

    #[test]
    fn the_search_ends_where_more_sessions_bring_less_than_a_twentieth() {
        let steps = [step(1, 100.0, 1.0, 0.0), step(2, 104.0, 1.0, 0.0)];
        assert_eq!(next_step(&steps, 64), Err(End::NoGain));
        let steps = [step(1, 100.0, 1.0, 0.0), step(2, 106.0, 1.0, 0.0)];
        assert_eq!(next_step(&steps, 64), Ok(4));
    }

    #[test]
    fn the_search_ends_where_failures_begin() {
        assert_eq!(next_step(&[failed(step(1, 100.0, 1.0, 0.0))], 64), Err(End::Failures));
        let wrong = Step { wrong: 1, ..step(1, 100.0, 1.0, 0.0) };
        assert_eq!(next_step(&[wrong], 64), Err(End::Failures));
    }

    #[test]
    fn a_device_has_one_worker_with_the_fewest_sessions_that_are_nearly_the_best() {
        let advice = advise(&[curve(Algorithm::Es256, &device(), End::NoGain)], 8).unwrap();
        assert_eq!((advice.workers, advice.sessions, advice.hang_timeout_ms), (1, 16, 4000));
        assert!(advice.reason.contains("16 sessions sign 2930/s, 98 % of the best rate (32 sessions)"), "{}", advice.reason);
    }

    #[test]
    fn a_token_that_computes_here_has_a_worker_a_core() {
        let steps = [step(1, 20_000.0, 0.1, 0.97), step(2, 33_000.0, 0.1, 0.8), step(4, 33_100.0, 0.3, 0.4)];
        let advice = advise(&[curve(Algorithm::Es256, &steps, End::NoGain)], 2).unwrap();
        assert_eq!((advice.workers, advice.sessions, advice.hang_timeout_ms), (2, 1, 4000));
        assert!(advice.reason.contains("97 %"), "{}", advice.reason);
    }

    #[test]
    fn a_busy_machine_does_not_make_a_device_of_a_token_that_computes_here() {
        let slowed = Step { core_wait_share: 0.7, ..step(1, 6_000.0, 0.1, 0.28) };
        let advice = advise(&[curve(Algorithm::Es256, &[slowed], End::NoGain)], 2).unwrap();
        assert_eq!((advice.workers, advice.sessions), (2, 1));
    }

    #[test]
    fn of_two_algorithms_the_one_that_needs_more_sessions_decides() {
        let slow = [(1, 2.0), (2, 4.0), (4, 4.1)].map(|(sessions, rate)| step(sessions, rate, 100.0, 0.01));
        let curves = [curve(Algorithm::Es256, &device(), End::NoGain), curve(Algorithm::Ps256, &slow, End::NoGain)];
        let advice = advise(&curves, 8).unwrap();
        assert_eq!((advice.workers, advice.sessions), (1, 16));
        assert_eq!(advice.hang_timeout_ms, 4_000, "the slowest signature took 0.1 s");
        assert!(advice.reason.contains("ES256: ") && advice.reason.contains("PS256: "), "{}", advice.reason);
    }

    #[test]
    fn a_step_with_failures_is_not_recommended() {
        let mut steps = device();
        steps[4] = failed(steps[4].clone());
        steps.truncate(5);
        let advice = advise(&[curve(Algorithm::Es256, &steps, End::Failures)], 8).unwrap();
        assert_eq!((advice.workers, advice.sessions), (1, 8));
    }

    #[test]
    fn a_rate_that_was_still_growing_is_told() {
        let steps = &device()[..4];
        let advice = advise(&[curve(Algorithm::Es256, steps, End::Most)], 8).unwrap();
        assert!(advice.sessions == 8 && advice.reason.contains("still growing"), "{}", advice.reason);
    }

    #[test]
    fn nothing_is_recommended_where_nothing_was_signed_or_something_wrongly() {
        assert_eq!(advise(&[], 8), None);
        let wrong = Step { wrong: 1, ..step(2, 100.0, 1.0, 0.0) };
        let curves = [curve(Algorithm::Es256, &device(), End::NoGain), curve(Algorithm::Ps256, &[wrong], End::Failures)];
        assert_eq!(advise(&curves, 8), None);
        assert_eq!(advise(&[curve(Algorithm::Es256, &[failed(step(1, 0.0, 0.0, 0.0))], End::Failures)], 8), None);
    }
}
