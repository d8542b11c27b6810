//! What is counted of a lane while the run goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::plan::{LaneLoad, Pace};
use super::result::{
    ArrivalsName, ByteCounts, CallCounts, ErrorCount, ErrorOf, ItemCounts, LaneResult, LaneSecond, Latency, LatencyFrom,
    Throughput,
};
use super::schedule::Arrivals;

/// In microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Of a percentile curve: points between one half of what is left and the next.
const TICKS: u32 = 5;

/// Calls of one lane. Times count from the begin of the run, warm-up and all.
#[derive(Debug)]
pub(super) struct Recorder {
    /// The counted time.
    from: Duration,
    until: Duration,
    latency: Histogram<u64>,
    service_time: Histogram<u64>,
    start_lag: Histogram<u64>,
    calls: CallCounts,
    items: ItemCounts,
    bytes: ByteCounts,
    errors: BTreeMap<(ErrorOf, &'static str), ErrorCount>,
    seconds: Seconds,
    /// Signed items, and calls, that ended in the counted time.
    ended: (u64, u64),
    in_flight: u32,
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it was to start; in a closed loop when it did.
    pub(super) intended: Duration,
    pub(super) started: Duration,
    pub(super) ended: Duration,
    pub(super) items: u32,
    /// Of its payloads.
    pub(super) bytes: u64,
    pub(super) outcome: Outcome,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A result an item.
    Answered { signed: u32, certificate_bytes: u64, faults: Vec<ItemFault> },
    /// It failed as a whole.
    Failed { code: &'static str, message: String },
}

/// An item without a certificate.
#[derive(Clone, Debug)]
pub(super) struct ItemFault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) is_the_items_fault: bool,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Signed items since the begin of the counted time.
    pub signed: u64,
    /// Items that were not.
    pub not_signed: u64,
    /// Signed items a second, in the last whole second.
    pub signed_per_second: u64,
    /// Calls without an answer.
    pub in_flight: u32,
    /// Calls that started late.
    pub held_back: u64,
    /// Median latency in milliseconds, over the counted time.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

impl Recorder {
    pub(super) fn new(from: Duration, until: Duration) -> Self {
        Self {
            from,
            until,
            latency: histogram(),
            service_time: histogram(),
            start_lag: histogram(),
            calls: CallCounts::default(),
            items: ItemCounts::default(),
            bytes: ByteCounts::default(),
            errors: BTreeMap::new(),
            seconds: Seconds::default(),
            ended: (0, 0),
            in_flight: 0,
        }
    }

    /// Nothing that begins, or was to begin, later is counted; the run was ended.
    pub(super) fn close(&mut self, until: Duration) {
        self.until = self.until.min(until).max(self.from);
    }

    fn counts(&self, start: Duration) -> bool {
        (self.from..self.until).contains(&start)
    }

    /// A call begins.
    pub(super) fn begin(&mut self, intended: Duration, started: Duration, is_held_back: bool) {
        self.in_flight += 1;
        if self.counts(intended) {
            self.calls.started += 1;
            self.calls.held_back += u64::from(is_held_back);
            record(&mut self.start_lag, started.saturating_sub(intended));
        }
    }

    /// A call has ended.
    pub(super) fn end(&mut self, call: &Call) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let signed = call.signed();
        let latency = call.ended.saturating_sub(call.intended);
        if self.counts(call.ended) {
            self.ended.0 += u64::from(signed);
            self.ended.1 += 1;
            let second = (call.ended - self.from).as_secs();
            self.seconds.note(second, signed, call.items - signed.min(call.items), latency);
        }
        if !self.counts(call.intended) {
            return;
        }
        self.bytes.payloads += call.bytes;
        self.items.signed += u64::from(signed);
        if signed > 0 {
            record(&mut self.latency, latency);
            record(&mut self.service_time, call.ended.saturating_sub(call.started));
        }
        match &call.outcome {
            Outcome::Answered { certificate_bytes, faults, .. } => {
                self.calls.answered += 1;
                self.bytes.certificates += certificate_bytes;
                faults.iter().for_each(|fault| self.note_fault(fault));
                let mut codes: Vec<&'static str> = faults.iter().map(|fault| fault.code).collect();
                codes.sort_unstable();
                codes.dedup();
                codes.iter().for_each(|code| self.error(ErrorOf::Item, code, "").calls += 1);
            }
            Outcome::Failed { code, message } => {
                self.calls.failed += 1;
                self.items.failed += u64::from(call.items);
                let error = self.error(ErrorOf::Call, code, message);
                error.calls += 1;
                error.items += u64::from(call.items);
            }
        }
    }

    fn note_fault(&mut self, fault: &ItemFault) {
        *(if fault.is_the_items_fault { &mut self.items.refused } else { &mut self.items.failed }) += 1;
        self.error(ErrorOf::Item, fault.code, &fault.message).items += 1;
    }

    fn error(&mut self, of: ErrorOf, code: &'static str, message: &str) -> &mut ErrorCount {
        let new = || ErrorCount { of, code: code.to_owned(), calls: 0, items: 0, example: message.to_owned() };
        self.errors.entry((of, code)).or_insert_with(new)
    }

