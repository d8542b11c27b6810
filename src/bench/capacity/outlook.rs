//! What the whole of it can do: when it is done, and what is left when something fails.

use std::time::Duration;

use serde::Serialize;

use super::costs::Costs;
use super::demand::Demand;
use super::question::{Question, TokenKind};
use super::replicas::Replicas;
use super::step::Section;
use super::tokens::Tokens;
use crate::bench::figure::{count, number, percent, rate, seconds, time};

/// What can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// What all of it signs a second.
    pub capacity_per_second: f64,
    /// What bounds it.
    pub limit: Limit,
    /// In which the certificates are signed, when nothing fails and the callers keep it busy, in seconds.
    pub soonest_seconds: f64,
    /// What is left with [`Self::failed`] tokens and as many replicas gone.
    pub left_per_second: f64,
    /// How many of each that is: the spares, one at least.
    pub failed: u32,
    /// The share of what is left that is free at the peak; below 0 the peak is not served.
    pub left_headroom: f64,
    /// Whether what is left serves the peak.
    pub survives: bool,
}

/// What there is least of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The tokens.
    Tokens,
    /// The replicas' cores.
    Cores,
}

impl Outlook {
    pub(super) fn of(
        question: &Question,
        costs: &Costs,
        demand: &Demand,
        tokens: &Tokens,
        replicas: &Replicas,
    ) -> (Self, Section) {
        let mut section = Section::new("When is it done, and what if something fails?");
        let of = |gone: u32| {
            let (tokens, replicas) = (tokens.count.saturating_sub(gone), replicas.count.saturating_sub(gone));
            (tokens, replicas)
        };
        let one = replicas.rate_of(1, costs, demand);
        let (each, share) = (replicas.cores_each, percent(costs.cores_share));
        let busy = format!("{} cores / {}", number(replicas.cores_busy), rate(demand.peak_per_second));
        section.step("what one replica's cores can do", format!("{each} x {share} / ({busy})"), rate(one));
        let mut capacity = |what: String, gone: u32| {
            let (some_tokens, some_replicas) = of(gone);
            let (by_tokens, by_cores) = (tokens.rate_of(some_tokens), replicas.rate_of(some_replicas, costs, demand));
            let cores = format!("{some_replicas} x {}", rate(one));
            let sum = match tokens.usable_per_second {
                Some(usable) => format!("the smaller of {some_tokens} x {} by HSMs and {cores} by cores", rate(usable)),
                None => cores,
            };
            section.step(what, sum, rate(by_tokens.min(by_cores)));
            (by_tokens, by_cores)
        };
        let (by_tokens, by_cores) = capacity("what all can do".to_owned(), 0);
        let all = by_tokens.min(by_cores);
        let failed = question.spares.max(1);
        let (left_tokens, left_cores) = capacity(format!("with {failed} of each gone"), failed);
        let left = left_tokens.min(left_cores);
        let left_headroom = if left > 0.0 { 1.0 - demand.peak_per_second / left } else { -1.0 };
        let survives = left >= demand.peak_per_second;
        let verdict = if survives { format!("{} free", percent(left_headroom)) } else { "NOT SERVED".to_owned() };
        section.step("the peak then", format!("1 - {} / {}", rate(demand.peak_per_second), rate(left)), verdict);
        let bulk = all - question.interactive_per_second;
        let soonest_seconds = question.certificates as f64 / bulk;
        let sum = format!("{} / ({} - {})", count(question.certificates), rate(all), rate(question.interactive_per_second));
        section.step("soonest", sum, time(seconds(soonest_seconds)));
        if let TokenKind::Device { latency, .. } = question.token {
            interactive(&mut section, costs, latency);
        }
        let limit = if by_tokens <= by_cores { Limit::Tokens } else { Limit::Cores };
        let outlook =
            Self { capacity_per_second: all, limit, soonest_seconds, left_per_second: left, failed, left_headroom, survives };
        (outlook, section)
    }
}

/// A single certificate waits for one signature of another at the most, and then for its own.
fn interactive(section: &mut Section, costs: &Costs, latency: Duration) {
    let over = number(costs.interactive_over_ms);
    let (own, both) =
        (latency.as_secs_f64() * 1e3 + costs.interactive_over_ms, latency.as_secs_f64() * 2e3 + costs.interactive_over_ms);
    section.step(
        "an interactive one, median",
        format!("{} + {over} ms (measured)", time(latency)),
        format!("{} ms", number(own)),
    );
    let sum = format!("2 x {} + {over} ms: behind a signature in work", time(latency));
    section.step("… at the worst, but for the machine", sum, format!("{} ms", number(both)));
}
