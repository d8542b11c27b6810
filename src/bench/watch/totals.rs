//! What readings say together: counters by their differences, gauges by their means.

use super::reading::{Observations, Reading, TokenReading};
use crate::bench::result::{ServiceResult, ServiceSecond, StageResult, Timing, TokenResult};
use crate::sign::stage::Stage;

/// What a service said of itself between the first and the last reading.
pub(super) fn result(address: &str, readings: &[Reading], failed_readings: u64) -> ServiceResult {
    let empty = ServiceResult { metrics: address.to_owned(), failed_readings, ..ServiceResult::default() };
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return empty };
    let seconds = (last.at.saturating_sub(first.at)).as_secs_f64();
    let stages = last.stages.iter().filter_map(|((stage, lane), observations)| {
        let seen = observations.since(first.stages.get(&(stage.clone(), lane.clone())));
        (seen.count > 0.0).then(|| StageResult {
            stage: stage.clone(),
            lane: lane.clone(),
            timing: seen.timing(),
            at_a_time: ratio(seen.sum, seconds),
        })
    });
    let mut stages: Vec<StageResult> = stages.collect();
    stages.sort_by_key(|result| (result.lane != "interactive", place(&result.stage)));
    ServiceResult {
        version: last.version.clone(),
        seconds: (seconds * 1e3).round() / 1e3,
        cpu_cores: ratio(last.cpu_seconds - first.cpu_seconds, seconds),
        resident_bytes: readings.iter().map(|reading| reading.resident_bytes).fold(0.0, f64::max) as u64,
        stages,
        ledger_commits: last.commits.as_ref().map(|commits| commits.since(first.commits.as_ref()).timing()),
        tokens: last.tokens.keys().map(|name| token(name, readings, seconds)).collect(),
        per_second: readings.windows(2).map(|pair| second(&pair[0], &pair[1])).collect(),
        ..empty
    }
}

fn place(stage: &str) -> usize {
    Stage::ALL.iter().position(|other| other.name() == stage).unwrap_or(usize::MAX)
}

/// To six decimals, which JSON gives back as they were.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole * 1e6).round() / 1e6 } else { 0.0 }
}

/// The sessions' time that signatures took between two readings, as a share of what there was. The service's gauge of busy sessions
/// would not do: once a second it catches a local token, with its frames of a millisecond, by chance.
fn utilisation(one: &TokenReading, next: &TokenReading, seconds: f64) -> f64 {
    let signatures = (next.signatures - one.signatures).max(0.0);
    let each = f64::midpoint(one.signature_seconds, next.signature_seconds);
    ratio(signatures * each, next.sessions * seconds).min(1.0)
}

/// The mean time of a signature is of the readings under load: the first is of its begin.
fn token(name: &str, readings: &[Reading], seconds: f64) -> TokenResult {
    let seen: Vec<TokenReading> = readings.iter().filter_map(|reading| reading.tokens.get(name).copied()).collect();
    let under_load = if seen.len() > 1 { &seen[1..] } else { &seen[..] };
    let mean = |of: fn(&TokenReading) -> f64| ratio(under_load.iter().map(of).sum(), under_load.len() as f64);
    let (first, last) = (seen.first().copied().unwrap_or_default(), seen.last().copied().unwrap_or_default());
    let signatures = (last.signatures - first.signatures).max(0.0);
    let signature_ms = mean(|reading| reading.signature_seconds * 1_000.0);
    TokenResult {
        token: name.to_owned(),
        sessions: last.sessions as u32,
        utilisation: ratio(signatures * signature_ms / 1_000.0, last.sessions * seconds).min(1.0),
        signatures: signatures as u64,
        signatures_per_second: (ratio(signatures, seconds) * 10.0).round() / 10.0,
        signature_ms,
    }
}

fn second(one: &Reading, next: &Reading) -> ServiceSecond {
    let seconds = next.at.saturating_sub(one.at).as_secs_f64();
    let in_stage = |stage: &str| {
        let of = |reading: &Reading| -> f64 {
            reading.stages.iter().filter(|((name, _), _)| name == stage).map(|(_, observations)| observations.sum).sum()
        };
        ratio((of(next) - of(one)).max(0.0), seconds)
    };
    let busy = |(name, token): (&String, &TokenReading)| {
        (name.clone(), one.tokens.get(name).map_or(0.0, |before| utilisation(before, token, seconds)))
    };
    ServiceSecond {
        at_seconds: (next.at.as_secs_f64() * 1e3).round() / 1e3,
        cpu_cores: ratio(next.cpu_seconds - one.cpu_seconds, seconds),
        resident_bytes: next.resident_bytes as u64,
        stages: Stage::ALL.iter().map(|stage| (stage.name().to_owned(), in_stage(stage.name()))).collect(),
        tokens: next.tokens.iter().map(busy).collect(),
    }
}

