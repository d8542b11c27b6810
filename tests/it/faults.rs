//! What HSMs do to a signer: each fault below the PKCS#11 interface, under load, through the whole service.
//!
//! The faulty token (tests/faulty-token) stands before SoftHSM and fails as a script says. Whatever it does: every item is
//! answered once, no wrong signature leaves, no login is wasted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{edit, read_endpoint, run, sceau};
use crate::testdata::read;
use crate::workers::ready_workers;

/// A script of one `[[fault]]` with a result.
macro_rules! fault {
    ($function:literal, $result:literal, $when:literal) => {
        concat!("[[fault]]\nfunction = \"", $function, "\"\nresult = \"", $result, "\"\nwhen = ", $when, "\n")
    };
}

/// A script under which sessions are lost and new ones are refused for a second.
macro_rules! lost_then {
    ($result:literal) => {
        concat!(
            "[[fault]]\nfunction = \"C_Sign\"\naction = \"lose_session\"\nwhen = { every = 20, for_ms = 1000 }\n",
            "[[fault]]\nfunction = \"C_OpenSession\"\nresult = \"",
            $result,
            "\"\nwhen = { for_ms = 1000 }\n"
        )
    };
}

/// A script of one `[[fault]]` with an action on C_Sign.
macro_rules! action {
    ($action:literal, $when:literal) => {
        concat!("[[fault]]\nfunction = \"C_Sign\"\naction = \"", $action, "\"\nwhen = ", $when, "\n")
    };
}

/// One kind of trouble.
struct Row {
    sentence: &'static str,
    script: &'static str,
    /// Logins that may reach the token besides those of the start.
    most_logins: u64,
}

const fn row(sentence: &'static str, script: &'static str, most_logins: u64) -> Row {
    Row { sentence, script, most_logins }
}

/// Items signed under each fault.
const ITEMS: u32 = 600;
/// Workers of the token, which log in once each.
const WORKERS: u64 = 2;

const MATRIX: &[Row] = &[
    row("nothing", "", 0),
    row("a session handle is invalid now and then", fault!("C_Sign", "CKR_SESSION_HANDLE_INVALID", "{ every = 50 }"), 0),
    row("a session is closed now and then", fault!("C_Sign", "CKR_SESSION_CLOSED", "{ every = 50 }"), 0),
    row("an operation stays active", fault!("C_Sign", "CKR_OPERATION_ACTIVE", "{ every = 50 }\nleave_operation = true"), 0),
    row("an operation is not there", fault!("C_Sign", "CKR_OPERATION_NOT_INITIALIZED", "{ every = 50 }"), 0),
    row("the login is gone, says a signature", fault!("C_Sign", "CKR_USER_NOT_LOGGED_IN", "{ every = 100, count = 4 }"), 4),
    row("a key handle is invalid", fault!("C_SignInit", "CKR_KEY_HANDLE_INVALID", "{ every = 60 }"), 0),
    row("an object handle is invalid", fault!("C_SignInit", "CKR_OBJECT_HANDLE_INVALID", "{ every = 60 }"), 0),
    row("the device is removed for a second", fault!("C_Sign", "CKR_DEVICE_REMOVED", "{ for_ms = 1000 }"), 0),
    row("the token is not present for a second", fault!("C_Sign", "CKR_TOKEN_NOT_PRESENT", "{ for_ms = 1000 }"), 0),
    row("the token is not recognised for a second", fault!("C_Sign", "CKR_TOKEN_NOT_RECOGNIZED", "{ for_ms = 1000 }"), 0),
    row("sessions are lost, and the slot is not valid for a second", lost_then!("CKR_SLOT_ID_INVALID"), 0),
    row("the device has an error, twenty times", fault!("C_Sign", "CKR_DEVICE_ERROR", "{ first = 20 }"), 0),
    row("a general error, twenty times", fault!("C_Sign", "CKR_GENERAL_ERROR", "{ first = 20 }"), 0),
    row("cryptoki is not initialised, twenty times", fault!("C_SignInit", "CKR_CRYPTOKI_NOT_INITIALIZED", "{ first = 20 }"), 0),
    row("a function fails now and then (throttled)", fault!("C_Sign", "CKR_FUNCTION_FAILED", "{ every = 40 }"), 0),
    row("the device is out of memory now and then", fault!("C_Sign", "CKR_DEVICE_MEMORY", "{ every = 40 }"), 0),
    row("the host is out of memory now and then", fault!("C_Sign", "CKR_HOST_MEMORY", "{ every = 40 }"), 0),
    row("sessions are lost, and none is to be had for a second", lost_then!("CKR_SESSION_COUNT"), 0),
    row("a code of the vendor's now and then", fault!("C_Sign", "0x80000001", "{ every = 40 }"), 0),
    row("the mechanism is refused once", fault!("C_SignInit", "CKR_MECHANISM_INVALID", "\"once\""), 0),
    row("the key's function is refused once", fault!("C_SignInit", "CKR_KEY_FUNCTION_NOT_PERMITTED", "\"once\""), 0),
    row("the arguments are bad, once", fault!("C_Sign", "CKR_ARGUMENTS_BAD", "\"once\""), 0),
    row("one bit of a signature is turned now and then", action!("flip_bit", "{ every = 100 }"), 0),
    row("a signature is a byte short now and then", action!("short_signature", "{ every = 100 }"), 0),
    row("a session is lost underneath now and then", action!("lose_session", "{ every = 50 }"), 0),
    row("the module aborts the process once", action!("abort", "\"once\""), 1),
    row("the module aborts the process three times", action!("abort", "{ every = 120, count = 3 }"), 3),
    row("a signature never returns", action!("hang", "\"once\""), 1),
    row("the token is away for a second, with sessions and login", "[token]\nabsent = { for_ms = 1000 }\n", 4),
    row("the token flaps", "[token]\nabsent = { every_ms = 700, for_ms = 200 }\n", 12),
    row("a signature takes five milliseconds", "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5.0\n", 0),
];

