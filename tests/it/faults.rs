//! What HSMs do to a signer: each fault below the PKCS#11 interface, under load, through the whole service.
//!
//! The faulty token (tests/faulty-token) stands before SoftHSM and fails as a script says. Whatever it does: every item is
//! answered once, no wrong signature leaves, no login is wasted, and when the fault is over the service signs as before, without
//! a restart. One service lives through all faults, with one token and with two.
//!
//! `SCEAU_FAULTS=hang` plays the rows alone whose sentence holds that word.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::faulty_token::token_section;
use crate::load::Load;
use crate::modules::stats;
use crate::shared::processes::ready_workers_of;
use crate::support::{edit, read_endpoint, run, sceau};
use crate::testdata::{environment, read};

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

/// Every worker dies, and the next logins fail.
macro_rules! refused_login {
    ($result:literal) => {
        concat!(
            "log = \"faults.log\"\n[[fault]]\nfunction = \"C_Sign\"\naction = \"abort\"\nwhen = { first = 2 }\n",
            "[[fault]]\nfunction = \"C_Login\"\nresult = \"",
            $result,
            "\"\nwhen = \"always\"\n"
        )
    };
}

/// One kind of trouble.
struct Row {
    sentence: &'static str,
    script: &'static str,
    /// Where there are two tokens: whether both are struck.
    strikes: Strikes,
    /// After so many milliseconds the fault is over by itself; none ends with its script.
    lasts_ms: Option<u64>,
    logins: Logins,
}

#[derive(Clone, Copy, PartialEq)]
enum Strikes {
    First,
    All,
}

/// How many logins may reach a token that is struck.
#[derive(Clone, Copy)]
enum Logins {
    AtMost(u64),
    /// One that fails, and no other until an officer acts.
    OneRefused,
}

const fn row(sentence: &'static str, script: &'static str, most_logins: u64) -> Row {
    Row { sentence, script, strikes: Strikes::First, lasts_ms: None, logins: Logins::AtMost(most_logins) }
}

impl Row {
    const fn lasts_ms(self, ms: u64) -> Self {
        Self { lasts_ms: Some(ms), ..self }
    }

    const fn on_all(self) -> Self {
        Self { strikes: Strikes::All, ..self }
    }

    const fn latches(self) -> Self {
        Self { logins: Logins::OneRefused, ..self }
    }
}

/// Items signed under each fault, at least.
const ITEMS: usize = 2_000;
/// Workers of a token, which log in once each.
const WORKERS: u64 = 2;
/// A guard against a service that does not come back; the table says how long it took.
const LONGEST_RECOVERY: Duration = Duration::from_secs(30);

