//! What was measured, and the line that says so.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::mechanism::Mechanism;

/// How long signatures took, in nanoseconds, to a tenth of a percent.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// What one process measured.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    /// The window.
    pub(crate) seconds: f64,
    /// CPU time of the process in it.
    pub(crate) cpu_seconds: f64,
    /// Of each signature in it.
    #[serde(with = "counts")]
    pub(crate) latencies: Latencies,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    mechanism: Mechanism,
    processes: u16,
    /// In each process.
    sessions: u16,
    /// Of the windows of several processes, the mean.
    seconds: f64,
    signatures: u64,
    per_second: f64,
    /// CPU time of a signature: what of it this machine computed, and not the token.
    cpu_us: f64,
    /// Of `C_SignInit` and `C_Sign` together.
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

impl Line {
    /// Of several processes together.
    pub(crate) fn of(mechanism: Mechanism, processes: u16, sessions: u16, parts: &[Measured]) -> anyhow::Result<Self> {
        let mut latencies = Latencies::new()?;
        parts.iter().try_for_each(|part| latencies.add(&part.latencies))?;
        let signatures = latencies.0.len();
        let us = |nanoseconds: u64| tenths(nanoseconds as f64 / 1e3);
        Ok(Self {
            mechanism,
            processes,
            sessions,
            seconds: tenths(parts.iter().map(|part| part.seconds).sum::<f64>() / parts.len() as f64),
            signatures,
            per_second: tenths(parts.iter().map(|part| part.latencies.0.len() as f64 / part.seconds).sum()),
            cpu_us: tenths(parts.iter().map(|part| part.cpu_seconds).sum::<f64>() * 1e6 / signatures as f64),
            p50_us: us(latencies.0.value_at_quantile(0.5)),
            p99_us: us(latencies.0.value_at_quantile(0.99)),
            max_us: us(latencies.0.max()),
        })
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl Latencies {
    /// 100 ns to an hour.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(100, 3_600_000_000_000, 3)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }
}

/// From process to process as pairs of a time and how often it was met.
mod counts {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Latencies;

    pub(super) fn serialize<S: Serializer>(latencies: &Latencies, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(latencies.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_since_last_iteration())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Latencies, D::Error> {
        let mut latencies = Latencies::new().map_err(Error::custom)?;
        for (value, count) in Vec::<(u64, u64)>::deserialize(from)? {
            latencies.0.record_n(value, count).map_err(Error::custom)?;
        }
        Ok(latencies)
    }
}
