//! The ledger of a running service: what was signed is on record, found, and there after a restart.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::shared::processes::send;
use crate::softhsm::{lines, samples};
use crate::support::{Ran, dev_folder, edit, read_endpoint, run, sceau};

/// `sceau serve` on a development folder.
pub(crate) struct Service {
    child: Child,
    pub(crate) endpoint: String,
}

impl Service {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        Self { child, endpoint }
    }

    pub(crate) fn end(mut self) {
        send("-TERM", self.child.id());
        assert!(self.child.wait().unwrap().success());
    }

    /// As a power cut would end it.
    fn kill(self) {
        drop(self);
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn sign(&self, input: &Path, output: &Path) {
        let ran = run(sceau().args(["sign", "--endpoint", &self.endpoint, "--in"]).arg(input).arg("--out").arg(output));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sceau ledger` with a command of its own, on a development folder.
pub(crate) fn ledger(dir: &Path, command: &str) -> Command {
    let mut ran = sceau();
    ran.args(["ledger", command, "--config"]).arg(dir.join("sceau.toml")).current_dir(dir);
    ran
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Ran {
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{command:?}\n{}{}", ran.stdout, ran.stderr);
    ran
}

/// Writes a ledger out.
pub(crate) fn export(dir: &Path, name: &str) {
    succeed(ledger(dir, "export").args(["--out", name]));
}

/// `sceau audit verify` on an export, with the audit certificate of a development folder.
pub(crate) fn audit(dir: &Path, name: &str, more: &[&str]) -> Ran {
    let mut audit = sceau();
    run(audit.current_dir(dir).args(["audit", "verify", name, "--certificate", "audit.pem"]).args(more))
}

/// The head of a ledger's only chain, as it is pinned.
pub(crate) fn head(dir: &Path) -> String {
    head_of(&succeed(&mut ledger(dir, "show")))
}

/// The head of the only chain, as it is pinned, out of what a command printed.
pub(crate) fn head_of(ran: &Ran) -> String {
    let line = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("head ")).unwrap_or_else(|| panic!("{}", ran.stdout));
    line.trim().to_owned()
}

pub(crate) fn find(dir: &Path, more: &[&str]) -> Ran {
    run(sceau().args(["ledger", "find", "--config"]).arg(dir.join("sceau.toml")).args(more))
}

/// What `sceau ledger find` finds.
pub(crate) fn found(dir: &Path, more: &[&str]) -> Vec<Value> {
    let ran = find(dir, &[&["--json", "--limit", "0"], more].concat());
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_signed_is_found_by_its_text_uvci_item_id_key_caller_and_time() {
    let home = dev_folder();
    let service = Service::start(home.path());
    let (input, output) = (samples(home.path(), 300), home.path().join("signed.ndjson"));
    service.sign(&input, &output);
    let signed = lines(&output);
    for one in [&signed[0], &signed[150], &signed[299]] {
        let [hc1, uvci, item_id] = ["hc1", "uvci", "id"].map(|key| one[key].as_str().unwrap());
        let by_text = found(home.path(), &["--hc1", hc1]);
        assert_eq!(by_text.len(), 1, "{by_text:?}");
        assert_eq!(found(home.path(), &["--uvci", uvci]), by_text);
        assert_eq!(found(home.path(), &["--item-id", item_id]), by_text);
        assert_eq!(by_text[0]["kid"], one["kid"], "{by_text:?}");
        assert_eq!(by_text[0]["caller"], "loopback");
    }
    assert_eq!(found(home.path(), &["--caller", "loopback", "--from", "2021-01-01T00:00:00Z"]).len(), 300);
    let nothing = find(home.path(), &["--caller", "somebody"]);
    assert_eq!((nothing.code, nothing.stderr.contains("nothing on record")), (Some(2), true), "{}", nothing.stderr);
    let counted: u64 = ["v", "t", "r"].iter().map(|kind| found(home.path(), &["--type", kind]).len() as u64).sum();
    let count = find(home.path(), &["--count"]);
    assert!(count.stdout.starts_with(&format!("{counted} certificates: ")) && counted == 300, "{}", count.stdout);
    let limited = find(home.path(), &["--limit", "7"]);
    assert_eq!((limited.stdout.lines().count(), limited.stderr.contains("there may be more")), (8, true), "{}", limited.stdout);
    service.end();
}

/// The pages of the database, its write-ahead log and the log lines are searched for every value of the payloads.
#[test]
fn nothing_of_a_payload_is_in_the_database_file() {
    let home = dev_folder();
    let service = Service::start(home.path());
    let (input, output) = (samples(home.path(), 50), home.path().join("signed.ndjson"));
    service.sign(&input, &output);
    let mut bytes = Vec::new();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db.index", "ledger.db.index-wal"] {
        bytes.extend(std::fs::read(home.path().join("state").join(name)).unwrap());
    }
    service.end();
    bytes.extend(std::fs::read(home.path().join("state/ledger.db")).unwrap());
    assert!(bytes.len() > 50 * 123, "{}", bytes.len());
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("loopback"), "the search finds what is there");
    for (one, signed) in lines(&input).iter().zip(lines(&output)) {
        let mut values = vec![signed["uvci"].as_str().unwrap().to_owned(), signed["id"].as_str().unwrap().to_owned()];
        texts(&one["payload"]["nam"], &mut values);
        texts(&one["payload"]["dob"], &mut values);
        // Two letters are anywhere.
        for value in values.iter().filter(|value| value.len() > 3) {
            assert!(!has(value), "{value}");
        }
    }
}

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Object(members) => members.values().for_each(|value| texts(value, into)),
        Value::Array(elements) => elements.iter().for_each(|value| texts(value, into)),
        _ => {}
    }
}

#[test]
fn after_a_kill_the_same_items_get_the_same_certificates_and_the_record_goes_on() {
    let home = dev_folder();
    let input = samples(home.path(), 100);
    let outputs = ["first.ndjson", "second.ndjson"].map(|name| home.path().join(name));
    let service = Service::start(home.path());
    service.sign(&input, &outputs[0]);
    service.kill();
    let service = Service::start(home.path());
    service.sign(&input, &outputs[1]);
    assert_eq!(lines(&outputs[0]), lines(&outputs[1]));
    assert_eq!(found(home.path(), &[]).len(), 100, "nothing was signed twice");
    let shown = run(sceau().args(["ledger", "show", "--config"]).arg(home.path().join("sceau.toml")));
    assert!(
        shown.stdout.contains("chain sceau (this service's)") && shown.stdout.contains("it can be written"),
        "{}",
        shown.stdout
    );
    service.end();
}

#[test]
fn an_export_of_a_running_service_is_intact_and_one_that_was_bent_is_not() {
    let home = dev_folder();
    let service = Service::start(home.path());
    service.sign(&samples(home.path(), 70), &home.path().join("signed.ndjson"));
    let (export, audit) = (home.path().join("export.ndjson"), home.path().join("audit.pem"));
    let config = home.path().join("sceau.toml");
    let exporting = || run(sceau().args(["ledger", "export", "--config"]).arg(&config).arg("--out").arg(&export));
    let ran = exporting();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_ne!(exporting().code, Some(0), "what is there is not overwritten");
    let verify = || run(sceau().args(["audit", "verify"]).arg(&export).arg("--certificate").arg(&audit));
    let intact = verify();
    assert_eq!(intact.code, Some(0), "{}{}", intact.stdout, intact.stderr);
    assert!(intact.stdout.contains("Intact") && intact.stdout.contains("70"), "{}", intact.stdout);
    let text = std::fs::read_to_string(&export).unwrap();
    let without: Vec<&str> = text.lines().enumerate().filter(|(number, _)| *number != 3).map(|(_, line)| line).collect();
    std::fs::write(&export, without.join("\n") + "\n").unwrap();
    assert_eq!(verify().code, Some(2));
    service.end();
}

#[test]
fn a_ledger_whose_keys_are_gone_is_not_gone_on_with_and_two_services_do_not_share_a_file() {
    let home = dev_folder();
    let service = Service::start(home.path());
    edit(&home.path().join("sceau.toml"), "[server]", "[server]\nadmin_socket = \"other.sock\"");
    let second = crate::support::serve_in_vain(home.path());
    assert!(second.stderr.contains("another process writes"), "{}", second.stderr);
    service.end();
    std::fs::remove_file(home.path().join("state/ledger.keys")).unwrap();
    let refused = crate::support::serve_in_vain(home.path());
    assert!(refused.stderr.contains("put them back from the backup"), "{}", refused.stderr);
}

#[test]
fn signing_off_the_record_is_asked_for_by_name_and_warned_of() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[ledger.audit]", "[ledger]\nstore = \"none_at_own_risk\"\n\n[ledger.audit]");
    let service = Service::start(home.path());
    let (input, output) = (samples(home.path(), 3), home.path().join("signed.ndjson"));
    service.sign(&input, &output);
    assert!(!home.path().join("state/ledger.db").exists());
    let refused = find(home.path(), &[]);
    assert!(refused.stderr.contains("writes nothing down"), "{}", refused.stderr);
    service.end();
}

/// As hsm-config/README.md says: a new line in front, and a restart.
#[test]
fn after_a_change_of_the_ledger_key_older_records_are_found_by_item_id_too() {
    let home = dev_folder();
    let outputs = ["first.ndjson", "second.ndjson"].map(|name| home.path().join(name));
    let input = samples(home.path(), 20);
    let service = Service::start(home.path());
    service.sign(&input, &outputs[0]);
    service.end();
    let keys = home.path().join("state/ledger.keys");
    let old = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, format!("{}\n{old}", "5".repeat(64))).unwrap();
    let service = Service::start(home.path());
    service.sign(&input, &outputs[1]);
    assert_eq!(lines(&outputs[0]), lines(&outputs[1]), "what was kept is read under the older key");
    let renamed = home.path().join("renamed.ndjson");
    std::fs::write(&renamed, std::fs::read_to_string(&input).unwrap().replace("\"id\":\"", "\"id\":\"new-")).unwrap();
    let third = home.path().join("third.ndjson");
    service.sign(&renamed, &third);
    let mut hashes = Vec::new();
    for output in [&outputs[0], &third] {
        let one = &lines(output)[7];
        let by_item_id = found(home.path(), &["--item-id", one["id"].as_str().unwrap()]);
        assert_eq!(by_item_id.len(), 1, "{by_item_id:?}");
        assert_eq!(found(home.path(), &["--uvci", one["uvci"].as_str().unwrap()]), by_item_id);
        hashes.push(by_item_id[0].clone());
    }
    assert_ne!(hashes[0], hashes[1]);
    service.end();
    // Without the older key its records are found by their text and UVCI alone.
    std::fs::write(&keys, format!("{}\n", "5".repeat(64))).unwrap();
    let service = Service::start(home.path());
    let one = &lines(&outputs[0])[7];
    assert!(found(home.path(), &["--item-id", one["id"].as_str().unwrap()]).is_empty());
    assert_eq!(found(home.path(), &["--uvci", one["uvci"].as_str().unwrap()]).len(), 1);
    service.end();
}