const MATRIX: &[Row] = &[
    row("nothing", "", 0),
    row("a session handle is invalid now and then", fault!("C_Sign", "CKR_SESSION_HANDLE_INVALID", "{ every = 50 }"), 0),
    row("a session is closed now and then", fault!("C_Sign", "CKR_SESSION_CLOSED", "{ every = 50 }"), 0),
    row("an operation stays active", fault!("C_Sign", "CKR_OPERATION_ACTIVE", "{ every = 50 }\nleave_operation = true"), 0),
    row("an operation is not there", fault!("C_Sign", "CKR_OPERATION_NOT_INITIALIZED", "{ every = 50 }"), 0),
    row("the login is gone, says a signature", fault!("C_Sign", "CKR_USER_NOT_LOGGED_IN", "{ every = 100, count = 4 }"), 4),
    row("a key handle is invalid", fault!("C_SignInit", "CKR_KEY_HANDLE_INVALID", "{ every = 60 }"), 0),
    row("an object handle is invalid", fault!("C_SignInit", "CKR_OBJECT_HANDLE_INVALID", "{ every = 60 }"), 0),
    row("the device is removed for a second", fault!("C_Sign", "CKR_DEVICE_REMOVED", "{ for_ms = 1000 }"), 4).lasts_ms(1000),
    row("the token is not present for a second", fault!("C_Sign", "CKR_TOKEN_NOT_PRESENT", "{ for_ms = 1000 }"), 4)
        .lasts_ms(1000),
    row("the token is not recognised for a second", fault!("C_Sign", "CKR_TOKEN_NOT_RECOGNIZED", "{ for_ms = 1000 }"), 4)
        .lasts_ms(1000),
    row("sessions are lost, the slot is invalid for a second", lost_then!("CKR_SLOT_ID_INVALID"), 4).lasts_ms(1000),
    row("the device has an error, twenty times", fault!("C_Sign", "CKR_DEVICE_ERROR", "{ first = 20 }"), 20),
    row("a general error, twenty times", fault!("C_Sign", "CKR_GENERAL_ERROR", "{ first = 20 }"), 20),
    row("cryptoki is not initialised, twenty times", fault!("C_SignInit", "CKR_CRYPTOKI_NOT_INITIALIZED", "{ first = 20 }"), 20),
    row("a function fails now and then (throttled)", fault!("C_Sign", "CKR_FUNCTION_FAILED", "{ every = 40 }"), 0),
    row("every function fails for a second (throttled)", fault!("C_Sign", "CKR_FUNCTION_FAILED", "{ for_ms = 1000 }"), 4)
        .lasts_ms(1000),
    row("the device is out of memory now and then", fault!("C_Sign", "CKR_DEVICE_MEMORY", "{ every = 40 }"), 0),
    row("the host is out of memory now and then", fault!("C_Sign", "CKR_HOST_MEMORY", "{ every = 40 }"), 0),
    row("sessions are lost, none is to be had for a second", lost_then!("CKR_SESSION_COUNT"), 4).lasts_ms(1000),
    row("a code of the vendor's now and then", fault!("C_Sign", "0x80000001", "{ every = 40 }"), 0),
    row("the mechanism is refused once", fault!("C_SignInit", "CKR_MECHANISM_INVALID", "\"once\""), 0),
    row("the mechanism is refused for a second", fault!("C_SignInit", "CKR_MECHANISM_INVALID", "{ for_ms = 1000 }"), 0)
        .lasts_ms(1000),
    row("the key's function is refused once", fault!("C_SignInit", "CKR_KEY_FUNCTION_NOT_PERMITTED", "\"once\""), 0),
    row("the arguments are bad, once", fault!("C_Sign", "CKR_ARGUMENTS_BAD", "\"once\""), 0),
    row("one bit of a signature is turned now and then", action!("flip_bit", "{ every = 100 }"), 0),
    row("one bit of every signature is turned for a second", action!("flip_bit", "{ for_ms = 1000 }"), 16).lasts_ms(1000),
    row("a signature is a byte short now and then", action!("short_signature", "{ every = 100 }"), 0),
    row("a session is lost underneath now and then", action!("lose_session", "{ every = 50 }"), 0),
    row("the module aborts the process once", action!("abort", "\"once\""), 1),
    row("the module aborts the process three times", action!("abort", "{ every = 120, count = 3 }"), 3),
    row("a signature never returns", action!("hang", "\"once\""), 2),
    row("no signature returns, in any session, four times", action!("hang", "{ first = 4 }"), 8),
    row("the token is away for a second, with sessions and login", "[token]\nabsent = { for_ms = 1000 }\n", 6).lasts_ms(1000),
    row("all tokens are away for two seconds, and come back", "[token]\nabsent = { for_ms = 2000 }\n", 8).lasts_ms(2000).on_all(),
    row("the token flaps", "[token]\nabsent = { every_ms = 700, for_ms = 200 }\n", 60),
    row("a signature takes five milliseconds", "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5.0\n", 0),
    row("workers die, and the PIN is refused", refused_login!("CKR_PIN_INCORRECT"), 0).latches(),
    row("workers die, and the PIN is locked", refused_login!("CKR_PIN_LOCKED"), 0).latches(),
];

/// A service on faulty tokens, each with a DSC of its own.
struct FaultyServer {
    home: tempfile::TempDir,
    tokens: usize,
    child: Child,
    endpoint: String,
}

