//! The program, on a SoftHSM token with a key that openssl made.
#![expect(clippy::unwrap_used, reason = "the helpers are tests too")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A token's folder: SoftHSM's files, the PIN.
struct Token(tempfile::TempDir);

impl Token {
    /// With a P-256 and an RSA key.
    fn new() -> Self {
        let token = Self(tempfile::tempdir().unwrap());
        fs::create_dir(token.path("tokens")).unwrap();
        fs::write(token.path("softhsm2.conf"), format!("directories.tokendir = {}\n", token.path("tokens").display())).unwrap();
        fs::write(token.path("user.pin"), "1234\n").unwrap();
        token.softhsm(&["--init-token", "--free", "--so-pin", "12345678", "--label", "bare"]);
        token.import("ec", "01", ["EC", "ec_paramgen_curve:P-256"]);
        token.import("rsa", "02", ["RSA", "rsa_keygen_bits:2048"]);
        token
    }

    /// A key of this label that openssl makes.
    fn import(&self, label: &str, id: &str, [algorithm, option]: [&str; 2]) {
        let file = self.path(label);
        let mut make = Command::new("openssl");
        make.args(["genpkey", "-quiet", "-algorithm", algorithm, "-pkeyopt", option, "-out"]).arg(&file);
        assert!(make.status().unwrap().success());
        self.softhsm(&["--import", file.to_str().unwrap(), "--token", "bare", "--label", label, "--id", id]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn softhsm(&self, arguments: &[&str]) {
        let mut command = Command::new("softhsm2-util");
        command.args(arguments).args(["--pin", "1234"]).env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        assert!(command.output().expect("softhsm2-util is installed").status.success(), "{arguments:?}");
    }

    /// The program with more arguments.
    fn ceiling(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ceiling"));
        command.args(["--module", SOFTHSM, "--pin-file"]).arg(self.path("user.pin")).args(["--seconds", "0.2"]).args(arguments);
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).output().unwrap()
    }
}

#[test]
fn each_number_of_processes_is_measured_with_each_number_of_sessions() {
    let token = Token::new();
    let output = token.ceiling(&["--label", "bare", "--sessions", "1,2", "--processes", "1,2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let asked: Vec<_> =
        lines.iter().map(|line| (line["processes"].as_u64().unwrap(), line["sessions"].as_u64().unwrap())).collect();
    assert_eq!(asked, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    for line in lines {
        let number = |name: &str| line[name].as_f64().unwrap();
        assert!(number("per_second") > 0.0 && number("cpu_us") > 0.0 && number("signatures") > 0.0, "{line}");
        assert!(number("p50_us") > 0.0 && number("p50_us") <= number("p99_us") && number("p99_us") <= number("max_us"), "{line}");
    }
}

#[test]
fn ps256_is_measured_with_the_key_that_is_named() {
    let one = ["--sessions", "1", "--processes", "1"];
    let output =
        Token::new().ceiling(&[["--label", "bare", "--mechanism", "rsa-pss", "--key-label", "rsa"].as_slice(), &one].concat());
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&line["mechanism"], line["signatures"].as_u64().unwrap() > 0), (&Value::from("rsa-pss"), true));
}

#[test]
fn what_is_not_there_is_named() {
    let token = Token::new();
    let refused = |arguments: &[&str]| {
        let output = token.ceiling(arguments);
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let other = refused(&["--label", "other"]);
    assert!(other.contains(r#"no token has the label "other"; there are ["bare""#), "{other}");
    let key = refused(&["--label", "bare", "--key-label", "none"]);
    assert!(key.contains(r#"no private key for Ecdsa has the label "none""#), "{key}");
    let none = refused(&["--label", "bare", "--sessions", "0"]);
    assert!(none.contains("1 or more would be right"), "{none}");
}

#[test]
fn a_refused_pin_is_tried_once() {
    let token = Token::new();
    fs::write(token.path("user.pin"), "4321\n").unwrap();
    let output = token.ceiling(&["--label", "bare", "--processes", "4,2"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert_eq!(said.matches("CKR_PIN_INCORRECT").count(), 1, "{said}");
}
