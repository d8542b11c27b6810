//! The life of the process: its configuration checked, its service manager told, its clock watched, its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::shared::processes::{send, wait_until};
use crate::support::{Ran, dev_folder, edit, health_client, read_endpoint, run, sceau, serve_in_vain};

fn check(dir: &Path, more: &[&str]) -> Ran {
    run(sceau().args(["config", "check", "--config"]).arg(dir.join("sceau.toml")).args(more))
}

fn serve(dir: &Path, environment: &[(&str, &str)]) -> (Child, String) {
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml"));
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let endpoint = read_endpoint(&mut child);
    (child, endpoint)
}

fn end(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_configuration_that_is_well_says_what_would_run() {
    let home = dev_folder();
    let ran = check(home.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for part in ["nothing is wrong", "token softhsm", "ES256", "PS256", "profile dcc:"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let report: Value = serde_json::from_str(&check(home.path(), &["--json"]).stdout).unwrap();
    assert_eq!((&report["problems"], &report["would_run"]["tokens"]), (&json!([]), &json!(["softhsm"])));
}

#[test]
fn every_problem_of_a_configuration_is_told_at_once_by_check_and_by_serve() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    edit(&file, "[server]", "[server]\nmax_batch_item = 10\nmax_clock_step_seconds = 0\ndrain_seconds = \"long\"");
    edit(&file, "label = \"sceau-dev\"", "labl = \"sceau-dev\"");
    let (checked, served) = (check(home.path(), &[]), serve_in_vain(home.path()));
    assert_eq!((checked.code, served.code), (Some(78), Some(78)), "{}", served.stderr);
    for part in [
        "unknown key `max_batch_item` in [server]; did you mean `max_batch_items`?",
        "max_clock_step_seconds is 0",
        "`drain_seconds` in [server] is the text \"long\"; it has to be a whole number from 0 on",
        "unknown key `labl` in [[token]]; did you mean `label`?",
        "the key `label` is missing in [[token]]",
    ] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
        assert!(served.stderr.contains(part), "{part}: {}", served.stderr);
    }
    assert!(!checked.stdout.contains("made-up"), "{}", checked.stdout);
    let report: Value = serde_json::from_str(&check(home.path(), &["--json"]).stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 5, "{problems:#?}");
    let line = 1 + fs::read_to_string(&file).unwrap().lines().position(|line| line.starts_with("max_batch_item ")).unwrap();
    assert!(problems.iter().any(|problem| problem["line"] == line), "{problems:#?}");
}

#[test]
fn a_quota_into_which_a_full_batch_never_fits_is_a_problem() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    let bounds = "items_per_second = 500\nitems_per_day = 100";
    let caller = format!("\n[[caller]]\nname = \"me\"\nidentities = [\"loopback\"]\nroles = [\"issuer\"]\n{bounds}\n");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &caller).unwrap();
    let ran = check(home.path(), &[]);
    for part in ["is 1000, more than items_per_second (500)", "is 1000, more than items_per_day (100)", "max_batch_items to 100"]
    {
        assert!(ran.code == Some(78) && ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    edit(&file, bounds, &format!("{bounds}\nmax_batch_items = 100"));
    assert_eq!(check(home.path(), &[]).code, Some(0));
}

#[test]
fn the_files_that_a_configuration_names_are_looked_at_without_a_login() {
    let home = dev_folder();
    let dir = home.path();
    fs::set_permissions(dir.join("user.pin"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(dir.join("dsc-es256.pem"), "no certificate").unwrap();
    let module = fs::read_to_string(dir.join("sceau.toml")).unwrap();
    let module = module.lines().find(|line| line.starts_with("module")).unwrap();
    edit(&dir.join("sceau.toml"), module, "module = \"/nowhere/pkcs11.so\"");
    fs::remove_dir_all(dir.join("state")).unwrap();
    let ran = check(dir, &[]);
    assert_eq!(ran.code, Some(78), "{}", ran.stdout);
    for part in ["3 things are wrong", "dsc-es256.pem", "/nowhere/pkcs11.so", "user.pin: its mode is 0644"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!dir.join("state").exists(), "nothing was opened");
}

/// What a service manager has heard so far.
fn service_manager(dir: &Path) -> Arc<Mutex<String>> {
    let socket = UnixDatagram::bind(dir.join("notify")).unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let log = Arc::downgrade(&heard);
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let (Ok(len), Some(log)) = (socket.recv(&mut message), log.upgrade()) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&message[..len]));
        }
    });
    heard
}