impl FaultyServer {
    fn start(tokens: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings = format!("workers = {WORKERS}\nsessions = 1\nhang_timeout_ms = 1000");
        let (mut sections, mut trust) = (Vec::new(), String::new());
        for number in 1..=tokens {
            let dir = home.path().join(format!("dev-{number}"));
            assert_eq!(run(sceau().args(["dev", "--init-only", "--dir"]).arg(&dir)).code, Some(0));
            sections.push(token_section(home.path(), &dir, number, &settings));
            trust.push_str(&read(&dir.join("trust.pem")));
        }
        fs::write(home.path().join("trust.pem"), trust).unwrap();
        let config = home.path().join("dev-1/sceau.toml");
        let whole = read(&config);
        let (from, to) = (whole.find("[[token]]").unwrap(), whole.find("[[profile]]").unwrap());
        edit(&config, &whole[from..to], &format!("{}\n", sections.join("\n")));
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
        command.env("SCEAU_LOG", environment("SCEAU_FAULTS_LOG").as_deref().unwrap_or("off"));
        let log = fs::File::create(home.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        let server = Self { home, tokens, child, endpoint };
        server.wait_for("every worker is ready", || server.is_whole());
        server.settle();
        server
    }

    /// The stats are written ten times a second.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(250));
    }

    /// Whether every token has every worker.
    fn is_whole(&self) -> bool {
        (1..=self.tokens).all(|number| ready_workers_of(self.child.id(), &format!("hsm-{number}-")).len() == WORKERS as usize)
    }

    /// Puts a script in force.
    fn inject(&self, row: &Row, script: &str) {
        for number in 1..=if row.strikes == Strikes::All { self.tokens } else { 1 } {
            let (new, now) = (self.home.path().join("new.toml"), self.home.path().join(format!("hsm-{number}.toml")));
            fs::write(&new, script).unwrap();
            fs::rename(new, now).unwrap();
        }
    }

    /// Logins that were tried, in all workers that ever were.
    fn logins(&self) -> u64 {
        stats(self.home.path()).iter().filter_map(|stats| find(stats, "C_Login")?.get("calls")?.as_u64()).sum()
    }

    /// What each worker that is alive has signed; nothing where one is missing. Written ten times a second.
    fn signed_by_each(&self) -> Option<Vec<u64>> {
        let signed = |pid: u32| {
            let stats = stats(self.home.path()).into_iter().find(|stats| stats["pid"].as_u64() == Some(pid.into()))?;
            Some(find(&stats, "C_Sign")?.get("calls")?.as_u64()? - find(&stats, "C_Sign")?.get("faults")?.as_u64()?)
        };
        let workers = (1..=self.tokens).flat_map(|number| ready_workers_of(self.child.id(), &format!("hsm-{number}-")));
        let workers: Vec<u32> = workers.collect();
        let is_whole = workers.len() == self.tokens * WORKERS as usize;
        is_whole.then(|| workers.into_iter().map(signed).collect())?
    }

    /// How long after an instant every worker of every token signed: more than a proof, and in the same tenth of a second.
    fn every_worker_signs_after(&self, over: Instant) -> Duration {
        let mut before = None;
        self.wait_for("every worker signs", || {
            let last = before.replace(self.signed_by_each());
            std::thread::sleep(Duration::from_millis(100));
            let now = self.signed_by_each();
            matches!((last.flatten(), &now), (Some(last), Some(now)) if last.iter().zip(now).all(|(last, now)| *now >= last + 5))
        });
        over.elapsed()
    }

    /// Faults and delays that were injected.
    fn injected(&self) -> u64 {
        stats(self.home.path()).iter().map(|stats| sum_of(stats, &["faults", "delayed"])).sum()
    }

