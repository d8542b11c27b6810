//! Of all metrics, those that say where time goes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::exposition::Series;

/// A reading of a service's metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// From the begin of the counted time.
    pub(super) at: Duration,
    pub(super) version: String,
    /// By stage and lane.
    pub(super) stages: BTreeMap<(String, String), Observations>,
    pub(super) commits: Option<Observations>,
    pub(super) tokens: BTreeMap<String, TokenReading>,
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: f64,
}

/// A Prometheus histogram: sums since the service's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observations {
    pub(super) count: f64,
    pub(super) sum: f64,
    /// Upper bound, and how many are at it or below; ascending.
    pub(super) buckets: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TokenReading {
    pub(super) sessions: f64,
    pub(super) signatures: f64,
    pub(super) signature_seconds: f64,
}

const STAGE: &str = "sceau_stage_seconds";
const COMMIT: &str = "sceau_ledger_commit_seconds";
const SESSIONS: &str = "sceau_token_sessions";
const SIGNATURES: &str = "sceau_token_signatures_total";
const SIGNATURE_SECONDS: &str = "sceau_token_signature_seconds";
const BUILD: &str = "sceau_build_info";

impl Reading {
    pub(super) fn parse(text: &str, at: Duration) -> Self {
        let mut reading = Self { at, ..Self::default() };
        Series::all(text).for_each(|series| reading.take(&series));
        reading
    }

    fn take(&mut self, series: &Series<'_>) {
        if let Some(part) = series.name.strip_prefix(STAGE) {
            if let (Some(stage), Some(lane)) = (series.label("stage"), series.label("lane")) {
                self.stages.entry((stage.to_owned(), lane.to_owned())).or_default().take(part, series);
            }
            return;
        }
        if let Some(part) = series.name.strip_prefix(COMMIT) {
            return self.commits.get_or_insert_default().take(part, series);
        }
        match series.name {
            BUILD => series.label("version").unwrap_or_default().clone_into(&mut self.version),
            "process_cpu_seconds_total" => self.cpu_seconds = series.value,
            "process_resident_memory_bytes" => self.resident_bytes = series.value,
            SESSIONS => self.token(series).sessions = series.value,
            SIGNATURES => self.token(series).signatures = series.value,
            SIGNATURE_SECONDS => self.token(series).signature_seconds = series.value,
            _ => {}
        }
    }

    fn token(&mut self, series: &Series<'_>) -> &mut TokenReading {
        self.tokens.entry(series.label("token").unwrap_or_default().to_owned()).or_default()
    }
}

impl Observations {
    fn take(&mut self, part: &str, series: &Series<'_>) {
        match part {
            "_count" => self.count = series.value,
            "_sum" => self.sum = series.value,
            "_bucket" => {
                let bound = series.label("le").and_then(|bound| bound.parse().ok()).unwrap_or(f64::INFINITY);
                self.buckets.push((bound, series.value));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::monitoring::CATALOGUE;

    #[test]
    fn what_is_read_is_what_the_service_shows() {
        for name in [STAGE, COMMIT, SESSIONS, SIGNATURES, SIGNATURE_SECONDS, BUILD] {
            assert!(CATALOGUE.iter().any(|metric| metric.name == name), "{name}");
        }
    }

    #[test]
    fn a_reading_has_stages_tokens_and_the_process() {
        let text = "\
sceau_build_info{version=\"0.1.0\"} 1
sceau_stage_seconds_bucket{stage=\"token\",lane=\"bulk\",le=\"0.1\"} 3
sceau_stage_seconds_bucket{stage=\"token\",lane=\"bulk\",le=\"+Inf\"} 4
sceau_stage_seconds_sum{stage=\"token\",lane=\"bulk\"} 0.5
sceau_stage_seconds_count{stage=\"token\",lane=\"bulk\"} 4
sceau_token_sessions{token=\"a\"} 2
sceau_token_signatures_total{token=\"a\"} 100
sceau_token_signature_seconds{token=\"a\"} 0.00005
process_cpu_seconds_total 12.5
process_resident_memory_bytes 1000
";
        let reading = Reading::parse(text, Duration::from_secs(1));
        let stage = Observations { count: 4.0, sum: 0.5, buckets: vec![(0.1, 3.0), (f64::INFINITY, 4.0)] };
        assert_eq!(reading.stages, BTreeMap::from([(("token".to_owned(), "bulk".to_owned()), stage)]));
        let token = TokenReading { sessions: 2.0, signatures: 100.0, signature_seconds: 0.000_05 };
        assert_eq!(reading.tokens, BTreeMap::from([("a".to_owned(), token)]));
        assert_eq!((reading.cpu_seconds, reading.resident_bytes, &reading.version[..]), (12.5, 1_000.0, "0.1.0"));
        assert_eq!(reading.commits, None);
    }
}
