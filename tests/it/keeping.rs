//! A ledger that forgets, and one that is backed up and put back, through the binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{Service, audit, export, find, found, head, head_of, ledger, succeed};
use crate::softhsm::{lines, samples};
use crate::support::{dev_folder, edit, run, sceau};

/// Samples that expire in so many seconds.
fn short_lived(dir: &Path, count: u32, seconds: i64) -> std::path::PathBuf {
    let path = samples(dir, count);
    let expires_at = now() + seconds;
    let lines: Vec<String> = lines(&path)
        .into_iter()
        .map(|mut line| {
            line["expires_at"] = Value::from(expires_at);
            line.to_string()
        })
        .collect();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

fn now() -> i64 {
    use sceau::domain::{Clock, SystemClock};
    SystemClock.now().seconds()
}

/// Waits until something holds; guards against hanging.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}");
}

#[test]
fn a_service_forgets_what_has_expired_and_its_chain_is_intact_by_the_head_of_before() {
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    service.sign(&short_lived(dir, 40, 4), &dir.join("short.ndjson"));
    service.sign(&samples(dir, 30), &dir.join("long.ndjson"));
    export(dir, "before.ndjson");
    let before = audit(dir, "before.ndjson", &[]);
    let pinned = head_of(&before);
    service.end();
    edit(&dir.join("sceau.toml"), "[ledger.audit]", "[ledger]\nkeep_days_after_expiry = 0\n\n[ledger.audit]");
    std::thread::sleep(Duration::from_secs(6));
    let service = Service::start(dir);
    until("what has expired is forgotten", || found(dir, &[]).len() == 30);
    let one = lines(&dir.join("short.ndjson"))[0]["uvci"].as_str().unwrap().to_owned();
    let gone = find(dir, &["--uvci", &one]);
    assert_eq!(gone.code, Some(2));
    assert!(gone.stderr.contains("the ledger was pruned: what expired before 20"), "{}", gone.stderr);
    export(dir, "after.ndjson");
    let after = audit(dir, "after.ndjson", &["--min-head", &pinned]);
    assert!(after.stdout.contains("forgotten") && after.stdout.contains("Intact"), "{}{}", after.stdout, after.stderr);
    assert!(audit(dir, "before.ndjson", &["--min-head", &pinned]).stdout.contains("Intact"));
    service.end();
}