    /// Logins that the script refused: a worker may end before it has written its stats, but not before its line in the log.
    fn refused_logins(&self) -> usize {
        let log = fs::read_to_string(self.home.path().join("faults.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("C_Login")).count()
    }

    fn wait_for(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            let log = || fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < LONGEST_RECOVERY, "{what}\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn unlatch(&self) {
        for number in 1..=self.tokens {
            let mut command = sceau();
            command.args(["token", "unlatch", "--token", &format!("hsm-{number}"), "--config"]);
            let unlatched = run(command.arg(self.home.path().join("dev-1/sceau.toml")));
            assert_eq!(unlatched.code, Some(0), "{}", unlatched.stderr);
        }
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

fn play(server: &FaultyServer, row: &Row, input: &[String]) -> Outcome {
    let (logins, injected, refused) = (server.logins(), server.injected(), server.refused_logins());
    let load = Load::start(&server.endpoint, input);
    load.sign_at_least(1, LONGEST_RECOVERY);
    server.inject(row, row.script);
    let over = match (row.lasts_ms, row.logins) {
        (_, Logins::OneRefused) => {
            // Longer than any pause before a worker is started: whoever wanted to log in again has done so by now.
            std::thread::sleep(Duration::from_millis(2_500));
            Instant::now()
        }
        (Some(ms), _) => {
            std::thread::sleep(Duration::from_millis(ms));
            Instant::now()
        }
        (None, _) => {
            load.sign_at_least(ITEMS, LONGEST_RECOVERY);
            Instant::now()
        }
    };
    let refused = server.refused_logins() - refused;
    server.inject(row, "");
    if matches!(row.logins, Logins::OneRefused) {
        server.unlatch();
    }
    let recovered = server.every_worker_signs_after(over);
    load.sign_at_least(ITEMS.saturating_sub(load.signed()), LONGEST_RECOVERY);
    let summary = load.finish(&server.home.path().join("trust.pem"));
    server.settle();
    let logins = server.logins() - logins;
    let injected = server.injected() - injected;
    let logins_are_right = match row.logins {
        Logins::AtMost(most) => logins <= most * if row.strikes == Strikes::All { server.tokens as u64 } else { 1 },
        Logins::OneRefused => refused == 1,
    };
    // A worker that is killed at once takes its last counts with it; what it cost is seen all the same.
    let was_struck = row.script.is_empty() || injected + logins > 0 || summary.refusals > 0;
    let is_good = summary.is_clean() && summary.signed >= ITEMS && logins_are_right && was_struck;
    let mut line = format!(
        "{:<56} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8.1}",
        row.sentence,
        summary.signed,
        summary.refusals,
        summary.wrong,
        summary.lost + summary.doubled,
        logins,
        injected,
        recovered.as_secs_f64(),
    );
    if !is_good {
        let _ = write!(line, "   <-- {summary:?}, logins right: {logins_are_right}");
    }
    Outcome { line, is_good }
}

fn play_all(tokens: usize) {
    let server = FaultyServer::start(tokens);
    let input = server.home.path().join("in.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "500", "--out"]).arg(&input)).code, Some(0));
    let payload = |line: &str| serde_json::from_str::<Value>(line).unwrap()["payload"].to_string();
    let input: Vec<String> = read(&input).lines().map(payload).collect();
    let only = environment("SCEAU_FAULTS").unwrap_or_default();
    let rows = MATRIX.iter().filter(|row| row.sentence.contains(&only));
    let outcomes: Vec<Outcome> = rows.map(|row| play(&server, row, &input)).collect();
    let mut table = format!(
        "{tokens} token(s) of {WORKERS} workers, one service through all faults\n{:<56} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8}\n",
        "fault", "signed", "waited", "wrong", "lost", "logins", "faults", "full (s)"
    );
    outcomes.iter().for_each(|outcome| table.push_str(&format!("{}\n", outcome.line)));
    println!("{table}");
    assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.is_good), "\n{table}");
}

#[test]
fn with_one_token_every_fault_costs_time_and_nothing_else() {
    play_all(1);
}

#[test]
fn with_two_tokens_every_fault_costs_time_and_nothing_else() {
    play_all(2);
}
