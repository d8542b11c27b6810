//! A result to look at.

use crate::bench::machine::Machine;
use crate::bench::result::*;
use crate::domain::Lane;

/// Figures of a result are short decimals, which JSON gives back as they were.
fn short(ms: f64) -> f64 {
    (ms * 1_000.0).round() / 1_000.0
}

fn latency(scale: f64, calls: u64) -> Latency {
    let [p50_ms, p90_ms, p95_ms, p99_ms, p99_9_ms, max_ms] = [1.0, 1.5, 1.8, 3.0, 6.0, 9.5].map(|ms| short(ms * scale));
    Latency { count: calls, mean_ms: short(1.1 * scale), p50_ms, p90_ms, p95_ms, p99_ms, p99_9_ms, max_ms }
}

fn curve(scale: f64) -> Vec<(f64, f64)> {
    [(0.0, 0.8), (50.0, 1.0), (90.0, 1.5), (99.0, 3.0), (99.9, 6.0), (99.97, 9.5)]
        .map(|(percentile, ms)| (percentile, short(ms * scale)))
        .into()
}

fn lane(lane: Lane, rate: f64, batch: u32) -> LaneResult {
    let scale = f64::from(batch) / 5.0 + 1.0;
    let signed = |second: u64| (rate * if second == 3 { 0.6 } else { 0.97 }) as u64;
    let second = |second: u64| LaneSecond {
        signed: signed(second),
        not_signed: 0,
        calls: signed(second) / u64::from(batch),
        p50_ms: (second != 4).then_some(scale),
        p99_ms: (second != 4).then_some(short(3.0 * scale)),
        max_ms: (second != 4).then_some(short(9.0 * scale)),
    };
    LaneResult {
        lane,
        batch,
        rate: Some(rate),
        arrivals: if lane == Lane::Bulk { ArrivalsName::Even } else { ArrivalsName::Poisson },
        in_flight: 256,
        calls: CallCounts { started: 202, answered: 200, failed: 2, ..CallCounts::default() },
        items: ItemCounts { signed: (rate * 10.0) as u64, ..ItemCounts::default() },
        bytes: ByteCounts { payloads: 30_000_000, certificates: 40_000_000 },
        throughput: Throughput { items_per_second: rate, median_second: rate as u64, ..Throughput::default() },
        latency_from: LatencyFrom::IntendedStart,
        latency: latency(scale, 3_400),
        latency_curve: curve(scale),
        service_time: latency(scale * 0.9, 3_400),
        service_time_curve: curve(scale * 0.9),
        start_lag: latency(0.05, 3_400),
        errors: Vec::new(),
        per_second: (0..10).map(second).collect(),
    }
}

/// A run of ten seconds: bulk that did not reach its rate, and interactive requests beside it.
pub(in crate::bench) fn result() -> LoadResult {
    let mut bulk = lane(Lane::Bulk, 10_000.0, 500);
    bulk.throughput.items_per_second = 9_500.0;
    bulk.items = ItemCounts { signed: 95_000, failed: 1_000, unanswered: 4_000, refused: 0 };
    bulk.errors = vec![ErrorCount {
        of: ErrorOf::Call,
        code: "RESOURCE_EXHAUSTED".to_owned(),
        calls: 2,
        items: 1_000,
        example: "the queue is <full> & \"closed\"; <script>alert('x')</script>".to_owned(),
    }];
    let timing = Timing { count: 800, mean_ms: 12.5, p50_ms: 11.0, p99_ms: 40.0 };
    let stage = |stage: &str, lane: &str| StageResult { stage: stage.to_owned(), lane: lane.to_owned(), timing, at_a_time: 1.5 };
    let token = TokenResult {
        token: "softhsm".to_owned(),
        sessions: 2,
        utilisation: 0.97,
        signatures: 95_200,
        signatures_per_second: 9_520.0,
        signature_ms: 0.052,
    };
    let second = |second: u8| ServiceSecond {
        at_seconds: f64::from(second),
        cpu_cores: 0.7,
        resident_bytes: 50_000_000,
        stages: vec![("prepare".to_owned(), 0.2), ("token".to_owned(), 2.2)],
        tokens: vec![("softhsm".to_owned(), if second == 4 { 0.5 } else { 1.0 })],
    };
    let machine =
        Machine { cpu: "Test CPU".to_owned(), cores: 2, is_virtual: true, memory_bytes: 8 << 30, kernel: "6.1.0".to_owned() };
    LoadResult {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        command: "sceau bench load --endpoint http://127.0.0.1:7443 --rate 10000".to_owned(),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        machine,
        warm_up_seconds: 2.0,
        planned_seconds: 10.0,
        seconds: 10.0,
        interrupted: false,
        client_cpu_cores: 0.2,
        lanes: vec![bulk, lane(Lane::Interactive, 20.0, 1)],
        service: Some(ServiceResult {
            metrics: "http://127.0.0.1:9464".to_owned(),
            version: "0.1.0".to_owned(),
            seconds: 10.0,
            failed_readings: 0,
            cpu_cores: 0.7,
            resident_bytes: 50_000_000,
            stages: vec![stage("token", "interactive"), stage("prepare", "bulk"), stage("token", "bulk")],
            ledger_commits: Some(timing),
            tokens: vec![token],
            per_second: (1..=10).map(second).collect(),
        }),
    }
}
