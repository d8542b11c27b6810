//! The ceremony of hsm-config/ceremony.toml on SoftHSM, as it stands there but for the officers' keys and where SoftHSM is; and
//! what is said when something is not as it has to be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, dev_folder, dismiss_officers, edit, run, sceau};
use crate::testdata::read;

const PIN: &str = "271828182845";
const SO_PIN: &str = "314159265358";

/// The offline room: SoftHSM, two sticks, and the reviewed file.
struct OfflineRoom {
    home: TempDir,
}

impl OfflineRoom {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        fs::create_dir(dir.join("tokens")).unwrap();
        let conf =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", dir.join("tokens").display());
        fs::write(dir.join("softhsm2.conf"), conf).unwrap();
        let room = Self { home };
        room.write_secret("user.pin", PIN);
        room.write_secret("so.pin", SO_PIN);
        let mut plan = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/ceremony.toml"));
        for name in ["ada", "grace"] {
            let ran = run(sceau().args(["officer", "key", "--out"]).arg(room.at(&format!("{name}.key"))));
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let after = plan.split_once(&format!("name = \"{name}\"\nkey = \"")).unwrap().1;
            let old = after.split('"').next().unwrap().to_owned();
            plan = plan.replace(&old, public_half(&ran));
        }
        let environment = format!("\nenvironment = {{ SOFTHSM2_CONF = {:?} }}", room.at("softhsm2.conf"));
        fs::write(
            room.at("ceremony.toml"),
            plan.replace("\n# environment = { SOFTHSM2_CONF = \"/media/room/softhsm2.conf\" }", &environment),
        )
        .unwrap();
        edit(&room.at("ceremony.toml"), "/usr/lib/softhsm/libsofthsm2.so", &module(&room));
        room
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write_secret(&self, name: &str, content: &str) {
        fs::write(self.at(name), format!("{content}\n")).unwrap();
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn ceremony(&self, arguments: &[&str]) -> Ran {
        let ran = run(sceau().arg("ceremony").args(arguments).arg(self.at("ceremony.toml")));
        for secret in [PIN, SO_PIN, key_digits(&self.at("ada.key")).as_str()] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "a secret is shown: {}{}",
                ran.stdout,
                ran.stderr
            );
        }
        ran
    }

    fn check(&self) -> Ran {
        self.ceremony(&["--check", self.at("transcript.txt").to_str().unwrap()])
    }

    fn transcript(&self) -> String {
        read(&self.at("transcript.txt"))
    }

    /// Up to the pause.
    fn begun() -> Self {
        let room = Self::new();
        let ran = room.ceremony(&[]);
        assert_eq!(ran.code, Some(2), "{}\n{}", ran.stdout, ran.stderr);
        room
    }

    /// What the state's CSCA does meanwhile.
    fn certify(&self) {
        fs::create_dir(self.at("from-csca")).unwrap();
        fs::write(self.at("from-csca/trust-list.json"), "[]").unwrap();
        self.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1460 -subj /C=FR/O=Trial/CN=CSCA -keyout \
             csca.key -out from-csca/csca.pem -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        let usage = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n\
                     authorityKeyIdentifier=keyid\n";
        fs::write(self.at("any.ext"), usage).unwrap();
        fs::write(self.at("v.ext"), format!("{usage}extendedKeyUsage=1.3.6.1.4.1.1847.2021.1.2\n")).unwrap();
        self.issue("dsc-2026-01", "any.ext", "dsc-2026-01");
        self.issue("dsc-2026-02", "v.ext", "dsc-2026-02");
    }

    fn issue(&self, request: &str, profile: &str, to: &str) {
        self.openssl(&format!(
            "x509 -req -in {request}.csr -CA from-csca/csca.pem -CAkey csca.key -extfile {profile} -days 730 -out from-csca/{to}.crt"
        ));
    }

    fn openssl(&self, arguments: &str) -> Ran {
        let ran = run(Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.home.path()));
        assert_eq!(ran.code, Some(0), "openssl {arguments}: {}", ran.stderr);
        ran
    }

    /// Leaves the transcript as an interruption before its `number`th line would, in the middle of a line.
    fn interrupt_before(&self, beginning: &str) {
        let text = self.transcript();
        let place = text.find(&format!("  {beginning}")).unwrap_or_else(|| panic!("{beginning}: {text}")) - 16;
        fs::write(self.at("transcript.txt"), &text[..place + 20]).unwrap();
    }
}

