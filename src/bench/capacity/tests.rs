//! Plans that can be checked on paper, and what holds of every plan.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600;

fn hsm(most: f64, latency_ms: u64) -> TokenKind {
    TokenKind::Device { most_per_second: Some(most), latency: Duration::from_millis(latency_ms), most_sessions: None }
}

/// The French stock in a night, on HSMs of 3,000/s and 5 ms.
fn night() -> Question {
    Question {
        certificates: 136_900_000,
        within: Duration::from_secs(10 * HOUR),
        peak: 1.0,
        interactive_per_second: 0.0,
        headroom: 0.0,
        spares: 1,
        token: hsm(3_000.0, 5),
        cores_a_replica: 4,
    }
}

/// Round figures, to divide in one's head.
fn costs() -> Costs {
    let mut costs = Costs::built_in();
    for cost in [&mut costs.bulk, &mut costs.interactive] {
        cost.device = CpuTime { service_us: 60.0, worker_us: 40.0 };
        cost.local = CpuTime { service_us: 60.0, worker_us: 140.0 };
        (cost.wire_factor, cost.request_bytes, cost.answer_bytes, cost.sqlite_bytes, cost.postgres_bytes) =
            (1.0, 250.0, 500.0, 300.0, 400.0);
    }
    (costs.device_share, costs.cores_share) = (0.98, 1.0);
    costs
}

fn planned(question: &Question) -> CapacityPlan {
    plan(question, &costs()).unwrap()
}

fn refused(question: &Question) -> String {
    plan(question, &costs()).unwrap_err().to_string()
}

#[test]
fn a_night_needs_two_network_hsms_and_a_spare_one() {
    let plan = planned(&night());
    assert!((plan.demand.mean_per_second - 3_802.8).abs() < 0.1);
    // 3,803 / (3,000 x 98 %) = 1.29.
    assert_eq!((plan.tokens.count, plan.tokens.spares), (3, 1));
    // 3,000/s x 5 ms = 15 sessions, all of them from the one replica that is no spare.
    assert_eq!(plan.tokens.sessions, 15);
    assert_eq!(plan.tokens.sessions_open, 2 * (15 + 2));
    // 3,803/s x 100 µs = 0.38 cores.
    assert!((plan.replicas.cores_busy - 0.380).abs() < 0.001);
    assert_eq!(plan.replicas.count, 2);
    // Two replicas share a database: 136.9 million x 400 bytes.
    assert_eq!((plan.ledger.store, plan.ledger.bytes), ("postgres", 54.76e9));
    // 3,803/s x 250 bytes x 8.
    assert!((plan.network.received_bits_per_second - 7.606e6).abs() < 1e3);
    assert_eq!(plan.outlook.limit, Limit::Tokens);
    // 136.9 million / (3 x 2,940/s).
    assert!((plan.outlook.soonest_seconds - 15_522.0).abs() < 1.0);
    assert!(plan.outlook.survives);
}

#[test]
fn headroom_is_a_share_of_the_capacity() {
    let plan = planned(&Question { headroom: 0.3, interactive_per_second: 197.2, ..night() });
    // (3,802.8 + 197.2) / 0.7 = 5,714; / 2,940 = 1.94.
    assert!((plan.demand.capacity_per_second - 5_714.3).abs() < 0.1);
    assert_eq!(plan.tokens.count, 3);
    // With one gone 2 x 2,940 = 5,880 are left, of which 4,000 are needed.
    assert!((plan.outlook.left_headroom - (1.0 - 4_000.0 / 5_880.0)).abs() < 1e-3);
}

#[test]
fn a_token_that_computes_here_takes_cores_and_no_hsm() {
    let plan = planned(&Question { token: TokenKind::Local, ..night() });
    // 3,803/s x 200 µs = 0.76 cores.
    assert!((plan.replicas.cores_busy - 0.760).abs() < 0.001);
    assert_eq!((plan.tokens.usable_per_second, plan.tokens.workers, plan.tokens.sessions), (None, 4, 1));
    assert_eq!(plan.outlook.limit, Limit::Cores);
}

#[test]
fn sessions_bound_a_device_below_its_own_rate() {
    let token = TokenKind::Device { most_per_second: Some(10_000.0), latency: Duration::from_millis(5), most_sessions: Some(32) };
    let plan = planned(&Question { token, ..night() });
    // 32 / 5 ms = 6,400/s.
    assert_eq!(plan.tokens.usable_per_second, Some(6_400.0 * 0.98));
    assert_eq!(plan.tokens.sessions, 32, "and not 33 by a rounding");
}

#[test]
fn sessions_are_divided_among_the_replicas_that_are_no_spares() {
    let token = TokenKind::Device { most_per_second: Some(20_000.0), latency: Duration::from_millis(5), most_sessions: None };
    let plan = planned(&Question { certificates: 1_369_000_000, cores_a_replica: 2, token, ..night() });
    // 38,028/s x 100 µs = 3.8 cores: 2 replicas and a spare one; 100 sessions: 50 of each.
    assert_eq!((plan.replicas.count, plan.tokens.sessions, plan.tokens.sessions_open), (3, 50, 3 * 52));
}

