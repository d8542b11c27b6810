//! `sceau token probe`: on SoftHSM, beside a service, and on tokens that are slow, small or faulty.

use std::fs;
use std::path::Path;
use std::process::Command;

use sceau::config::Config;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::PublicKey;
use serde_json::Value;

use crate::faulty_token::put_in_front;
use crate::support::{DevServer, Ran, dev_folder, edit, run, sceau, signing_time};
use crate::testdata::read;

const PS256_DSC: &str = "[[dsc]]\ncertificate = \"dsc-ps256.pem\"\ntoken = \"softhsm\"\n";

/// Probes the token of a folder, a tenth of a second a step where nothing else is said.
fn probe(dir: &Path, args: &[&str]) -> Ran {
    let mut command = sceau();
    command.args(["token", "probe", "--token", "softhsm", "--config"]).arg(dir.join("sceau.toml")).args(args);
    if !args.contains(&"--seconds-a-step") {
        command.args(["--seconds-a-step", "0.1"]);
    }
    run(&mut command)
}

fn probe_json(dir: &Path, args: &[&str]) -> (Ran, Value) {
    let ran = probe(dir, &[&["--json"], args].concat());
    let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
    (ran, json)
}

fn sessions_of(measurement: &Value) -> Vec<u64> {
    measurement["steps"].as_array().unwrap().iter().map(|step| step["sessions"].as_u64().unwrap()).collect()
}