    /// A call without an answer, or without a start, when the run was over: its latency is at least as long as until then, and
    /// leaving it out would flatter.
    pub(super) fn give_up(&mut self, intended: Duration, now: Duration, items: u32, has_started: bool) {
        self.in_flight = self.in_flight.saturating_sub(u32::from(has_started));
        if self.counts(intended) {
            *(if has_started { &mut self.calls.unanswered } else { &mut self.calls.never_started }) += 1;
            self.items.unanswered += u64::from(items);
            record(&mut self.latency, now.saturating_sub(intended));
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn standing(&self, now: Duration) -> Standing {
        let last = now.checked_sub(self.from).and_then(|counted| counted.as_secs().checked_sub(1));
        Standing {
            signed: self.items.signed,
            not_signed: self.items.not_signed(),
            signed_per_second: last.map_or(0, |second| self.seconds.signed(second)),
            in_flight: self.in_flight,
            held_back: self.calls.held_back,
            p50_ms: millis(self.latency.value_at_quantile(0.5)),
            p99_ms: millis(self.latency.value_at_quantile(0.99)),
        }
    }

    pub(super) fn result(&self, load: &LaneLoad) -> LaneResult {
        let (rate, arrivals, latency_from) = match load.pace {
            Pace::Rate { items_per_second, arrivals: Arrivals::Even } => {
                (Some(items_per_second), ArrivalsName::Even, LatencyFrom::IntendedStart)
            }
            Pace::Rate { items_per_second, arrivals: Arrivals::Poisson { .. } } => {
                (Some(items_per_second), ArrivalsName::Poisson, LatencyFrom::IntendedStart)
            }
            Pace::Max => (None, ArrivalsName::ClosedLoop, LatencyFrom::ActualStart),
        };
        let counted = self.until.saturating_sub(self.from);
        let per_second = self.seconds.whole(counted.as_secs());
        let mut errors: Vec<ErrorCount> = self.errors.values().cloned().collect();
        errors.sort_by_key(|error| std::cmp::Reverse(error.items));
        LaneResult {
            lane: load.lane,
            batch: load.batch,
            rate,
            arrivals,
            in_flight: load.in_flight,
            calls: self.calls,
            items: self.items,
            bytes: self.bytes,
            throughput: throughput(self.ended, counted, &per_second),
            latency_from,
            latency: latency(&self.latency),
            latency_curve: curve(&self.latency),
            service_time: latency(&self.service_time),
            service_time_curve: curve(&self.service_time),
            start_lag: latency(&self.start_lag),
            errors,
            per_second,
        }
    }
}

impl Call {
    const fn signed(&self) -> u32 {
        match self.outcome {
            Outcome::Answered { signed, .. } => signed,
            Outcome::Failed { .. } => 0,
        }
    }
}

/// One second after another. An answer that is noted late, as threads go, counts for the second that goes on.
#[derive(Debug)]
struct Seconds {
    done: Vec<LaneSecond>,
    current: LaneSecond,
    latency: Histogram<u64>,
}

impl Default for Seconds {
    fn default() -> Self {
        Self { done: Vec::new(), current: LaneSecond::default(), latency: histogram() }
    }
}

impl Seconds {
    fn note(&mut self, second: u64, signed: u32, not_signed: u32, latency: Duration) {
        while (self.done.len() as u64) < second {
            self.finish();
        }
        self.current.signed += u64::from(signed);
        self.current.not_signed += u64::from(not_signed);
        self.current.calls += 1;
        if signed > 0 {
            record(&mut self.latency, latency);
        }
    }

    fn finish(&mut self) {
        self.done.push(self.seen());
        self.current = LaneSecond::default();
        self.latency.reset();
    }

    /// The second that goes on, with its latencies.
    fn seen(&self) -> LaneSecond {
        let at = |quantile| (!self.latency.is_empty()).then(|| millis(self.latency.value_at_quantile(quantile)));
        LaneSecond { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0), ..self.current }
    }

    fn signed(&self, second: u64) -> u64 {
        let second = usize::try_from(second).unwrap_or(usize::MAX);
        let current = (second == self.done.len()).then_some(&self.current);
        self.done.get(second).or(current).map_or(0, |second| second.signed)
    }

    /// So many of them, empty ones for those in which nothing ended.
    fn whole(&self, count: u64) -> Vec<LaneSecond> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut seconds = self.done.clone();
        seconds.push(self.seen());
        seconds.resize(count, LaneSecond::default());
        seconds
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("1 µs to an hour in three digits is within its bounds")
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile| millis(histogram.value_at_quantile(quantile));
    Latency {
        count: histogram.len(),
        mean_ms: (histogram.mean() / 10.0).round() / 100.0,
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        p99_9_ms: at(0.999),
        max_ms: millis(histogram.max()),
    }
}

/// To six decimals, which JSON gives back as they were.
fn percentile(quantile: f64) -> f64 {
    (quantile * 1e8).round() / 1e6
}

/// By percentile, up to the last one that a call stands for: beyond that the longest is all that is known.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let last = 100.0 * (1.0 - 1.0 / histogram.len().max(1) as f64);
    let points = histogram
        .iter_quantiles(TICKS)
        .map(|point| (percentile(point.quantile_iterated_to()), millis(point.value_iterated_to())));
    points.take_while(|(percentile, _)| *percentile <= last).collect()
}

fn throughput((signed, calls): (u64, u64), counted: Duration, per_second: &[LaneSecond]) -> Throughput {
    let mut seconds: Vec<u64> = per_second.iter().map(|second| second.signed).collect();
    seconds.sort_unstable();
    let rate = |count: u64| if counted.is_zero() { 0.0 } else { (count as f64 / counted.as_secs_f64() * 10.0).round() / 10.0 };
    Throughput {
        items_per_second: rate(signed),
        calls_per_second: rate(calls),
        median_second: seconds.get(seconds.len() / 2).copied().unwrap_or(0),
        lowest_second: seconds.first().copied().unwrap_or(0),
        highest_second: seconds.last().copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
