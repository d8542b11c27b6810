//! Load on a service, measured: what is asked, what is counted, and what a person gets of it.

use std::future::pending;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sceau::bench::load::{self, LoadError};
use sceau::bench::result::{ArrivalsName, ErrorOf, LatencyFrom, LoadResult};
use sceau::bench::{Arrivals, LaneLoad, Pace, Payloads, Plan};
use sceau::domain::Lane;
use sceau::domain::time::FixedClock;
use sceau::service::Limits;
use sceau::service::client::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::monitoring::Watched;
use crate::shared::processes::send;
use crate::support::{LocalServer, TestDsc, VACCINATION, run, sceau, signing_time};
use crate::testdata::read;

fn plan(lanes: Vec<LaneLoad>) -> Plan {
    Plan {
        profile: String::new(),
        lanes,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(2),
        patience: Duration::from_secs(30),
        payloads: Payloads::new(vec![VACCINATION.into()], "it"),
        metrics: None,
    }
}

fn rate(items_per_second: f64) -> Pace {
    Pace::Rate { items_per_second, arrivals: Arrivals::Even }
}

fn to(endpoint: &str) -> Connection {
    Connection { endpoints: vec![endpoint.to_owned()], tls: None }
}

async fn measure(plan: &Plan, endpoint: &str) -> Result<LoadResult, LoadError> {
    load::run(plan, &to(endpoint), &FixedClock(signing_time()), "test", pending(), |_| {}).await
}

