//! The whole way on a real token: `sceau dev` on SoftHSM, gRPC, and an independent verifier. Each server has a token
//! folder of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{DevServer, Ran, dev_folder, edit, run, sceau, serve_in_vain};
use crate::testdata::{environment, index, read, testdata};

/// Signs a file and gives the signed lines; refused ones go to `refused.ndjson` beside it.
fn sign(server: &DevServer, profile: &str, input: &Path) -> (Ran, PathBuf) {
    let out = input.with_extension("signed");
    let mut command = sceau();
    command.args(["sign", "--endpoint", &server.endpoint, "--profile", profile, "--in"]).arg(input);
    let ran = run(command.arg("--out").arg(&out).arg("--rejects").arg(input.with_extension("refused")));
    (ran, out)
}

pub(crate) fn lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

/// Samples as an input file; those of another count have other ids.
pub(crate) fn samples(dir: &Path, count: u32) -> PathBuf {
    let path = dir.join(format!("samples-{count}.ndjson"));
    let ran =
        run(sceau().args(["sample", "--count", &count.to_string(), "--id-prefix", &format!("{count}-"), "--out"]).arg(&path));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    path
}

/// The states' payloads that a profile takes, as an input file; its name and the numbers of the lines are the ids.
fn accepted_vectors(data: &Path, dir: &Path, profile: &str) -> PathBuf {
    let outcomes = include_str!("vector_outcomes.tsv");
    let column = if profile == "eu-2021" { 2 } else { 1 };
    let accepted: Vec<&str> = outcomes
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|cells| cells[column] == "accepted")
        .map(|cells| cells[0])
        .collect();
    let path = dir.join(format!("{profile}.ndjson"));
    let mut file = fs::File::create(&path).unwrap();
    for (number, name) in accepted.into_iter().enumerate() {
        let payload: Value = serde_json::from_str(read(&data.join("dcc").join(name)).trim_start_matches('\u{feff}')).unwrap();
        writeln!(file, "{}", json!({"id": format!("{profile}-{number}"), "payload": payload})).unwrap();
    }
    path
}

/// Runs the independent verifier in its strict mode; it has to find every line good.
fn verify_independently(data: &Path, trust: &Path, signed: &Path) {
    let Some(python) = environment("SCEAU_PYTHON") else {
        assert!(environment("CI").is_none_or(|ci| ci != "true"), "SCEAU_PYTHON is not set; tests/run sets it");
        return;
    };
    let input = fs::File::open(signed).unwrap();
    let mut verifier = Command::new(python);
    verifier.arg(data.join("verify_hc1.py")).args(["--brief", "--deterministic-payload", "--country", "FR"]).arg(trust);
    let ran = run(verifier.stdin(Stdio::from(input)));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.lines().count(), lines(signed).len());
}

pub(crate) fn verify_ourselves(server: &DevServer, signed: &Path) {
    let ran = run(sceau().args(["verify", "--strict", "--summary", "--trust"]).arg(server.trust()).arg("--in").arg(signed));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn what_the_states_issued_is_signed_and_passes_the_independent_verifier() {
    let Some(data) = testdata() else { return };
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    for profile in ["dcc", "eu-2021", "dcc-ps256"] {
        let input = accepted_vectors(&data, home.path(), profile);
        let (ran, signed) = sign(&server, profile, &input);
        assert_eq!(ran.code, Some(0), "{profile}: {}", ran.stderr);
        assert_eq!(ids(&lines(&signed)), ids(&lines(&input)));
        verify_ourselves(&server, &signed);
        verify_independently(&data, &server.trust(), &signed);
        fs::remove_file(&signed).unwrap();
    }
}

#[test]
fn samples_are_signed_with_both_algorithms_and_pass_the_independent_verifier() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    for (profile, count) in [("dcc", 1_500), ("dcc-ps256", 200)] {
        let (ran, signed) = sign(&server, profile, &samples(home.path(), count));
        assert_eq!(ran.code, Some(0), "{profile}: {}", ran.stderr);
        assert_eq!(lines(&signed).len(), count as usize);
        verify_ourselves(&server, &signed);
        if let Some(data) = testdata() {
            verify_independently(&data, &server.trust(), &signed);
        }
    }
}

#[test]
fn the_outcomes_over_grpc_are_those_of_the_table() {
    let Some(data) = testdata() else { return };
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = home.path().join("all.ndjson");
    let mut file = fs::File::create(&input).unwrap();
    let rows: Vec<_> = index(&data).into_iter().filter(crate::testdata::IndexRow::has_payload).collect();
    for (number, row) in rows.iter().enumerate() {
        let payload: Value =
            serde_json::from_str(read(&data.join("dcc").join(&row.file)).trim_start_matches('\u{feff}')).unwrap();
        writeln!(file, "{}", json!({"id": number.to_string(), "payload": payload})).unwrap();
    }
    let (ran, signed) = sign(&server, "eu-2021", &input);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let accepted = include_str!("vector_outcomes.tsv").lines().filter(|line| line.ends_with("\taccepted")).count();
    assert_eq!((lines(&signed).len(), lines(&input.with_extension("refused")).len()), (accepted, rows.len() - accepted));
    verify_independently(&data, &server.trust(), &signed);
}