#[test]
fn the_service_manager_hears_of_the_start_the_state_the_life_and_the_end() {
    let home = dev_folder();
    let heard = service_manager(home.path());
    let has = |line: &str| heard.lock().unwrap().lines().any(|heard| heard.starts_with(line));
    let socket = home.path().join("notify");
    let (mut server, _) = serve(home.path(), &[("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "300000")]);
    wait_until("ready", || has("READY=1"));
    wait_until("its state", || has("STATUS=serving: 3 of 3 profiles can sign"));
    wait_until("alive", || heard.lock().unwrap().matches("WATCHDOG=1").count() >= 3);
    assert!(!has("STOPPING=1"));
    send("-TERM", server.id());
    wait_until("the end", || has("STOPPING=1"));
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

fn sign_one(dir: &Path, endpoint: &str) -> Ran {
    let input = dir.join("one.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "1", "--out"]).arg(&input)).code, Some(0));
    let out = tempfile::tempdir().unwrap();
    run(sceau().args(["sign", "--endpoint", endpoint, "--in"]).arg(&input).arg("--out").arg(out.path().join("out")))
}

#[test]
fn a_clock_that_was_set_back_signs_nothing_until_an_operator_accepts_it() {
    let home = dev_folder();
    let dir = home.path();
    let clock = |command: &str| run(sceau().args(["clock", command, "--config"]).arg(dir.join("sceau.toml")));
    let write_record = |wall_ms: i64| {
        let record = json!({ "wall_ms": wall_ms, "elapsed_ms": 1, "boot": "another" });
        fs::create_dir_all(dir.join("state")).unwrap();
        fs::write(dir.join("state/clock-guard"), record.to_string()).unwrap();
    };
    // The year 2100: the service last ran long after now.
    write_record(4_102_444_800_000);
    let (server, endpoint) = serve(dir, &[]);
    let refused = sign_one(dir, &endpoint);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("sceau clock accept"), "{}", refused.stderr);
    let shown = clock("show");
    assert!(shown.code == Some(2) && shown.stdout.contains("before the service last ran"), "{}{}", shown.stdout, shown.stderr);
    let accepted = clock("accept");
    assert!(accepted.code == Some(0) && accepted.stdout.contains("the running service signs"), "{}", accepted.stderr);
    assert_eq!((sign_one(dir, &endpoint).code, clock("show").code), (Some(0), Some(0)));
    end(server);
    write_record(4_102_444_800_000);
    assert!(clock("accept").stdout.contains("no service runs"));
    let (server, endpoint) = serve(dir, &[]);
    assert_eq!(sign_one(dir, &endpoint).code, Some(0));
    end(server);
}

#[test]
fn counts_of_the_day_that_cannot_be_understood_cost_no_login() {
    let home = dev_folder();
    let counts = home.path().join("state/day-counts.json");
    fs::create_dir_all(counts.parent().unwrap()).unwrap();
    fs::write(&counts, "").unwrap();
    let ran = run(sceau().args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(home.path().join("sceau.toml")));
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    assert!(ran.stderr.contains("day-counts.json holds no counts of a day"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("worker"), "no token was opened: {}", ran.stderr);
}

/// A call that its caller leaves open, which would never end by itself.
async fn open_call(endpoint: &str) -> tonic::Streaming<tonic_health::pb::HealthCheckResponse> {
    let mut health = health_client(endpoint).await;
    let mut watch = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    watch
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_waits_so_long_and_takes_calls_for_its_delay() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[server]", "[server]\ndrain_seconds = 1\ndrain_delay_seconds = 2");
    let (mut server, endpoint) = serve(home.path(), &[]);
    let mut open = open_call(&endpoint).await;
    let start = Instant::now();
    send("-TERM", server.id());
    assert_eq!(open.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let mut late = health_client(&endpoint).await;
    let late = late.check(HealthCheckRequest { service: "sceau.v1.Signer".into() }).await;
    assert_eq!(late.unwrap().into_inner().status(), ServingStatus::NotServing);
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[server]", "[server]\ndrain_seconds = 3000");
    let (mut server, endpoint) = serve(home.path(), &[]);
    let mut open = open_call(&endpoint).await;
    send("-TERM", server.id());
    assert_eq!(open.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(server.try_wait().unwrap(), None, "it waits for the call");
    send("-INT", server.id());
    assert_eq!(server.wait().unwrap().code(), Some(1));
}
