//! The field's figures, and what holds of every verdict.

use proptest::prelude::*;

use super::*;

fn run_at(per_second: f64) -> Run {
    Run {
        seconds: 120.0,
        offered_per_second: per_second,
        signed_per_second: per_second,
        not_signed: 0,
        interactive_p99_ms: Some(8.0),
        interactive_at_most_ms: 100.0,
        most_per_second: None,
        is_whole: false,
    }
}

#[test]
fn each_needs_the_rate_that_the_field_gives() {
    let needed = |name: &str| Scenario::of(name).unwrap().needed_per_second();
    let near = |name: &str, wanted: f64| assert!((needed(name) / wanted - 1.0).abs() < 0.01, "{name}: {}", needed(name));
    near("nc-day", 0.0382);
    near("nc-backlog", 0.699);
    near("ch-launch", 6.94);
    near("it-record", 77.0);
    near("de-launch", 72.7);
    near("dsc-withdrawn-8m", 115.7);
    near("fr-reissue-72h", 528.2);
    near("fr-reissue-night", 3_803.0);
    assert_eq!(Scenario::of("fr-reissue"), None);
}

#[test]
fn each_has_its_own_name_somebody_who_waits_and_a_source() {
    let mut names: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 8);
    assert!(Scenario::ALL.iter().all(|scenario| scenario.interactive_per_second > 0.0 && scenario.source.len() > 20));
}

#[test]
fn a_night_is_met_with_what_is_left_over() {
    let night = Scenario::of("fr-reissue-night").unwrap();
    let verdict = judge(night, &Run { most_per_second: Some(9_507.0), ..run_at(3_803.0) });
    assert!(verdict.met, "{verdict:?}");
    // 9,507 / 3,802.8 - 1; 136.9 million / 9,507 = 4 h.
    assert!((verdict.margin - 1.5).abs() < 0.001);
    assert!((verdict.whole_seconds.unwrap() - 14_400.0).abs() < 5.0);
    let steps = &verdict.arithmetic.steps;
    assert!(
        steps.iter().any(|step| step.what == "margin" && step.arithmetic == "9,507/s / 3,803/s - 1" && step.result == "150 %")
    );
}

#[test]
fn a_rate_that_is_missed_an_item_that_is_lost_and_a_long_wait_are_told_apart() {
    let night = Scenario::of("fr-reissue-night").unwrap();
    let reasons = |run: &Run| judge(night, run).reasons;
    assert_eq!(reasons(&run_at(3_000.0)), ["3,000/s were reached, and 3,803/s are needed"]);
    assert_eq!(reasons(&Run { not_signed: 1_000, ..run_at(3_803.0) }), ["1,000 items were not signed"]);
    assert!(reasons(&Run { interactive_p99_ms: Some(250.0), ..run_at(3_803.0) })[0].contains("waits 250 ms or longer"));
    assert!(judge(night, &run_at(3_790.0)).met, "a batch less at the end of a run is no failure");
    let nothing = judge(night, &run_at(0.0));
    assert_eq!((nothing.met, nothing.margin, nothing.whole_seconds), (false, -1.0, None));
}

#[test]
fn new_caledonias_queue_is_the_one_of_its_leaflet() {
    let queue = Backlog::NEW_CALEDONIA;
    assert!((queue.served as f64 / queue.requests as f64 - 0.575).abs() < 0.0005, "57.5 %");
    // 3 days' delay, it says: between what they had waited in the mean and what the last had.
    assert!((2.0..3.0).contains(&queue.mean_delay_days()) && (4.0..5.0).contains(&queue.last_delay_days()));
    let then = queue.days(queue.served_a_day);
    // 20,123 / 1,100 = 18.3.
    assert_eq!((queue.days_counted(), then.len()), (11, 19));
    assert_eq!((then[0].came, then[0].waiting), (1_829, 729));
    assert_eq!(then[10].waiting, 20_123 - 11 * 1_100);
    assert_eq!((then[18].served, then[18].waiting), (20_123 - 18 * 1_100, 0));
    let now = queue.days(8 * 3_600 * 100);
    assert_eq!(now.len(), 11, "each request on its day");
    assert!(now.iter().all(|day| day.waiting == 0));
}