fn result(path: &Path) -> LoadResult {
    serde_json::from_str(&read(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_schedule_is_made_and_counted_once() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let bulk = LaneLoad { lane: Lane::Bulk, batch: 10, pace: rate(200.0), in_flight: 64 };
    let poisson = Pace::Rate { items_per_second: 20.0, arrivals: Arrivals::Poisson { seed: 1 } };
    let interactive = LaneLoad { lane: Lane::Interactive, batch: 1, pace: poisson, in_flight: 64 };
    let plan = Plan { warm_up: Duration::from_millis(500), ..plan(vec![bulk, interactive.clone()]) };
    let result = measure(&plan, &server.endpoint).await.unwrap();

    let bulk = result.lane(Lane::Bulk).unwrap();
    assert_eq!((bulk.calls.started, bulk.calls.answered, bulk.items.signed), (40, 40, 400), "2 s of 20 calls");
    assert_eq!((bulk.arrivals, bulk.latency_from, bulk.rate), (ArrivalsName::Even, LatencyFrom::IntendedStart, Some(200.0)));
    assert_eq!((bulk.latency.count, bulk.service_time.count, bulk.start_lag.count), (40, 40, 40));
    assert!(bulk.latency.p50_ms >= bulk.service_time.p50_ms * 0.99, "it begins earlier");
    assert_eq!(bulk.bytes.payloads, 400 * VACCINATION.len() as u64);
    assert!(bulk.bytes.certificates > 400 * 100 && bulk.errors.is_empty());
    assert_eq!(bulk.per_second.len(), 2);

    let schedule = interactive.schedule().unwrap();
    let counted = |start: &Duration| (plan.warm_up..plan.whole()).contains(start);
    let due = schedule.take_while(|start| *start < plan.whole()).filter(counted).count() as u64;
    let interactive = result.lane(Lane::Interactive).unwrap();
    assert_eq!((interactive.items.signed, interactive.calls.answered, interactive.arrivals), (due, due, ArrivalsName::Poisson));
    assert_eq!((result.signed(), result.not_signed(), result.interrupted), (400 + due, 0, false));
    assert_eq!((result.started_at, result.command), (signing_time().to_string(), "test".to_owned()));
    assert!((1.99..=2.0).contains(&result.seconds), "{}", result.seconds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_says_that_its_latencies_are_not_corrected() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let bulk = LaneLoad { lane: Lane::Bulk, batch: 20, pace: Pace::Max, in_flight: 3 };
    let result = measure(&plan(vec![bulk]), &server.endpoint).await.unwrap();
    let bulk = &result.lanes[0];
    assert_eq!((bulk.arrivals, bulk.latency_from, bulk.rate), (ArrivalsName::ClosedLoop, LatencyFrom::ActualStart, None));
    assert!(bulk.calls.answered > 3 && bulk.items.signed == bulk.calls.answered * 20, "{:?}", bulk.calls);
    assert_eq!((bulk.calls.held_back, bulk.calls.never_started, bulk.calls.unanswered), (0, 0, 0));
    assert!(bulk.throughput.items_per_second > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_queue_refuses_is_counted_by_its_code() {
    let limits = Limits { max_waiting_items_bulk: 10, ..Limits::default() };
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], limits).await;
    let bulk = LaneLoad { lane: Lane::Bulk, batch: 10, pace: Pace::Max, in_flight: 8 };
    let result = measure(&plan(vec![bulk]), &server.endpoint).await.unwrap();
    let bulk = &result.lanes[0];
    let [error] = &bulk.errors[..] else { panic!("{:?}", bulk.errors) };
    assert_eq!((error.of, &error.code[..]), (ErrorOf::Call, "RESOURCE_EXHAUSTED"));
    assert!(!error.example.is_empty());
    assert_eq!((error.calls, error.items), (bulk.calls.failed, bulk.items.failed));
    assert_eq!(bulk.calls.started, bulk.calls.answered + bulk.calls.failed);
    assert_eq!(bulk.latency.count, bulk.calls.answered, "a refusal at once is no fast answer");
    assert!(bulk.calls.answered > 0 && result.not_signed() == bulk.calls.failed * 10);
}

/// A service that takes connections and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_nobody_answers_count_with_the_time_that_they_have_waited() {
    let (_listener, endpoint) = silent().await;
    let bulk = LaneLoad { lane: Lane::Bulk, batch: 5, pace: rate(50.0), in_flight: 4 };
    let plan = Plan { patience: Duration::from_millis(200), ..plan(vec![bulk]) };
    let result = measure(&plan, &endpoint).await.unwrap();
    let bulk = &result.lanes[0];
    assert_eq!(
        (bulk.calls.started, bulk.calls.unanswered, bulk.calls.never_started),
        (4, 4, 16),
        "20 were due, 4 may be in flight"
    );
    assert_eq!((bulk.items.signed, bulk.items.unanswered, bulk.latency.count), (0, 100, 20));
    assert!(bulk.latency.max_ms >= 1_900.0, "{:?}", bulk.latency);
    assert_eq!(bulk.service_time.count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_ended_has_a_result_until_then() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let bulk = LaneLoad { lane: Lane::Bulk, batch: 10, pace: rate(200.0), in_flight: 64 };
    let plan = Plan { duration: Duration::from_secs(600), ..plan(vec![bulk]) };
    let stop = tokio::time::sleep(Duration::from_millis(1_200));
    let result = load::run(&plan, &to(&server.endpoint), &FixedClock(signing_time()), "", stop, |_| {}).await.unwrap();
    assert!(result.interrupted && result.seconds < 60.0);
    let bulk = &result.lanes[0];
    assert!(bulk.items.signed >= 200, "{:?}", bulk.items);
    // A call that was due at the end may not have begun on a busy machine.
    assert_eq!((bulk.items.refused, bulk.items.failed), (0, 0));
    assert!(bulk.items.unanswered < bulk.items.signed / 2, "{:?}", bulk.items);
    assert_eq!(bulk.per_second.len() as u64, result.seconds as u64);
}

#[test]
fn the_command_writes_json_and_a_page_and_shows_stages_and_tokens() {
    let watched = Watched::start("", "warn");
    let home = tempfile::tempdir().unwrap();
    let (json, html) = (home.path().join("load.json"), home.path().join("load.html"));
    let mut command = sceau();
    command.args(["bench", "load", "--endpoint", &watched.endpoint, "--metrics", &format!("http://{}", watched.monitoring)]);
    command
        .args(["--rate", "400", "--batch", "40", "--duration", "3s", "--warm-up", "1s", "--interactive", "5", "--json"])
        .arg(&json);
    let ran = run(command.arg("--html").arg(&html));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for part in ["bulk: ", "interactive: ", "p99.9", "bulk token", "signatures/s"] {
        assert!(ran.stdout.contains(part), "{part:?} in {}", ran.stdout);
    }
    let result = result(&json);
    assert_eq!((result.schema, result.lane(Lane::Bulk).unwrap().items.signed), (1, 1_200));
    assert!(result.command.starts_with("sceau bench load --endpoint http://"));
    let service = result.service.unwrap();
    let stages: Vec<_> = service.stages.iter().filter(|stage| stage.lane == "bulk").map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, ["queue", "prepare", "token", "finish", "ledger"]);
    assert_eq!(service.tokens.len(), 1);
    assert!(service.tokens[0].signatures >= 1_000 && service.tokens[0].sessions > 0, "{:?}", service.tokens);
    assert!(service.per_second.len() >= 2 && service.ledger_commits.is_some());
    let page = read(&html);
    assert!(page.contains("Token utilisation") && page.ends_with("</html>\n"));
    watched.end();
}

#[test]
fn a_run_of_which_nothing_is_signed_is_no_success() {
    let watched = Watched::start("", "warn");
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("load.json");
    let mut command = sceau();
    command.args(["bench", "load", "--endpoint", &watched.endpoint, "--profile", "nobody's", "--rate", "20", "--batch", "5"]);
    let ran = run(command.args(["--duration", "1s", "--warm-up", "0s", "--json"]).arg(&json));
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("no item was signed"), "{}", ran.stderr);
    let result = result(&json);
    assert_eq!((result.signed(), result.not_signed()), (0, 20));
    watched.end();
}

#[test]
fn an_interrupted_command_reports_what_it_has() {
    let watched = Watched::start("", "warn");
    let home = tempfile::tempdir().unwrap();
    let (json, html) = (home.path().join("load.json"), home.path().join("load.html"));
    let mut command = sceau();
    command.args(["bench", "load", "--endpoint", &watched.endpoint, "--rate", "50", "--batch", "5", "--duration", "10m"]);
    command.args(["--warm-up", "0s", "--json"]).arg(&json).arg("--html").arg(&html).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    send("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let result = result(&json);
    assert!(result.interrupted && result.signed() > 0);
    assert!(read(&html).contains("the run was ended after"));
    watched.end();
}

#[test]
fn what_cannot_be_measured_is_said_before_the_run() {
    let nowhere = ["bench", "load", "--endpoint", "http://127.0.0.1:1", "--rate", "1", "--batch", "1"];
    assert_eq!(run(sceau().args(nowhere)).code, Some(69));
    assert_eq!(run(sceau().args(nowhere).args(["--metrics", "https://x"])).code, Some(64), "metrics are plain http");
    assert_eq!(run(sceau().args(nowhere).args(["--metrics", "http://127.0.0.1:1"])).code, Some(69));
    assert_eq!(run(sceau().args(nowhere).args(["--lane", "interactive", "--interactive", "1"])).code, Some(64));
    assert_eq!(run(sceau().args(nowhere).args(["--html", "/nowhere/at/all.html"])).code, Some(66));
}

fn scenario(endpoint: &str, name: &str, more: &[&str]) -> std::process::Command {
    let mut command = sceau();
    command.args(["bench", "scenario", name, "--endpoint", endpoint, "--duration", "3s", "--warm-up", "1s"]);
    command.args(more);
    command
}

#[test]
fn a_small_peak_is_met_with_its_margin_its_arithmetic_and_its_queue() {
    let watched = Watched::start("", "warn");
    let home = tempfile::tempdir().unwrap();
    let (json, html) = (home.path().join("queue.json"), home.path().join("queue.html"));
    // Tests share the cores: how long a single one waits is not theirs to say.
    let mut command = scenario(&watched.endpoint, "nc-backlog", &["--wait", "30s", "--batch", "100", "--json"]);
    let ran = run(command.arg(&json).arg("--html").arg(&html));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for part in [
        "At the rate that it needs, 3 s",
        "As fast as it goes, 1 s",
        "From the run to the whole",
        "nc-backlog: met; ",
        "then, until nobody waits",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} in {}", ran.stdout);
    }
    let outcome: Value = serde_json::from_str(&read(&json)).unwrap();
    assert_eq!(
        (&outcome["schema"], &outcome["verdict"]["met"], &outcome["run"]["is_whole"]),
        (&json!(1), &json!(true), &json!(false))
    );
    assert_eq!(outcome["scenario"]["certificates"], 20_123);
    assert_eq!((outcome["queue"]["then"].as_array().unwrap().len(), outcome["queue"]["now"].as_array().unwrap().len()), (19, 11));
    assert!(outcome["verdict"]["margin"].as_f64().unwrap() > 1.0, "{}", outcome["verdict"]);
    let [needed, most] = &outcome["runs"].as_array().unwrap()[..] else { panic!("{}", outcome["runs"]) };
    assert_eq!((&needed["of"], &most["of"]), (&json!("needed"), &json!("most")));
    let needed: LoadResult = serde_json::from_value(needed["result"].clone()).unwrap();
    assert_eq!((needed.lane(Lane::Bulk).unwrap().items.signed, needed.not_signed()), (3, 0), "one a second at least");
    assert!(serde_json::from_value::<LoadResult>(most["result"].clone()).unwrap().lane(Lane::Bulk).unwrap().rate.is_none());
    let page = read(&html);
    assert!(page.contains("✓ met") && page.contains("As fast as it goes") && page.contains("Day by day"));
    watched.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_that_a_service_refuses_is_not_met_and_says_why() {
    let limits = Limits { max_batch_items: 100, ..Limits::default() };
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], limits).await;
    let mut command = scenario(&server.endpoint, "fr-reissue-night", &["--wait", "30s", "--no-max"]);
    let ran = tokio::task::block_in_place(|| run(&mut command));
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    for part in ["fr-reissue-night: NOT MET; ", "100 % short", "items were not signed", "INVALID_ARGUMENT"] {
        assert!(ran.stdout.contains(part), "{part:?} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("As fast as it goes"));
}

#[test]
fn a_peak_that_is_ended_is_judged_by_what_was_seen() {
    let watched = Watched::start("", "warn");
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("ended.json");
    let mut command = sceau();
    command.args([
        "bench",
        "scenario",
        "it-record",
        "--full",
        "--endpoint",
        &watched.endpoint,
        "--wait",
        "30s",
        "--warm-up",
        "0s",
        "--json",
    ]);
    let mut child = command.arg(&json).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    send("-INT", child.id());
    assert!(child.wait().unwrap().code().is_some_and(|code| code == 0 || code == 2));
    let outcome: Value = serde_json::from_str(&read(&json)).unwrap();
    assert_eq!((&outcome["run"]["is_whole"], outcome["runs"].as_array().unwrap().len()), (&json!(false), 1));
    assert_eq!(
        (&outcome["runs"][0]["result"]["interrupted"], &outcome["runs"][0]["result"]["planned_seconds"]),
        (&json!(true), &json!(43_200.0))
    );
    watched.end();
}

#[test]
fn peaks_are_listed_and_an_unknown_one_is_told_its_neighbour() {
    let listed = run(sceau().args(["bench", "scenario", "--list"]));
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    for part in ["nc-day", "fr-reissue-night  136,900,000   10 h    3,803/s", "Germany, 15 to 20 June 2021"] {
        assert!(listed.stdout.contains(part), "{part:?} in {}", listed.stdout);
    }
    let unknown = run(sceau().args(["bench", "scenario", "fr-reisue-night", "--endpoint", "http://127.0.0.1:1"]));
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.stderr.contains("'fr-reissue-night'"), "{}", unknown.stderr);
    let nowhere = ["bench", "scenario", "nc-day", "--endpoint", "http://127.0.0.1:1"];
    assert_eq!(run(sceau().args(nowhere)).code, Some(69));
    assert_eq!(run(sceau().args(nowhere).args(["--full", "--duration", "1m"])).code, Some(64));
    assert_eq!(run(sceau().args(nowhere).args(["--duration", "10ms"])).code, Some(64));
    assert_eq!(run(sceau().args(["bench", "scenario"])).code, Some(64), "a name");
}