/// The stats of the one process that loaded the faulty token, after its end; they are gone then.
fn take_stats(dir: &Path) -> Value {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let stats: Vec<_> =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stats-"))).collect();
    assert_eq!(stats.len(), 1, "one process loads the module: {stats:?}");
    let text = read(&stats[0]);
    fs::remove_file(&stats[0]).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_probe_shows_token_keys_and_rates_on_80_columns_and_its_advice_can_be_pasted() {
    let home = dev_folder();
    let ran = probe(home.path(), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let shown = [
        "sceau-dev",
        "SoftHSM",
        "set; no wrong one has been tried",
        "CKM_ECDSA         for ES256, keys of ",
        "CKM_RSA_PKCS_PSS  for PS256, keys of ",
        "CKA_LABEL         dsc-es256",
        "NEVER_EXTRACTABLE=yes",
        "ALWAYS_AUTHENTICATE=no",
        "\nES256, P-256: the key of DSC ",
        "\nPS256, RSA-2048: the key of DSC ",
    ];
    for text in shown {
        assert!(ran.stdout.contains(text), "{text:?} is in\n{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let advice = ran.stdout.split_once("For the [[token]] \"softhsm\":\n").unwrap().1;
    let config = home.path().join("sceau.toml");
    edit(&config, "label = \"sceau-dev\"", &format!("label = \"sceau-dev\"\n{advice}"));
    let token = Config::load(&config).unwrap().token("softhsm").unwrap().clone();
    assert!(token.workers.is_some() && token.sessions.is_some(), "{advice}");
}

#[test]
fn a_probe_is_one_more_client_beside_a_service() {
    let server = DevServer::start();
    let (ran, json) = probe_json(&server.dir, &["--max-sessions", "2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(json["token"]["label"], "sceau-dev");
    assert_eq!(json["problems"], Value::Array(Vec::new()));
    assert!(json["recommendation"]["workers"].as_u64() >= Some(1), "{json}");
    let (keys, measured) = (json["keys"].as_array().unwrap(), json["measurements"].as_array().unwrap());
    let algorithms = |of: &[Value]| of.iter().map(|one| one["algorithm"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((algorithms(keys), algorithms(measured)), (vec!["ES256".into(), "PS256".into()], algorithms(keys)));
    assert!(keys.iter().all(|key| key["attributes"]["sensitive"] == true && key["problem"].is_null()), "{json}");
    for measurement in measured {
        assert_eq!(sessions_of(measurement), [1, 2]);
        for step in measurement["steps"].as_array().unwrap() {
            let latency = |name: &str| step["latency_ms"][name].as_f64().unwrap();
            assert!(step["signatures"].as_u64() > Some(0) && step["wrong"] == 0 && step["failures"] == Value::Array(Vec::new()));
            assert!(latency("p50") <= latency("p95") && latency("p95") <= latency("p99") && latency("p99") <= latency("max"));
        }
    }
    assert_eq!(server.terminate(), Some(0), "the service has not noticed");
}

#[test]
fn a_device_has_one_worker_with_many_sessions_and_never_more_than_it_allows() {
    let home = dev_folder();
    put_in_front(home.path(), "");
    edit(&home.path().join("sceau.toml"), PS256_DSC, "");
    let script = "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5.0\n[token]\nmax_sessions = 10\n";
    fs::write(home.path().join("now.toml"), script).unwrap();
    let (ran, json) = probe_json(home.path(), &["--seconds-a-step", "0.4"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(json["token"]["max_sessions"], 10);
    let tried = sessions_of(&json["measurements"][0]);
    assert!([1, 2, 4, 8].starts_with(&tried) && tried.len() >= 3, "{json}");
    let advice = &json["recommendation"];
    assert!(advice["workers"] == 1 && advice["sessions"].as_u64() >= Some(4), "{json}");
    assert!(advice["reason"].as_str().unwrap().contains("a device"), "{json}");
    let functions = &take_stats(home.path())["functions"];
    assert_eq!(functions["C_Login"]["calls"], 1, "one login");
    assert_eq!(functions["C_OpenSession"]["faults"], 0, "no session is refused");
    assert!(functions["C_OpenSession"]["forwarded"].as_u64() <= Some(10), "sessions stay open for the next step: {functions}");
}

/// What a token does, the exit code of a probe, and what it says.
const TROUBLE: [(&str, i32, &str); 6] = [
    ("[[fault]]\nfunction = \"C_Sign\"\naction = \"flip_bit\"\nwhen = { every = 50 }\n", 78, "the token gives wrong signatures"),
    ("[[fault]]\nfunction = \"C_Sign\"\naction = \"flip_bit\"\n", 78, "key and certificate do not belong together"),
    ("[[fault]]\nfunction = \"C_Sign\"\naction = \"hang\"\nwhen = \"once\"\n", 69, "the token hangs"),
    (
        "[[fault]]\nfunction = \"C_Sign\"\nresult = \"CKR_DEVICE_ERROR\"\n",
        69,
        "fails with one session already: C_Sign gave DeviceError",
    ),
    (
        "[[fault]]\nfunction = \"C_GetMechanismInfo\"\nresult = \"CKR_MECHANISM_INVALID\"\n",
        78,
        "the token does not have CKM_ECDSA, which ES256 needs",
    ),
    ("[token]\nabsent = true\n", 69, "no token with the label \"sceau-dev\""),
];

#[test]
fn what_is_wrong_with_a_token_is_told_with_its_exit_code_and_nothing_is_recommended() {
    let home = dev_folder();
    put_in_front(home.path(), "hang_timeout_ms = 300");
    edit(&home.path().join("sceau.toml"), PS256_DSC, "");
    for (script, code, said) in TROUBLE {
        fs::write(home.path().join("now.toml"), script).unwrap();
        let ran = probe(home.path(), &["--max-sessions", "2"]);
        assert_eq!(ran.code, Some(code), "{script}{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("token \"softhsm\": ") && ran.stderr.contains(said), "{script}{}", ran.stderr);
        assert!(!ran.stdout.contains("workers = "), "{script}{}", ran.stdout);
    }
}

#[test]
fn failures_that_begin_with_more_sessions_end_the_search_and_not_the_advice() {
    let home = dev_folder();
    put_in_front(home.path(), "");
    edit(&home.path().join("sceau.toml"), PS256_DSC, "");
    // The anchor, the one that reads the facts, and three that sign; the fourth is refused.
    let script = "[[fault]]\nfunction = \"C_OpenSession\"\nresult = \"CKR_SESSION_COUNT\"\nwhen = { after = 5 }\n\
                  [[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5.0\n";
    fs::write(home.path().join("now.toml"), script).unwrap();
    let (ran, json) = probe_json(home.path(), &["--seconds-a-step", "0.3"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let measurement = &json["measurements"][0];
    assert_eq!((sessions_of(measurement), &measurement["end"]), (vec![1, 2, 4], &Value::from("failures")), "{json}");
    assert_eq!(measurement["steps"][2]["failures"][0]["code"], "C_OpenSession gave SessionCount");
    assert_eq!((&json["recommendation"]["workers"], &json["recommendation"]["sessions"]), (&1.into(), &2.into()), "{json}");
}

/// Brings a key from outside into the token, as nobody should, and puts the DSC over it in the place of the ES256 one.
fn import_key(dir: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = dir.join("outside.pem");
    fs::write(&pem, key.serialize_pem()).unwrap();
    let mut import = Command::new("softhsm2-util");
    import.env("SOFTHSM2_CONF", dir.join("softhsm2.conf")).args(["--token", "sceau-dev", "--label", "outside", "--id", "0a"]);
    let pin = read(&dir.join("user.pin"));
    let ran = run(import.args(["--pin", pin.trim(), "--import"]).arg(&pem));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), signing_time()).unwrap();
    let point = key.public_key_raw().try_into().unwrap();
    let request = DscRequest {
        common_name: "outside".to_owned(),
        types: Vec::new(),
        not_before: signing_time(),
        not_after: signing_time().plus_seconds(86_400),
    };
    fs::write(dir.join("dsc-es256.pem"), csca.issue(&PublicKey::P256 { point }, &request).unwrap()).unwrap();
}

#[test]
fn a_key_from_outside_is_shown_as_a_problem_and_the_others_are_measured() {
    let home = dev_folder();
    import_key(home.path());
    let (ran, json) = probe_json(home.path(), &["--max-sessions", "1"]);
    assert!(ran.code == Some(78) && ran.stderr.contains("attribute always_sensitive is false"), "{}", ran.stderr);
    let key = &json["keys"][0];
    assert_eq!((&key["label"], &key["id"]), (&"outside".into(), &"0a".into()));
    assert!(key["attributes"]["local"] == false && key["attributes"]["sign"] == true, "{json}");
    assert_eq!(key["problem"].as_str().map(|problem| ran.stderr.contains(problem)), Some(true), "{json}");
    let measured = json["measurements"].as_array().unwrap();
    assert!(measured.len() == 1 && measured[0]["algorithm"] == "PS256" && json["recommendation"].is_object(), "{json}");
    let text = probe(home.path(), &["--max-sessions", "1"]).stdout;
    assert!(text.contains("NEVER_EXTRACTABLE=NO") && text.contains("SIGN=yes") && text.contains("PROBLEM"), "{text}");
    let relaxed = "label = \"sceau-dev\"\nrelax_key_attributes = [\"always_sensitive\", \"never_extractable\", \"local\"]";
    edit(&home.path().join("sceau.toml"), "label = \"sceau-dev\"", relaxed);
    assert_eq!(probe(home.path(), &["--max-sessions", "1"]).code, Some(0));
}

#[test]
fn a_wrong_pin_latches_for_probe_and_service_alike() {
    let home = dev_folder();
    let (pin, latch) = (home.path().join("user.pin"), home.path().join("state/softhsm.pin-latch"));
    let right = read(&pin);
    fs::write(&pin, "0000\n").unwrap();
    let refused = probe(home.path(), &[]);
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("the PIN was refused") && refused.stdout.is_empty(), "{}", refused.stderr);
    assert!(read(&latch).starts_with("refused"));
    fs::write(&pin, right).unwrap();
    let latched = probe(home.path(), &[]);
    assert_eq!(latched.code, Some(78), "the right PIN is not tried either");
    assert!(latched.stderr.contains("no login is tried") && latched.stderr.contains("sceau token unlatch"), "{}", latched.stderr);
    let unlatch = run(sceau().args(["token", "unlatch", "--token", "softhsm", "--config"]).arg(home.path().join("sceau.toml")));
    assert_eq!(unlatch.code, Some(0), "{}", unlatch.stderr);
    assert_eq!(probe(home.path(), &["--max-sessions", "1"]).code, Some(0));
    assert!(!latch.exists());
}

#[test]
fn a_token_without_a_dsc_and_one_that_is_not_there_are_told() {
    let home = dev_folder();
    let config = home.path().join("sceau.toml");
    let second =
        "[[token]]\nname = \"second\"\nmodule = \"nowhere.so\"\nlabel = \"second\"\npin_file = \"user.pin\"\n\n[[profile]]";
    edit(&config, "[[profile]]\nname = \"dcc\"\n", &format!("{second}\nname = \"dcc\"\n"));
    edit(&config, "token = \"softhsm\"", "token = \"second\"");
    let ran = probe(home.path(), &[]);
    assert!(ran.code == Some(78) && ran.stderr.contains("no [[dsc]] has token = \"softhsm\""), "{}", ran.stderr);
    assert!(ran.stdout.contains("sceau-dev"), "the token's own facts are shown all the same");
    let ran = run(sceau().args(["token", "probe", "--token", "second", "--config"]).arg(&config));
    assert!(ran.code == Some(69) && ran.stderr.contains("cannot load the PKCS#11 module"), "{}", ran.stderr);
    let ran = run(sceau().args(["token", "probe", "--token", "third", "--config"]).arg(&config));
    assert!(ran.code == Some(78) && ran.stderr.contains("there are softhsm, second"), "{}", ran.stderr);
}