#[test]
fn all_stretches_of_a_peak_ask_for_all_of_its_certificates_in_its_time() {
    for scenario in Scenario::ALL {
        let stretches = scenario.whole();
        let asked: f64 = stretches.iter().map(|stretch| stretch.per_second * stretch.duration.as_secs_f64()).sum();
        assert!((asked / scenario.certificates as f64 - 1.0).abs() < 1e-9, "{}: {asked}", scenario.name);
        assert_eq!(stretches.iter().map(|stretch| stretch.duration).sum::<Duration>(), scenario.worked());
        let busiest = stretches.iter().map(|stretch| stretch.per_second).fold(0.0, f64::max);
        assert!((busiest / scenario.needed_per_second() - 1.0).abs() < 1e-9, "{}", scenario.name);
        assert!(stretches.iter().all(|stretch| stretch.duration <= Duration::from_secs(24 * 3_600) && stretch.per_second > 0.0));
    }
    let italy = Scenario::of("it-record").unwrap().whole();
    assert_eq!(italy.iter().map(|stretch| stretch.duration.as_secs() / 3_600).collect::<Vec<_>>(), [12, 1, 11]);
    assert!(italy[1].heading.contains("the busy hour") && (italy[0].per_second - 16.74).abs() < 0.01);
    assert_eq!(Scenario::of("de-launch").unwrap().whole().len(), 5);
}

#[test]
fn small_rates_are_asked_in_small_batches_and_minutes_at_one_a_second_at_least() {
    let busy = |name: &str| Scenario::of(name).unwrap().busy(Duration::from_secs(120));
    let batches = ["nc-day", "ch-launch", "it-record", "fr-reissue-72h", "fr-reissue-night"].map(|name| busy(name).batch(500));
    assert_eq!(batches, [1, 1, 19, 132, 500]);
    assert_eq!((busy("nc-day").per_second, busy("fr-reissue-night").batch(100)), (1.0, 100));
}

fn runs() -> impl Strategy<Value = Run> {
    let rates = (0.0..1e5f64, 0.0..1e5f64, proptest::option::of(0.0..1e5f64));
    (rates, 0..3_u64, proptest::option::of(0.1..500.0f64)).prop_map(|((offered, signed, most), not_signed, p99)| Run {
        seconds: 120.0,
        offered_per_second: offered,
        signed_per_second: signed,
        not_signed,
        interactive_p99_ms: p99,
        interactive_at_most_ms: 100.0,
        most_per_second: most,
        is_whole: false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_rate_never_makes_a_verdict_worse(run in runs(), which in 0..Scenario::ALL.len(), factor in 1.0..100.0f64) {
        let scenario = &Scenario::ALL[which];
        let faster = Run {
            signed_per_second: run.signed_per_second * factor,
            most_per_second: run.most_per_second.map(|most| most * factor),
            ..run
        };
        let (before, after) = (judge(scenario, &run), judge(scenario, &faster));
        prop_assert!(after.met || !before.met);
        prop_assert!(after.margin >= before.margin && after.reasons.len() <= before.reasons.len());
    }

    #[test]
    fn fewer_failures_and_a_shorter_wait_never_make_a_verdict_worse(run in runs(), which in 0..Scenario::ALL.len()) {
        let scenario = &Scenario::ALL[which];
        let better = Run { not_signed: 0, interactive_p99_ms: run.interactive_p99_ms.map(|p99| p99 / 2.0), ..run };
        prop_assert!(judge(scenario, &better).met || !judge(scenario, &run).met);
    }

    #[test]
    fn every_request_of_a_queue_is_served_once(
        requests in 1..1_000_000_u64, share in 0.1..1.0f64, a_day in 100..100_000_u64, now in 100..1_000_000_u64,
    ) {
        let queue = Backlog { requests, served: (requests as f64 * share) as u64, served_a_day: a_day };
        let days = queue.days(now);
        prop_assert_eq!(days.iter().map(|day| day.served).sum::<u64>(), requests);
        prop_assert_eq!(days.iter().map(|day| day.came).sum::<u64>(), requests);
        prop_assert!(queue.days(now * 2).len() <= days.len());
    }
}
