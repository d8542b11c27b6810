//! A result as text: what stands on a terminal at the end.

use std::fmt::Write;
use std::time::Duration;

use super::figure::{count, measured, number, percent, seconds, time};
use super::result::{ArrivalsName, LaneResult, Latency, LatencyFrom, LoadResult, ServiceResult};

/// Fewer calls say nothing of a percentile of a thousandth.
const CALLS_FOR_P99_9: u64 = 1_000;

/// A result in lines of 100 columns or fewer, error messages aside.
#[must_use]
pub fn text(result: &LoadResult) -> String {
    let mut text = String::new();
    write(result, &mut text).expect("a string takes whatever is written");
    text
}

/// The same of one of several runs: without where it was measured, and without what holds of all of them.
#[must_use]
pub(super) fn figures(result: &LoadResult) -> String {
    let mut text = String::new();
    let notes = notes(result).into_iter().filter(|note| note != NO_METRICS);
    write_figures(result, notes, &mut text).expect("a string takes whatever is written");
    text
}

fn write(result: &LoadResult, out: &mut String) -> std::fmt::Result {
    write_figures(result, notes(result).into_iter(), out)?;
    writeln!(out, "\n{}", origin(result))
}

/// When, with what and where it was measured.
pub(super) fn origin(result: &LoadResult) -> String {
    format!("{}; sceau {}; {}", result.started_at, result.version, result.machine)
}

fn write_figures(result: &LoadResult, notes: impl Iterator<Item = String>, out: &mut String) -> std::fmt::Result {
    for lane in &result.lanes {
        lane_lines(lane, seconds(result.seconds), out)?;
    }
    writeln!(out, "{:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}", "ms", "calls", "p50", "p90", "p95", "p99", "p99.9", "max")?;
    for lane in &result.lanes {
        latency_line(lane.lane.name(), &lane.latency, out)?;
        if lane.latency_from == LatencyFrom::IntendedStart {
            latency_line("  as started", &lane.service_time, out)?;
        }
    }
    error_lines(result, out)?;
    if let Some(service) = &result.service {
        service_lines(service, out)?;
    }
    for note in notes {
        writeln!(out, "\nnote: {note}")?;
    }
    Ok(())
}

fn lane_lines(lane: &LaneResult, counted: Duration, out: &mut String) -> std::fmt::Result {
    let rate = measured(lane.throughput.items_per_second);
    writeln!(out, "{}: {rate} signed/s ({})", lane.lane.name(), pace(lane))?;
    writeln!(
        out,
        "  {} signed, {} not, in {}; a second {} to {}, median {}\n",
        count(lane.items.signed),
        count(lane.items.not_signed()),
        time(counted),
        count(lane.throughput.lowest_second),
        count(lane.throughput.highest_second),
        count(lane.throughput.median_second),
    )
}

/// How a lane was asked.
pub(super) fn pace(lane: &LaneResult) -> String {
    let items = if lane.batch == 1 { "single items".to_owned() } else { format!("batches of {}", count(lane.batch.into())) };
    match (lane.rate, lane.arrivals) {
        (Some(rate), ArrivalsName::Poisson) => format!("{items}, {}/s planned, by chance", number(rate)),
        (Some(rate), _) => format!("{items}, {}/s planned, evenly", number(rate)),
        (None, _) => format!("{items}, as fast as answers come, {} in flight", lane.in_flight),
    }
}

fn latency_line(name: &str, latency: &Latency, out: &mut String) -> std::fmt::Result {
    let cells = [latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.p99_9_ms, latency.max_ms].map(measured);
    let [p50, p90, p95, p99, p99_9, max] = cells;
    writeln!(out, "{name:<12} {:>9} {p50:>9} {p90:>9} {p95:>9} {p99:>9} {p99_9:>9} {max:>9}", count(latency.count))
}

fn error_lines(result: &LoadResult, out: &mut String) -> std::fmt::Result {
    for lane in &result.lanes {
        for error in &lane.errors {
            let (of, calls, items) = (error.of.name(), count(error.calls), count(error.items));
            writeln!(out, "\n{} {} by {of}: {items} items, {calls} calls\n  {}", lane.lane.name(), error.code, error.example)?;
        }
    }
    Ok(())
}