impl Observations {
    /// What came after an earlier reading; all of it, where the service has started anew in between.
    fn since(&self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier.filter(|earlier| earlier.count <= self.count) else { return self.clone() };
        let before = |bound: f64| earlier.buckets.iter().find(|(other, _)| *other == bound).map_or(0.0, |(_, count)| *count);
        Self {
            count: self.count - earlier.count,
            sum: self.sum - earlier.sum,
            buckets: self.buckets.iter().map(|(bound, count)| (*bound, count - before(*bound))).collect(),
        }
    }

    fn timing(&self) -> Timing {
        let millis = |seconds: f64| (seconds * 1e6).round() / 1e3;
        Timing {
            count: self.count as u64,
            mean_ms: millis(ratio(self.sum, self.count)),
            p50_ms: millis(self.quantile(0.5)),
            p99_ms: millis(self.quantile(0.99)),
        }
    }

    /// Evenly within its bucket, as Prometheus' `histogram_quantile` has it; beyond the last bound, that.
    fn quantile(&self, quantile: f64) -> f64 {
        let rank = quantile * self.count;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank && *count > below {
                return if bound.is_finite() { lower + (bound - lower) * (rank - below) / (count - below) } else { lower };
            }
            (lower, below) = (*bound, *count);
        }
        lower
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn reading(at: u64, count: f64) -> Reading {
        let observations =
            Observations { count, sum: count * 0.02, buckets: vec![(0.01, 0.0), (0.03, count), (f64::INFINITY, count)] };
        let token = TokenReading { sessions: 20.0, signatures: count * 100.0, signature_seconds: 0.001 };
        let stage = |name: &str, lane: &str| ((name.to_owned(), lane.to_owned()), observations.clone());
        Reading {
            at: Duration::from_secs(at),
            version: "0.1.0".to_owned(),
            stages: BTreeMap::from([stage("token", "bulk"), stage("prepare", "bulk"), stage("finish", "interactive")]),
            commits: None,
            tokens: BTreeMap::from([("hsm".to_owned(), token)]),
            cpu_seconds: at as f64 * 1.5,
            resident_bytes: 1_000.0,
        }
    }

    #[test]
    fn counters_are_taken_by_their_differences_and_gauges_by_their_means() {
        let readings = [reading(0, 1_000.0), reading(1, 1_150.0), reading(2, 1_200.0)];
        let result = result("http://x", &readings, 1);
        assert_eq!((result.seconds, result.cpu_cores, result.failed_readings), (2.0, 1.5, 1));
        let names: Vec<_> = result.stages.iter().map(|stage| (&stage.lane[..], &stage.stage[..])).collect();
        assert_eq!(names, [("interactive", "finish"), ("bulk", "prepare"), ("bulk", "token")]);
        assert_eq!(result.stages[0].timing, Timing { count: 200, mean_ms: 20.0, p50_ms: 20.0, p99_ms: 29.8 });
        assert!((result.stages[0].at_a_time - 2.0).abs() < 1e-9, "200 x 0.02 s in 2 s");
        let token = &result.tokens[0];
        assert_eq!((token.sessions, token.utilisation, token.signatures), (20, 0.5, 20_000), "10,000/s of 1 ms on 20 sessions");
        assert_eq!((token.signatures_per_second, token.signature_ms), (10_000.0, 1.0));
        assert_eq!(result.per_second.len(), 2);
        assert_eq!(result.per_second[1].tokens, [("hsm".to_owned(), 0.25)]);
    }

    #[test]
    fn nothing_read_is_nothing_said() {
        assert_eq!(result("http://x", &[], 3).failed_readings, 3);
        assert!(result("http://x", &[reading(0, 5.0)], 0).stages.is_empty());
    }

    #[test]
    fn a_service_that_started_anew_is_counted_from_there() {
        let result = result("http://x", &[reading(0, 1_000.0), reading(1, 10.0)], 0);
        assert_eq!(result.stages[0].timing.count, 10);
        assert_eq!(result.tokens[0].signatures, 0);
    }
}