#[test]
fn a_second_start_reuses_keys_and_certificates() {
    let home = tempfile::tempdir().unwrap();
    let init = || run(sceau().args(["dev", "--init-only", "--dir"]).arg(home.path()));
    assert_eq!(init().code, Some(0));
    let trust = fs::read(home.path().join("trust.pem")).unwrap();
    assert_eq!(init().code, Some(0));
    assert_eq!(fs::read(home.path().join("trust.pem")).unwrap(), trust);
    for file in ["sceau.toml", "softhsm2.conf", "tokens", "user.pin", "trust.pem"] {
        assert!(home.path().join(file).exists(), "{file}");
    }
}

#[test]
fn an_interrupted_first_start_is_finished_by_the_second() {
    let home = dev_folder();
    fs::remove_file(home.path().join("sceau.toml")).unwrap();
    let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(home.path()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(home.path().join("sceau.toml").exists());
}

#[test]
fn sigterm_ends_the_server_in_order() {
    assert_eq!(DevServer::start().terminate(), Some(0));
}

#[test]
fn a_job_that_is_killed_goes_on_where_it_was() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = samples(home.path(), 3_000);
    let bad = "{\"id\":\"bad\",\"payload\":{}}\nnot a line\n";
    let text = read(&input);
    let half = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    fs::write(&input, format!("{}{bad}{}", &text[..half], &text[half..])).unwrap();
    let (out, rejects) = (home.path().join("out"), home.path().join("rejects"));
    let command = || {
        let mut command = sceau();
        command.args(["sign", "--batch", "50", "--endpoint", &server.endpoint, "--in"]).arg(&input);
        command.arg("--out").arg(&out).arg("--rejects").arg(&rejects);
        command
    };
    for kill in 0..8 {
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60 + 45 * kill));
        let _ = child.kill();
        child.wait().unwrap();
    }
    // A torn last line, as a kill in the middle of a write leaves it.
    fs::OpenOptions::new().append(true).create(true).open(&out).unwrap().write_all(b"{\"id\":\"to").unwrap();
    let ran = run(&mut command());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let signed = lines(&out);
    let expected: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&signed), ids(&expected));
    let refused = lines(&rejects);
    assert_eq!(refused.iter().map(|line| line["id"].as_str()).collect::<Vec<_>>(), [Some("bad"), None]);
    verify_ourselves(&server, &out);
    let again = run(&mut command());
    assert_eq!((again.code, lines(&out).len()), (Some(2), 3_000), "{}", again.stderr);
}

#[test]
fn validate_only_says_what_would_be_refused_and_signs_nothing() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = samples(home.path(), 5);
    fs::OpenOptions::new().append(true).open(&input).unwrap().write_all(b"{\"id\":\"bad\",\"payload\":{}}\n").unwrap();
    let out = home.path().join("checked");
    let mut command = sceau();
    // An endpoint may be given as host and port.
    command.args(["sign", "--validate-only", "--endpoint", server.endpoint.strip_prefix("http://").unwrap(), "--in"]).arg(&input);
    let ran = run(command.arg("--out").arg(&out));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("5 would be signed, 1 refused"), "{}", ran.stderr);
    assert!(lines(&out).iter().all(|line| line["uvci"].is_string() && line["hc1"].is_null()));
}

#[test]
fn a_second_run_on_the_same_files_is_refused_and_what_is_not_ours_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = samples(home.path(), 20_000);
    let command = |out: &Path| {
        let mut command = sceau();
        command.args(["sign", "--endpoint", &server.endpoint, "--in"]).arg(&input).arg("--out").arg(out);
        command
    };
    let out = home.path().join("out");
    let mut first = command(&out).stderr(Stdio::null()).spawn().unwrap();
    while fs::metadata(&out).map_or(0, |file| file.len()) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = run(&mut command(&out));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.code != Some(0) && second.stderr.contains("another run writes"), "{}", second.stderr);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    let notes = home.path().join("notes.txt");
    fs::write(&notes, "precious").unwrap();
    let ran = run(&mut command(&notes));
    assert!(ran.code != Some(0) && ran.stderr.contains("take another --out"), "{}", ran.stderr);
    assert_eq!(read(&notes), "precious");
    let same = run(&mut command(&home.path().join(".").join(input.file_name().unwrap())));
    assert!(same.code != Some(0) && same.stderr.contains("are the same file"), "{}", same.stderr);
}

