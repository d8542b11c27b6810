//! What an officer asks, of ten million records and more.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::made::{CERTIFICATES, GROUP, MadeLedger, REVOKED, REVOKED_ONE_BY_ONE};
use super::written::Certificates;
use crate::alone;
use crate::service::{Service, softhsm};
use crate::shared::binary::{run, sceau};
use crate::shared::job::Job;

/// For a question that points to few certificates, the command and the network included.
const WANTED: Duration = Duration::from_secs(1);
/// Each is asked so often; the slowest counts.
const TIMES: usize = 5;

#[test]
fn a_pointed_question_is_answered_in_a_second_at_ten_million() {
    let _alone = alone();
    let (made, home) = (MadeLedger::open(), softhsm());
    let config = home.path().join("sceau.toml");
    made.configure(&config);
    let service = Service::start(&config);
    let signed = sign_one(&service, home.path());
    let asked = |arguments: &[&str]| ask(&config, arguments);
    let mut slowest = Duration::ZERO;
    let mut pointed = |name: &str, arguments: &[&str], wanted: usize| {
        let (lines, time) = asked(arguments);
        let (count, revoked) = (lines.len(), lines.iter().filter(|line| !line.contains("\"revoked_at\":null")).count());
        println!("{name}: {count} found, {revoked} revoked, {:.0} ms", time.as_secs_f64() * 1e3);
        assert_eq!((count, revoked > 0), (wanted, name.starts_with("a revoked")), "{name}");
        slowest = slowest.max(time);
    };
    for (place, number) in [("first", 0), ("middle", CERTIFICATES / 2 + 77), ("last", CERTIFICATES - 1)] {
        pointed(&format!("the {place} by its UVCI"), &["--uvci", &Certificates::uvci(number)], 1);
        pointed(&format!("the {place} by its item_id"), &["--item-id", Certificates::item_id(number).as_str()], 1);
    }
    pointed("one that is not there", &["--uvci", &Certificates::uvci(CERTIFICATES * 2)], 0);
    pointed("one that was just signed, by its text", &["--hc1", signed["hc1"].as_str().unwrap()], 1);
    let number = CERTIFICATES / 4;
    let group = number / GROUP as u64;
    let caller = Certificates::caller(group);
    pointed("by UVCI and caller", &["--uvci", &Certificates::uvci(number), "--caller", &caller], 1);
    for (name, group) in [("a revoked caller's", REVOKED), ("a revoked one, one of a thousand", REVOKED_ONE_BY_ONE)] {
        pointed(name, &["--uvci", &Certificates::uvci(group * GROUP as u64 + 499)], 1);
    }
    println!("the slowest of them: {:.0} ms", slowest.as_secs_f64() * 1e3);
    let [from, to] = [MadeLedger::time(0.5), MadeLedger::time(0.5).plus_seconds(3600)].map(|time| time.to_string());
    let hour = ["--from", from.as_str(), "--to", to.as_str()];
    let person = Certificates::person(0).unwrap();
    let revoked = Certificates::caller(REVOKED);
    let kid = hex::encode(Certificates::kid(0).as_bytes());
    for (name, arguments) in [
        ("an hour", hour.to_vec()),
        ("a caller's in an hour", [&["--caller", &caller], &hour[..]].concat()),
        ("a revoked caller's", vec!["--caller", &revoked]),
        ("a caller's, counted", vec!["--caller", &caller, "--count"]),
        ("a person's, counted", vec!["--person", &person, "--count"]),
        ("a person's", vec!["--person", &person]),
        ("a DSC's, counted", vec!["--kid", &kid, "--count"]),
        ("a type's in an hour, counted", [&["--type", "r", "--count"], &hour[..]].concat()),
        ("all, counted", vec!["--count"]),
    ] {
        let (lines, time) = asked(&arguments);
        let count = lines.len();
        println!("{name}: {count} lines, {:.0} ms", time.as_secs_f64() * 1e3);
    }
    assert!(slowest < WANTED, "{slowest:?}; wanted: {WANTED:?}");
}

fn sign_one(service: &Service, folder: &Path) -> Value {
    let job = Job::start(&service.endpoint, folder, 1);
    let out = job.out.clone();
    job.finish(&folder.join("trust.pem"));
    serde_json::from_str(std::fs::read_to_string(out).unwrap().lines().next().unwrap()).unwrap()
}

/// The lines of the answer, and how long it took at most.
fn ask(config: &Path, arguments: &[&str]) -> (Vec<String>, Duration) {
    let once = |_| {
        let began = Instant::now();
        let mut command = sceau();
        command.args(["ledger", "find", "--json", "--config"]).arg(config).args(arguments);
        let ran = run(&mut command);
        assert!(matches!(ran.code, Some(0 | 2)), "{}", ran.stderr);
        (ran.stdout, began.elapsed())
    };
    let asked: Vec<(String, Duration)> = (0..TIMES).map(once).collect();
    let slowest = asked.iter().map(|(_, time)| *time).max().unwrap();
    (asked[0].0.lines().map(str::to_owned).collect(), slowest)
}