#[test]
fn pruning_by_hand_wants_the_service_stopped_and_says_first_what_it_would_do() {
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    service.sign(&short_lived(dir, 40, 3), &dir.join("short.ndjson"));
    std::thread::sleep(Duration::from_secs(5));
    let instant = sceau::domain::NumericDate::from_seconds(now()).to_string();
    let prune = |more: &[&str]| run(ledger(dir, "prune").args(["--before", &instant]).args(more));
    let dry = prune(&["--dry-run"]);
    assert!(dry.stdout.starts_with("would be forgotten: 40 certificates"), "{}{}", dry.stdout, dry.stderr);
    let busy = prune(&[]);
    assert!(busy.stderr.contains("stop the service first") && busy.stderr.contains("another process writes"), "{}", busy.stderr);
    let early = run(ledger(dir, "prune").args(["--before", "2121-01-01"]));
    assert!(early.stderr.contains("still to come"), "{}", early.stderr);
    service.end();
    let ran = prune(&["--compact"]);
    assert!(ran.code == Some(0) && ran.stdout.starts_with("forgotten: 40 certificates"), "{}{}", ran.stdout, ran.stderr);
    assert!(prune(&[]).stdout.starts_with("forgotten: 0 certificates"));
    let service = Service::start(dir);
    assert_eq!(found(dir, &[]).len(), 0);
    let shown = succeed(&mut ledger(dir, "show"));
    assert!(shown.stdout.contains("pruned   what expired before"), "{}", shown.stdout);
    export(dir, "after.ndjson");
    assert!(audit(dir, "after.ndjson", &[]).stdout.contains("Intact"));
    service.end();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_backup_of_a_running_service_is_put_back_and_says_what_it_lacks() {
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    let (input, first) = (samples(dir, 50), dir.join("first.ndjson"));
    service.sign(&input, &first);
    let ran = succeed(ledger(dir, "backup").arg("backup"));
    assert_ne!(run(ledger(dir, "backup").arg("backup")).code, Some(0), "a backup is not overwritten");
    let backed_up = head_of(&ran);
    assert_eq!(mode(&dir.join("backup")), 0o700);
    for name in ["ledger.db", "ledger.keys", "clock-guard", "manifest.json"] {
        assert_eq!(mode(&dir.join("backup").join(name)), 0o600, "{name}");
    }
    service.sign(&samples(dir, 20), &dir.join("more.ndjson"));
    let later = head(dir);
    service.end();
    let restore = |more: &[&str]| run(ledger(dir, "restore").arg("backup").args(more));
    let there = restore(&[]);
    assert!(there.stderr.contains("is not overwritten"), "{}", there.stderr);
    fs::rename(dir.join("state"), dir.join("lost")).unwrap();
    let ran = restore(&["--min-head", &backed_up]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!((mode(&dir.join("state")), mode(&dir.join("state/ledger.db"))), (0o700, 0o600));
    fs::remove_dir_all(dir.join("state")).unwrap();
    let ran = restore(&["--min-head", &later]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stdout.contains("LOST: chain sceau: records ") && ran.stdout.contains("retire the DSC"), "{}", ran.stdout);
    let service = Service::start(dir);
    let again = dir.join("again.ndjson");
    service.sign(&input, &again);
    assert_eq!(lines(&first), lines(&again), "what was kept for retries is there");
    export(dir, "after.ndjson");
    assert!(audit(dir, "after.ndjson", &["--min-head", &backed_up]).stdout.contains("Intact"));
    assert_eq!(audit(dir, "after.ndjson", &["--min-head", &later]).code, Some(2), "what was lost is told");
    service.end();
}

#[test]
fn a_backup_that_was_bent_is_not_put_back() {
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    service.sign(&samples(dir, 5), &dir.join("signed.ndjson"));
    succeed(ledger(dir, "backup").arg("backup"));
    service.end();
    fs::remove_dir_all(dir.join("state")).unwrap();
    let copy = dir.join("backup/ledger.db");
    let mut bytes = fs::read(&copy).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&copy, bytes).unwrap();
    let refused = run(ledger(dir, "restore").arg("backup"));
    assert!(refused.stderr.contains("is not the file that was backed up"), "{}", refused.stderr);
    fs::remove_file(dir.join("backup/manifest.json")).unwrap();
    let refused = run(ledger(dir, "restore").arg("backup"));
    assert!(refused.stderr.contains("is it a whole backup?"), "{}", refused.stderr);
    assert!(!dir.join("state/ledger.db").exists());
}

/// The drill of the handbook, its commands as they stand there: between two lines that the shell takes for comments.
#[test]
fn the_drill_of_the_handbook_goes_as_it_is_written() {
    let handbook = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/README.md")).unwrap();
    let drill = handbook.split("<!-- drill:start -->").nth(1).and_then(|rest| rest.split("<!-- drill:end -->").next()).unwrap();
    let commands: Vec<&str> = drill.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let (stop, start) = ("systemctl stop sceau", "systemctl start sceau");
    assert!(commands.contains(&stop) && commands.contains(&start), "{commands:?}");
    let home = dev_folder();
    let dir = home.path();
    let mut service = Some(Service::start(dir));
    service.as_ref().unwrap().sign(&samples(dir, 10), &dir.join("signed.ndjson"));
    let mut shell = String::from("set -eu\n");
    for command in commands {
        match command {
            _ if command == stop => {
                run_shell(dir, &std::mem::replace(&mut shell, "set -eu\n".to_owned()));
                service.take().unwrap().end();
            }
            _ if command == start => {
                run_shell(dir, &std::mem::replace(&mut shell, "set -eu\n".to_owned()));
                service = Some(Service::start(dir));
            }
            _ => shell.extend([command, "\n"]),
        }
    }
    run_shell(dir, &shell);
    assert_eq!(found(dir, &[]).len(), 10);
    service.unwrap().end();
}

/// Runs lines in a folder in which `sceau` is the binary under test, and the folder stands for the paths of an installation.
fn run_shell(dir: &Path, lines: &str) {
    let place = |text: &str| dir.join(text).display().to_string();
    let lines = lines.replace("/etc/sceau/", &place("")).replace("/var/lib/sceau", &place("state"));
    let lines = lines.replace("/var/backups/sceau", &place("backups")).replace("runuser -u sceau -- ", "");
    let bin = Path::new(env!("CARGO_BIN_EXE_sceau")).parent().unwrap().display().to_string();
    let mut shell = Command::new("bash");
    shell.env("PATH", format!("{bin}:/usr/bin:/bin")).env("SCEAU_LOG", "warn").current_dir(dir).args(["-c", &lines]);
    succeed(&mut shell);
}

/// A backup that is made while the service signs is of one moment, whole.
#[test]
fn a_backup_under_load_is_whole() {
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    let input = samples(dir, 2_000);
    let mut signing = sceau();
    signing.args(["sign", "--endpoint", service.endpoint(), "--in"]).arg(&input).arg("--out").arg(dir.join("signed.ndjson"));
    let mut signing = signing.spawn().unwrap();
    for number in 0..3 {
        succeed(ledger(dir, "backup").arg(format!("backup{number}")));
    }
    assert!(signing.wait().unwrap().success());
    service.end();
    for number in 0..3 {
        fs::remove_dir_all(dir.join("state")).unwrap();
        succeed(ledger(dir, "restore").arg(format!("backup{number}")));
    }
}