#[test]
fn ten_megabytes_are_one_items_fault() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = samples(home.path(), 3);
    let mut text = read(&input);
    text.insert_str(0, &format!("{{\"id\":\"big\",\"payload\":{{\"ver\":\"{}\"}}}}\n", "x".repeat(10_000_000)));
    text.push_str(&format!("{{\"id\":\"deep\",\"payload\":{}{}}}\n", "[".repeat(10_000), "]".repeat(10_000)));
    text.push_str(&format!("{{\"id\":\"long\",\"payload\":{{\"ver\":\"{}\"}}}}\n", "x".repeat(50_000)));
    fs::write(&input, text).unwrap();
    let (ran, signed) = sign(&server, "dcc", &input);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert_eq!(lines(&signed).len(), 3);
    assert_eq!(lines(&input.with_extension("refused")).len(), 3);
}

// ---- what must not start -----------------------------------------------------------------------------------------------

/// Changes a good installation and expects the start to fail with an exit code and all of some texts.
fn must_not_start(change: impl FnOnce(&Path), code: i32, texts: &[&str]) {
    let home = dev_folder();
    change(home.path());
    let ran = serve_in_vain(home.path());
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    for text in texts {
        assert!(ran.stderr.contains(text), "{text:?} is said: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "", "nothing is served");
}

#[test]
fn a_wrong_pin_is_refused_once_and_says_so() {
    let wrong = |dir: &Path| edit(&dir.join("user.pin"), &read(&dir.join("user.pin")), "0000\n");
    must_not_start(wrong, 78, &["the PIN was refused (PinIncorrect)", "not tried again"]);
}

#[test]
fn a_pin_file_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let open = |dir: &Path| fs::set_permissions(dir.join("user.pin"), fs::Permissions::from_mode(0o644)).unwrap();
    must_not_start(open, 78, &["user.pin", "make it 0600"]);
}

#[test]
fn an_absent_token_is_named_with_those_that_are_there() {
    must_not_start(
        |dir| edit(&dir.join("sceau.toml"), "label = \"sceau-dev\"", "label = \"other\""),
        69,
        &["no token with the label \"other\"", "sceau-dev"],
    );
}

#[test]
fn an_absent_module_is_named() {
    let gone = |dir: &Path| {
        let config = read(&dir.join("sceau.toml"));
        let module = config.lines().find(|line| line.starts_with("module")).unwrap().to_owned();
        edit(&dir.join("sceau.toml"), &module, "module = \"/nowhere/module.so\"");
    };
    must_not_start(gone, 69, &["cannot load the PKCS#11 module /nowhere/module.so"]);
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let other = dev_folder();
    let foreign = |dir: &Path| {
        fs::copy(other.path().join("dsc-es256.pem"), dir.join("dsc-es256.pem")).unwrap();
    };
    must_not_start(foreign, 78, &["the key of DSC ", "the token has no public key of the certificate", "not this key's"]);
}

#[test]
fn a_csca_in_the_place_of_a_dsc_is_refused() {
    let csca = |dir: &Path| {
        fs::copy(dir.join("csca.pem"), dir.join("dsc-es256.pem")).unwrap();
    };
    must_not_start(csca, 78, &["lacks digitalSignature"]);
}

#[test]
fn a_configuration_says_everything_that_is_wrong_with_it() {
    let spoil = |dir: &Path| {
        edit(&dir.join("sceau.toml"), "127.0.0.1:7443", "0.0.0.0:7443");
        edit(&dir.join("sceau.toml"), "test_days = 365", "test_days = 0");
        edit(&dir.join("sceau.toml"), "rules = \"eu-2021\"", "rules = \"eu-2021\"\nswitch_off = [\"date.real\", \"no.rule\"]");
        edit(&dir.join("sceau.toml"), "name = \"dcc-ps256\"", "name = \"dcc\"");
        fs::remove_file(dir.join("uvci.secret")).unwrap();
    };
    must_not_start(
        spoil,
        78,
        &[
            "loopback only",
            "rule date.real cannot be switched off",
            "there is no rule \"no.rule\"",
            "two profiles are named \"dcc\"",
            "0 days",
            "uvci.secret",
        ],
    );
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused_with_the_known_ones() {
    must_not_start(|dir| edit(&dir.join("sceau.toml"), "listen =", "lisen ="), 78, &["lisen", "`listen`"]);
}

#[test]
fn a_missing_softhsm_names_the_package() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(sceau().args(["dev", "--module", "/nowhere/libsofthsm2.so", "--dir"]).arg(home.path()));
    assert!(ran.code != Some(0) && ran.stderr.contains("/nowhere/libsofthsm2.so"), "{}", ran.stderr);
}