/// Where `sceau dev` finds SoftHSM.
fn module(room: &OfflineRoom) -> String {
    let dev = room.at("dev");
    let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(&dev));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    dismiss_officers(&dev);
    let config = read(&dev.join("sceau.toml"));
    let line = config.lines().find(|line| line.starts_with("module")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn public_half(ran: &Ran) -> &str {
    ran.stdout.split("key = \"").nth(1).unwrap().split('"').next().unwrap()
}

/// A line of a private key in PEM.
fn key_digits(file: &Path) -> String {
    read(file).lines().nth(1).unwrap().to_owned()
}

#[test]
fn the_example_runs_as_written_from_an_empty_token_to_dscs_in_use() {
    let room = OfflineRoom::begun();
    assert!(room.transcript().contains("pause: ") && room.transcript().contains("step 9 waits for from-csca/dsc-2026-01.crt"));
    let paused = room.check();
    assert_eq!(paused.code, Some(2));
    assert!(paused.stdout.contains("signed by  ada, grace") && paused.stdout.contains("8 of 10 steps"), "{}", paused.stdout);
    for (name, subject, usage) in [("dsc-2026-01", "CN = DSC 2026-01", false), ("dsc-2026-02", "CN = DSC 2026-02", true)] {
        let ran = room.openssl(&format!("req -verify -noout -text -in {name}.csr"));
        assert!(ran.stderr.contains("verify OK") && ran.stdout.contains(subject), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout.contains("1.3.6.1.4.1.1847.2021.1.2"), usage, "{}", ran.stdout);
    }
    room.certify();
    let ran = room.ceremony(&["--continue"]);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let (checked, again) = (room.check(), room.check());
    assert_eq!((checked.code, &checked.stdout), (Some(0), &again.stdout), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("10 of 10 done, and it is over")
            && checked.stdout.contains("It is what the officers have signed.")
    );
    let transcript = room.transcript();
    for text in [
        "kid: ",
        "CSCA: CN=CSCA,O=Trial,C=FR",
        "attributes: SENSITIVE=yes",
        "SoftHSM v2",
        "sceau 0.",
        "compared with the kids of 0",
    ] {
        assert!(transcript.contains(text), "{text}: {transcript}");
    }
    assert!(!room.at("transcript.pin-lock").exists() && !room.at("transcript.pin-latch").exists());
    used_by_a_service(&room);
}

/// The officers' section and the DSCs in a configuration.
fn used_by_a_service(room: &OfflineRoom) {
    let config = room.at("dev/sceau.toml");
    let text = read(&config).replace("label = \"sceau-dev\"", "label = \"issuer-a\"");
    let text = text
        .replace("dev/user.pin", "user.pin")
        .replace("pin_file = \"user.pin\"", &format!("pin_file = {:?}", room.at("user.pin")));
    let text = text.replace(room.at("dev/softhsm2.conf").to_str().unwrap(), room.at("softhsm2.conf").to_str().unwrap());
    let text = ["01", "02"].into_iter().zip(["es256", "ps256"]).fold(text, |text, (number, old)| {
        text.replace(&format!("dsc-{old}.pem"), room.at(&format!("dsc-2026-{number}.pem")).to_str().unwrap())
    });
    fs::write(&config, format!("{text}\n{}", read(&room.at("custody.toml")))).unwrap();
    let checked = run(sceau().args(["config", "check", "--config"]).arg(&config));
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let probe = run(sceau()
        .args(["token", "probe", "--max-sessions", "1", "--seconds-a-step", "0.1", "--token", "softhsm", "--config"])
        .arg(&config));
    assert_eq!(probe.code, Some(0), "{}{}", probe.stdout, probe.stderr);
}

#[test]
fn a_changed_line_a_missing_signature_and_an_exchanged_request_are_each_found() {
    let room = OfflineRoom::begun();
    let transcript = room.transcript();
    let found = |text: &str| {
        let ran = room.check();
        assert_eq!(ran.code, Some(2), "{}", ran.stdout);
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    };
    edit(&room.at("transcript.txt"), "CN=DSC 2026-01", "CN=DSC 2026-11");
    found("was changed, or one above it was added or taken out");
    let unsigned: String =
        transcript.lines().take_while(|line| !line.contains("present: grace")).map(|line| format!("{line}\n")).collect();
    fs::write(room.at("transcript.txt"), unsigned).unwrap();
    found("1 have signed the whole transcript; it takes 2 officers");
    fs::write(room.at("transcript.txt"), &transcript).unwrap();
    fs::copy(room.at("dsc-2026-02.csr"), room.at("dsc-2026-01.csr")).unwrap();
    found("dsc-2026-01.csr is another one: its SHA-256 is ");
    fs::remove_file(room.at("dsc-2026-01.csr")).unwrap();
    found("dsc-2026-01.csr is not there");
    edit(&room.at("ceremony.toml"), "First ceremony", "Other ceremony");
    found("line 2 is out of place");
    let ran = room.ceremony(&["--continue"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("out of place"), "{}", ran.stderr);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let room = OfflineRoom::new();
    fs::write(room.at("custody.toml"), "precious").unwrap();
    let ran = room.ceremony(&[]);
    assert!(ran.code != Some(0) && ran.stderr.contains("custody.toml is there already"), "{}", ran.stderr);
    assert!(!room.at("transcript.txt").exists(), "nothing was begun");
    fs::remove_file(room.at("custody.toml")).unwrap();
    assert_eq!(room.ceremony(&[]).code, Some(2));
    let transcript = room.transcript();
    for file in ["dsc-2026-01.csr", "dsc-2026-02.csr", "custody.toml"] {
        fs::rename(room.at(file), room.at(&format!("kept-{file}"))).unwrap();
    }
    let again = room.ceremony(&[]);
    assert!(again.code != Some(0) && again.stderr.contains("`--continue` goes on with it"), "{}", again.stderr);
    assert_eq!(room.transcript(), transcript);
    // Another ceremony on the same token.
    fs::rename(room.at("transcript.txt"), room.at("first.txt")).unwrap();
    let other = room.ceremony(&[]);
    assert!(other.stderr.contains("a token of that label is there already"), "{}", other.stderr);
    fs::remove_file(room.at("transcript.txt")).unwrap();
    edit(&room.at("ceremony.toml"), "[[step]]\ndo = \"initialise\"\n", "");
    let other = room.ceremony(&[]);
    assert!(other.stderr.contains("a key of that label is on the token already: keys are never replaced"), "{}", other.stderr);
    assert!(room.transcript().contains("stop: ") && !room.transcript().contains("step 1: generate"), "{}", room.transcript());
    let other = room.ceremony(&["--continue"]);
    assert!(other.stderr.contains("keys are never replaced"), "a key that was there before is never taken: {}", other.stderr);
}

const MADE: [&str; 3] = ["dsc-2026-01.csr", "dsc-2026-02.csr", "custody.toml"];

/// Before which line it was interrupted, which files were not there yet, the exit code of going on, and what is said then.
const INTERRUPTIONS: [(&str, &[&str], i32, &str); 5] = [
    ("done 8", &[], 2, "pause: "),
    ("done 4", &[MADE[1], MADE[2]], 2, "pause: "),
    ("  out: sha256", &[MADE[1], MADE[2]], 1, "dsc-2026-01.csr is there already, and is never overwritten"),
    ("done 3", &MADE, 2, "the key was made before the interruption, and is taken as it is"),
    // The keys of the steps that come after are there, and none of these was begun.
    ("done 1", &MADE, 1, "the token was initialised before the interruption"),
];

#[test]
fn what_was_interrupted_at_any_place_is_gone_on_with() {
    let room = OfflineRoom::begun();
    let whole = room.transcript();
    for (place, absent, code, said) in INTERRUPTIONS {
        fs::write(room.at("transcript.txt"), &whole).unwrap();
        room.interrupt_before(place);
        absent.iter().for_each(|file| drop(fs::remove_file(room.at(file))));
        let ran = room.ceremony(&["--continue"]);
        assert_eq!(ran.code, Some(code), "{place}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(said) || ran.stderr.contains(said), "{place}: {}\n{}", ran.stdout, ran.stderr);
        if code == 2 {
            let checked = room.check().stdout;
            assert!(
                checked.contains("One thing is wrong.") && checked.contains("the ceremony is not over"),
                "{place}: {checked}"
            );
        }
    }
}

#[test]
fn one_officer_alone_begins_nothing_and_another_ones_key_is_refused() {
    let room = OfflineRoom::new();
    fs::rename(room.at("grace.key"), room.at("stick.key")).unwrap();
    let ran = room.ceremony(&[]);
    assert!(ran.code != Some(0) && ran.stderr.contains("1 of the officers can sign here, and it takes 2"), "{}", ran.stderr);
    fs::copy(room.at("ada.key"), room.at("grace.key")).unwrap();
    let ran = room.ceremony(&[]);
    assert!(ran.stderr.contains("grace.key is not grace's"), "{}", ran.stderr);
    fs::rename(room.at("stick.key"), room.at("grace.key")).unwrap();
    fs::set_permissions(room.at("grace.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(room.ceremony(&[]).stderr.contains("make it 0600"));
    assert!(!room.at("transcript.txt").exists() && fs::read_dir(room.at("tokens")).unwrap().next().is_none());
}

#[test]
fn a_certificate_that_is_not_what_was_asked_for_stops_the_ceremony_until_the_right_one_is_there() {
    let room = OfflineRoom::begun();
    room.certify();
    room.issue("dsc-2026-02", "v.ext", "dsc-2026-01");
    let ran = room.ceremony(&["--continue"]);
    assert!(
        ran.code != Some(0) && ran.stderr.contains("it certifies another key") && ran.stderr.contains("--continue"),
        "{}",
        ran.stderr
    );
    assert!(!room.at("dsc-2026-01.pem").exists() && room.transcript().contains("stop: "));
    room.issue("dsc-2026-01", "any.ext", "dsc-2026-01");
    let ran = room.ceremony(&["--continue"]);
    assert_eq!((ran.code, room.check().code), (Some(0), Some(0)), "{}", ran.stderr);
}

#[test]
fn a_wrong_pin_is_tried_once_and_pin_files_that_are_open_to_others_not_at_all() {
    let room = OfflineRoom::begun();
    room.certify();
    fs::set_permissions(room.at("user.pin"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(room.ceremony(&["--continue"]).stderr.contains("make it 0600"));
    room.write_secret("user.pin", "000000");
    let ran = room.ceremony(&["--continue"]);
    assert!(ran.code == Some(78) && ran.stderr.contains("the PIN was refused"), "{}", ran.stderr);
    room.write_secret("user.pin", PIN);
    let latched = room.ceremony(&["--continue"]);
    assert!(latched.code == Some(78) && latched.stderr.contains("no login is tried"), "{}", latched.stderr);
    assert!(latched.stderr.contains("transcript.pin-latch before you try the right one"), "{}", latched.stderr);
    fs::remove_file(room.at("transcript.pin-latch")).unwrap();
    assert_eq!((room.ceremony(&["--continue"]).code, room.check().code), (Some(0), Some(0)));
}

#[test]
fn a_dry_run_says_what_will_happen_and_touches_nothing() {
    let room = OfflineRoom::new();
    let ran = room.ceremony(&["--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for text in ["10. import", "not there yet: the ceremony pauses for it", "ada: key in ", "Nothing was done."] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    assert!(!room.at("transcript.txt").exists() && fs::read_dir(room.at("tokens")).unwrap().next().is_none());
    fs::write(room.at("ceremony.toml"), "title = 1").unwrap();
    assert_eq!(room.ceremony(&["--dry-run"]).code, Some(78));
}

#[test]
fn an_officers_key_is_read_by_openssl_and_stands_in_the_configuration_as_it_is_printed() {
    let home = dev_folder();
    let at = |name: &str| home.path().join(name);
    let sections: String = ["ada", "grace"]
        .map(|name| {
            let made = run(sceau().args(["officer", "key", "--out"]).arg(at(&format!("{name}.key"))));
            assert_eq!(made.code, Some(0), "{}", made.stderr);
            made.stdout
        })
        .concat();
    let shown = |arguments: &[&str]| run(sceau().args(["officer", "show"]).arg(at("ada.key")).args(arguments)).stdout;
    assert!(sections.starts_with(&shown(&[])), "{sections}");
    let openssl = run(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(at("ada.key")));
    assert_eq!(openssl.stdout, shown(&["--pem"]));
    assert_eq!(serde_json::from_str::<Value>(&shown(&["--json"])).unwrap()["name"], "ada");
    let config = read(&at("sceau.toml"));
    fs::write(at("sceau.toml"), format!("{config}\n[custody]\napprovals = 1\n\n{sections}")).unwrap();
    let checked = run(sceau().args(["config", "check", "--config"]).arg(at("sceau.toml")));
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let again = run(sceau().args(["officer", "key", "--out"]).arg(at("ada.key")));
    assert!(again.code != Some(0) && again.stdout.is_empty() && again.stderr.contains("exists"), "{}", again.stderr);
    assert!(sections.starts_with(&shown(&[])), "the key is the first one");
}
