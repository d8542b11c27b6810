use super::*;
use crate::domain::Lane;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn load() -> LaneLoad {
    let pace = Pace::Rate { items_per_second: 100.0, arrivals: Arrivals::Even };
    LaneLoad { lane: Lane::Interactive, batch: 1, pace, in_flight: 1 }
}

fn call(intended: u64, started: u64, ended: u64) -> Call {
    let outcome = Outcome::Answered { signed: 1, certificate_bytes: 400, faults: Vec::new() };
    Call { intended: ms(intended), started: ms(started), ended: ms(ended), items: 1, bytes: 300, outcome }
}

/// A call every 10 ms for 10 s, one at a time, 1 ms each; but the service stands still from 2 s to 4 s.
fn stalled() -> Recorder {
    let mut recorder = Recorder::new(Duration::ZERO, ms(10_000));
    let mut free = 0;
    for intended in (0..10_000).step_by(10) {
        let started = free.max(intended);
        let ended = if (2_000..4_000).contains(&started) { 4_000 } else { started + 1 };
        recorder.begin(ms(intended), ms(started), started > intended);
        recorder.end(&call(intended, started, ended));
        free = ended;
    }
    recorder
}

#[test]
fn a_pause_of_the_service_is_in_the_latencies_of_all_who_would_have_waited() {
    let result = stalled().result(&load());
    assert_eq!(result.latency_from, LatencyFrom::IntendedStart);
    // Two of ten seconds stood still, and then as many calls as had waited were made up for.
    assert!(result.latency.p90_ms > 900.0, "{:?}", result.latency);
    assert!(result.latency.p99_ms > 1_800.0, "{:?}", result.latency);
    // From the actual start a single call of a thousand saw it: that is coordinated omission.
    assert!(result.service_time.p99_ms < 1.1, "{:?}", result.service_time);
    assert!((1_999.0..2_002.0).contains(&result.service_time.max_ms), "{:?}", result.service_time);
    assert!(result.calls.held_back > 150);
    assert_eq!((result.items.signed, result.calls.answered, result.latency.count), (1_000, 1_000, 1_000));
}

#[test]
fn seconds_have_what_ended_in_them() {
    let result = stalled().result(&load());
    let signed: Vec<u64> = result.per_second.iter().map(|second| second.signed).collect();
    assert_eq!(signed, [100, 100, 0, 0, 300, 100, 100, 100, 100, 100], "those that were made up for end in the fifth");
    assert_eq!(result.per_second[2].p50_ms, None);
    assert!(result.per_second[4].max_ms > Some(1_900.0));
    assert_eq!(result.throughput.items_per_second, 100.0);
    assert_eq!((result.throughput.lowest_second, result.throughput.median_second), (0, 100));
}

#[test]
fn warm_up_is_not_counted_but_what_it_left_is_throughput() {
    let mut recorder = Recorder::new(ms(1_000), ms(3_000));
    for (intended, ended) in [(0, 10), (990, 1_010), (1_000, 1_020), (2_990, 3_100), (3_000, 3_001)] {
        recorder.begin(ms(intended), ms(intended), false);
        recorder.end(&call(intended, intended, ended));
    }
    let result = recorder.result(&load());
    assert_eq!((result.calls.started, result.items.signed), (2, 2), "those that were to start from 1 s to 3 s");
    assert_eq!(result.throughput.items_per_second, 1.0, "two ended in these two seconds");
    assert_eq!(result.per_second.len(), 2);
}

#[test]
fn what_was_given_up_counts_with_the_time_that_it_had_taken_until_then() {
    let mut recorder = Recorder::new(Duration::ZERO, ms(1_000));
    recorder.begin(ms(0), ms(0), false);
    recorder.give_up(ms(0), ms(5_000), 10, true);
    recorder.give_up(ms(500), ms(5_000), 10, false);
    recorder.give_up(ms(1_000), ms(5_000), 10, false);
    let result = recorder.result(&load());
    assert_eq!((result.calls.unanswered, result.calls.never_started, result.items.unanswered), (1, 1, 20));
    assert_eq!(result.latency.count, 2);
    assert!(result.latency.p50_ms >= 4_490.0);
    assert_eq!(recorder.in_flight(), 0);
}

#[test]
fn errors_are_counted_by_kind_with_the_first_message_of_each() {
    let mut recorder = Recorder::new(Duration::ZERO, ms(1_000));
    let fault = |code, message: &str, is_the_items_fault| ItemFault { code, message: message.to_owned(), is_the_items_fault };
    let faults = vec![
        fault("INVALID_ARGUMENT", "first", true),
        fault("INVALID_ARGUMENT", "second", true),
        fault("UNAVAILABLE", "no token", false),
    ];
    let partly = Outcome::Answered { signed: 7, certificate_bytes: 2_800, faults };
    let failed = Outcome::Failed { code: "RESOURCE_EXHAUSTED", message: "full".to_owned() };
    for outcome in [partly, failed.clone(), failed] {
        recorder.begin(ms(0), ms(0), false);
        recorder.end(&Call { items: 10, outcome, ..call(0, 0, 1) });
    }
    let result = recorder.result(&LaneLoad { batch: 10, ..load() });
    assert_eq!(result.items, ItemCounts { signed: 7, refused: 2, failed: 21, unanswered: 0 });
    assert_eq!((result.calls.answered, result.calls.failed), (1, 2));
    let errors: Vec<_> = result.errors.iter().map(|e| (e.of, &e.code[..], e.calls, e.items, &e.example[..])).collect();
    assert_eq!(
        errors,
        [
            (ErrorOf::Call, "RESOURCE_EXHAUSTED", 2, 20, "full"),
            (ErrorOf::Item, "INVALID_ARGUMENT", 1, 2, "first"),
            (ErrorOf::Item, "UNAVAILABLE", 1, 1, "no token"),
        ]
    );
    assert_eq!(result.latency.count, 1, "what failed at once is no fast answer");
    assert_eq!((result.bytes.payloads, result.bytes.certificates), (900, 2_800));
}

#[test]
fn a_curve_ends_where_no_call_stands_for_it() {
    let result = stalled().result(&load());
    let last = result.latency_curve.last().unwrap();
    assert!((99.0..=99.9).contains(&last.0), "a thousand calls say nothing of the next percentile: {last:?}");
    assert!(result.latency_curve.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
}

#[test]
fn an_interrupted_run_counts_until_then() {
    let mut recorder = Recorder::new(ms(1_000), ms(11_000));
    for intended in [1_000, 1_500, 2_000] {
        recorder.begin(ms(intended), ms(intended), false);
        recorder.end(&call(intended, intended, intended + 1));
    }
    recorder.close(ms(2_200));
    let result = recorder.result(&load());
    assert_eq!((result.per_second.len(), result.throughput.items_per_second), (1, 2.5));
    recorder.close(ms(10));
    assert_eq!(recorder.result(&load()).throughput.items_per_second, 0.0, "ended while it warmed up");
}