/// The module, built once a run.
static MODULE: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/faulty-token");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(root.join("tests/faulty-token/Cargo.toml"));
    let built = run(build.arg("--target-dir").arg(&target));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    target.join("debug/libsceau_faulty_token.so")
});

/// A service on the faulty token.
struct FaultyServer {
    home: tempfile::TempDir,
    child: Child,
    endpoint: String,
}

impl FaultyServer {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        assert_eq!(run(sceau().args(["dev", "--init-only", "--dir"]).arg(dir)).code, Some(0));
        let config = read(&dir.join("sceau.toml"));
        let line = |key: &str| config.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        let real = line("module").split('"').nth(1).unwrap().to_owned();
        edit(
            &dir.join("sceau.toml"),
            &line("module"),
            &format!("module = {:?}\nworkers = {WORKERS}\nhang_timeout_ms = 4000", *MODULE),
        );
        let variables = [
            ("MODULE", PathBuf::from(real)),
            ("SCRIPT", dir.join("now.toml")),
            ("STATS", dir.join("stats-{pid}.json")),
            ("STATE", dir.join("faulty-state")),
        ];
        let environment: Vec<String> = variables.iter().map(|(name, value)| format!("SCEAU_FAULTY_{name} = {value:?}")).collect();
        let conf = line("environment").replace(" }", &format!(", {} }}", environment.join(", ")));
        edit(&dir.join("sceau.toml"), &line("environment"), &conf);
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml"));
        let mut child = command.env("SCEAU_LOG", "off").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        let server = Self { home, child, endpoint };
        server.wait_for("both workers are ready", || ready_workers(server.child.id()).len() == WORKERS as usize);
        // The stats are written ten times a second.
        server.wait_for("both logins are counted", || server.total("C_Login") >= WORKERS);
        std::thread::sleep(Duration::from_millis(150));
        server
    }

    /// Puts a script in force, and waits until every worker has seen it.
    fn inject(&self, script: &str) {
        let (new, now) = (self.home.path().join("new.toml"), self.home.path().join("now.toml"));
        fs::write(&new, script).unwrap();
        fs::rename(new, now).unwrap();
        if !script.is_empty() {
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    /// Calls of a function that reached the token, in all workers that ever were.
    fn total(&self, function: &str) -> u64 {
        self.stats().iter().filter_map(|stats| find(stats, function)?.get("forwarded")?.as_u64()).sum()
    }

    /// Faults and delays that were injected.
    fn injected(&self) -> u64 {
        self.stats().iter().map(|stats| sum_of(stats, &["faults", "delayed"])).sum()
    }

    fn stats(&self) -> Vec<Value> {
        let files = fs::read_dir(self.home.path()).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let stats = files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stats-")));
        stats.filter_map(|path| serde_json::from_str(&fs::read_to_string(path).ok()?).ok()).collect()
    }

    fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn sign(&self, input: &Path, out: &str) -> (Option<i32>, PathBuf, String) {
        let out = self.home.path().join(out);
        let mut command = sceau();
        command.args(["sign", "--batch", "60", "--endpoint", &self.endpoint, "--in"]).arg(input).arg("--out").arg(&out);
        let ran = run(&mut command);
        (ran.code, out, ran.stderr)
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stats of a function, wherever the document keeps them.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.values().find_map(|inner| find(inner, key)))
}

/// The sum of every number of these names.
fn sum_of(value: &Value, names: &[&str]) -> u64 {
    let Some(object) = value.as_object() else { return 0 };
    let own = |name: &&str| object.get(*name).and_then(Value::as_u64).unwrap_or_default();
    names.iter().map(own).sum::<u64>() + object.values().map(|inner| sum_of(inner, names)).sum::<u64>()
}

/// What a row came to.
struct Outcome {
    line: String,
    is_good: bool,
}

fn play(row: &Row) -> Outcome {
    let server = FaultyServer::start();
    let input = server.home.path().join("in.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", &ITEMS.to_string(), "--out"]).arg(&input)).code, Some(0));
    let logins = server.total("C_Login");
    server.inject(row.script);
    let start = Instant::now();
    let (code, out, stderr) = server.sign(&input, "during");
    let seconds = start.elapsed().as_secs_f64();
    server.inject("");
    let (after, ..) = server.sign(&input, "after");
    // The stats are written ten times a second.
    std::thread::sleep(Duration::from_millis(250));
    let logins = server.total("C_Login").saturating_sub(logins);
    let injected = server.injected();
    let signed = fs::read_to_string(&out).unwrap_or_default();
    let mut ids: Vec<&str> = signed.lines().filter_map(|line| line.split('"').nth(3)).collect();
    let answered = ids.len();
    ids.dedup();
    let verify = run(sceau()
        .args(["verify", "--strict", "--quiet", "--trust"])
        .arg(server.home.path().join("trust.pem"))
        .arg("--in")
        .arg(&out));
    let wrong = verify.stdout.lines().count();
    let is_good = code == Some(0)
        && after == Some(0)
        && answered == ITEMS as usize
        && ids.len() == answered
        && wrong == 0
        && logins <= row.most_logins;
    let mut line = format!(
        "{:<58} {answered:>5} answered {wrong:>2} wrong {logins:>3} logins {injected:>5} injected {seconds:>6.1} s",
        row.sentence
    );
    if !is_good {
        let _ = write!(line, "   <-- exit {code:?}, after {after:?}, {} different; {}", ids.len(), stderr.trim());
    }
    Outcome { line, is_good }
}

/// Two rows at a time: each has a service of its own.
#[test]
fn every_fault_costs_time_and_nothing_else() {
    let next = Mutex::new(MATRIX.iter().enumerate());
    let outcomes = Mutex::new(Vec::new());
    LazyLock::force(&MODULE);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((number, row)) = next.lock().unwrap().next() else { return };
                    let outcome = play(row);
                    outcomes.lock().unwrap().push((number, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|(number, _)| *number);
    let table: String = outcomes.iter().map(|(_, outcome)| format!("{}\n", outcome.line)).collect();
    println!("{table}");
    assert!(outcomes.len() == MATRIX.len() && outcomes.iter().all(|(_, outcome)| outcome.is_good), "\n{table}");
}