fn service_lines(service: &ServiceResult, out: &mut String) -> std::fmt::Result {
    if !service.stages.is_empty() {
        writeln!(out, "\n{:<24} {:>9} {:>9} {:>9} {:>9} {:>9}", "stage, ms a slice", "count", "mean", "p50", "p99", "at a time")?;
    }
    for stage in &service.stages {
        let name = format!("{} {}", stage.lane, stage.stage);
        let [mean, p50, p99] = [stage.timing.mean_ms, stage.timing.p50_ms, stage.timing.p99_ms].map(measured);
        writeln!(
            out,
            "{name:<24} {:>9} {mean:>9} {p50:>9} {p99:>9} {:>9}",
            count(stage.timing.count),
            measured(stage.at_a_time)
        )?;
    }
    for token in &service.tokens {
        let (rate, sessions) = (measured(token.signatures_per_second), token.sessions);
        let (busy, millis) = (percent(token.utilisation), measured(token.signature_ms));
        writeln!(out, "\ntoken {}: {rate} signatures/s, {sessions} sessions {busy} busy, {millis} ms a signature", token.token)?;
    }
    let (cores, memory) = (measured(service.cpu_cores), service.resident_bytes / 1_000_000);
    writeln!(out, "service: {cores} cores and {memory} MB, without its workers")
}

/// What a reader should know before he believes the figures.
#[must_use]
pub fn notes(result: &LoadResult) -> Vec<String> {
    let mut notes = Vec::new();
    if result.interrupted {
        notes.push(format!(
            "the run was ended after {} of {}",
            time(seconds(result.seconds)),
            time(seconds(result.planned_seconds))
        ));
    }
    for lane in &result.lanes {
        lane_notes(lane, result.seconds, &mut notes);
    }
    let cores = f64::from(result.machine.cores);
    if result.client_cpu_cores > 0.7 * cores {
        notes.push(format!(
            "the measuring side used {} of {} cores: it may be the limit itself",
            measured(result.client_cpu_cores),
            result.machine.cores
        ));
    }
    if result.service.is_none() {
        notes.push(NO_METRICS.to_owned());
    }
    notes
}

/// What to do for the charts that are missing.
pub(super) const NO_METRICS: &str = "stages and tokens are not in this result. Set [monitoring] listen = \"127.0.0.1:9464\" in the \
     service's configuration, and run with --metrics http://127.0.0.1:9464";

fn lane_notes(lane: &LaneResult, seconds: f64, notes: &mut Vec<String>) {
    let name = lane.lane.name();
    if lane.latency_from == LatencyFrom::ActualStart {
        notes.push(format!(
            "{name} is a closed loop: its latencies count from the actual start, without what a slow service kept from being asked. \
             For latencies that hold at a rate, take that rate"
        ));
    }
    // What was due, which chance moves around the rate.
    let due = if seconds > 0.0 { lane.items.asked() as f64 / seconds } else { 0.0 };
    if let Some(rate) = lane.rate.filter(|_| lane.throughput.items_per_second < 0.98 * due) {
        let share = percent(lane.throughput.items_per_second / due);
        notes.push(format!("{name} reached {share} of its planned {}/s", number(rate)));
    }
    if lane.calls.held_back > 0 {
        notes.push(format!(
            "{} {name} calls started late, because {} were without an answer; their latencies count from the intended start",
            count(lane.calls.held_back),
            lane.in_flight
        ));
    }
    let given_up = lane.calls.unanswered + lane.calls.never_started;
    if given_up > 0 {
        notes.push(format!(
            "{} {name} calls had no answer or no start when the run was over; they count with their time until then",
            count(given_up)
        ));
    }
    if lane.calls.held_back == 0 && lane.start_lag.p99_ms > 1.0 {
        let lag = measured(lane.start_lag.p99_ms);
        notes.push(format!(
            "the measuring side started a hundredth of the {name} calls {lag} ms late or more, for want of CPU time"
        ));
    }
    if (1..CALLS_FOR_P99_9).contains(&lane.latency.count) {
        notes.push(format!("p99.9 of {} {name} calls says no more than their longest", count(lane.latency.count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::fixture::result;

    #[test]
    fn the_summary_says_what_came_of_each_lane_and_why_not_more() {
        let text = text(&result());
        for part in [
            "bulk: 9,500 signed/s (batches of 500, 10,000/s planned, evenly)",
            "interactive: 20.0 signed/s (single items, 20/s planned, by chance)",
            "bulk RESOURCE_EXHAUSTED by call: 1,000 items, 2 calls",
            "note: bulk reached 95 % of its planned 10,000/s",
            "bulk token",
            "token softhsm: 9,520 signatures/s, 2 sessions 97 % busy",
            "2 cores, Test CPU",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let wide = text.lines().find(|line| line.chars().count() > 100 && !line.starts_with("note") && !line.starts_with("2026"));
        assert_eq!(wide, None);
    }

    #[test]
    fn a_closed_loop_says_what_its_latencies_are() {
        let mut result = result();
        result.lanes[0].latency_from = LatencyFrom::ActualStart;
        assert!(notes(&result).iter().any(|note| note.contains("closed loop")));
        result.service = None;
        assert!(notes(&result).iter().any(|note| note.contains("--metrics")));
    }
}