#[test]
fn without_a_spare_one_that_fails_is_an_outage_and_the_plan_says_so() {
    let small = Question { certificates: 1_100, within: Duration::from_secs(8 * HOUR), spares: 0, ..night() };
    let plan = planned(&small);
    assert_eq!((plan.tokens.count, plan.replicas.count, plan.ledger.store), (1, 1, "sqlite"));
    assert_eq!((plan.outlook.left_per_second, plan.outlook.survives), (0.0, false));
    assert!(planned(&Question { spares: 1, ..small }).outlook.survives);
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    assert_eq!(
        refused(&Question { certificates: 0, ..night() }),
        "the number of certificates is 0; it is 1 to 1,000,000,000,000"
    );
    assert_eq!(
        refused(&Question { within: Duration::ZERO, ..night() }),
        "the time is 0 ms; it is 1 s to 100 years, like 72h or 5d"
    );
    assert!(refused(&Question { peak: 11.0, ..night() }).contains("a busy hour of 11 times the mean in 10 h"));
    assert_eq!(plan(&Question { peak: 10.0, ..night() }, &costs()).err(), None);
    assert!(refused(&Question { peak: 0.5, ..night() }).contains("1 or more"));
    assert!(refused(&Question { headroom: 1.0, ..night() }).contains("0 % to 90 %"));
    assert!(refused(&Question { token: hsm(0.0, 5), ..night() }).contains("the token's rate is 0;"));
    assert!(refused(&Question { token: hsm(1e9, 1_000), ..night() }).contains("times its latency"));
    assert!(refused(&Question { interactive_per_second: f64::NAN, ..night() }).contains("the interactive rate"));
    assert!(
        refused(&Question { token: hsm(0.01, 5), certificates: 1_000_000_000_000, ..night() }).contains("the number of HSMs is")
    );
    let token = TokenKind::Device { most_per_second: None, latency: Duration::from_millis(5), most_sessions: None };
    assert!(refused(&Question { token, ..night() }).contains("needs a rate or a number of sessions"));
}

fn questions() -> impl Strategy<Value = Question> {
    let token = prop_oneof![
        Just(TokenKind::Local),
        (10.0..1e5f64, 1..100_u64).prop_map(|(most, latency)| hsm(most, latency)),
        (1..500_u32, 1..100_u64).prop_map(|(sessions, latency)| TokenKind::Device {
            most_per_second: None,
            latency: Duration::from_millis(latency),
            most_sessions: Some(sessions),
        }),
    ];
    let load = (1..1_000_000_000_u64, 1_000..10_000_000_u64, 0.0..10_000.0f64);
    (load, token, 0.0..0.9f64, 0..4_u32, 1..128_u32).prop_map(|(load, token, headroom, spares, cores_a_replica)| Question {
        certificates: load.0,
        within: Duration::from_secs(load.1),
        peak: 1.0,
        interactive_per_second: load.2,
        headroom,
        spares,
        token,
        cores_a_replica,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planned_does_what_is_asked(question in questions()) {
        let plan = planned(&question);
        let enough = plan.demand.capacity_per_second * (1.0 - 1e-9);
        let count = f64::from(plan.tokens.count - plan.tokens.spares);
        prop_assert!(plan.tokens.usable_per_second.is_none_or(|usable| usable * count >= enough));
        prop_assert!(f64::from(plan.replicas.active() * plan.replicas.cores_each) >= plan.replicas.cores_needed);
        prop_assert!(plan.outlook.capacity_per_second >= enough);
        prop_assert!(plan.outlook.soonest_seconds <= question.within.as_secs_f64() * (1.0 + 1e-9));
        // With the spares gone the whole headroom is still there.
        prop_assert!(question.spares == 0 || plan.outlook.left_headroom >= question.headroom - 1e-9);
    }

    #[test]
    fn a_better_token_or_more_time_never_needs_more(question in questions(), factor in 1.0..10.0f64) {
        let plan = planned(&question);
        let longer = Question { within: question.within.mul_f64(factor), ..question };
        let (relaxed, longer) = (planned(&longer), question);
        prop_assert!(relaxed.tokens.count <= plan.tokens.count && relaxed.replicas.count <= plan.replicas.count);
        if let TokenKind::Device { most_per_second: Some(most), latency, most_sessions } = longer.token {
            let token = TokenKind::Device { most_per_second: Some(most * factor), latency, most_sessions };
            let better = planned(&Question { token, ..longer });
            prop_assert!(better.tokens.count <= plan.tokens.count);
        }
    }

    #[test]
    fn every_line_of_arithmetic_has_figures(question in questions()) {
        for step in planned(&question).arithmetic.iter().flat_map(|section| &section.steps) {
            let text = format!("{} {} {}", step.what, step.arithmetic, step.result);
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
        }
    }
}
