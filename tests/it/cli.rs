//! The command line without a token: what is printed, and with which exit code.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ran, run, sceau};
use crate::testdata::{IndexRow, index, read, testdata};

/// Runs a command with a text on its standard input.
fn with_input(args: &[&str], input: &str) -> Ran {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    run(sceau().args(args).stdin(Stdio::from(file)))
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_rebuild_vector_reaches_its_digest_through_encode() {
    let Some(data) = testdata() else { return };
    let rows: Vec<IndexRow> = index(&data).into_iter().filter(|row| row.rebuild == "yes").collect();
    assert_eq!(rows.len(), 54);
    let input: String = rows.iter().map(|row| encode_line(&data, row) + "\n").collect();
    let ran = with_input(&["encode"], &input);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    for (row, line) in rows.iter().zip(json_lines(&ran.stdout)) {
        assert_eq!((line["id"].as_str(), line["tbs_sha256"].as_str()), (Some(row.file.as_str()), Some(row.tbs_sha256.as_str())));
    }
}

fn encode_line(data: &std::path::Path, row: &IndexRow) -> String {
    let payload: Value = serde_json::from_str(&read(&data.join("dcc").join(&row.file))).unwrap();
    let number = |text: &str| text.parse::<i64>().unwrap();
    json!({"id": row.file, "payload": payload, "iss": row.iss, "iat": number(&row.iat), "exp": number(&row.exp), "alg": row.alg, "kid": row.kid})
        .to_string()
}

/// FR/DGC_QrCode_00001_Raw of the published vectors, each byte of its claims with its meaning.
const FRENCH_CLAIMS: &[&str] = &[
    "a4",                                                                        // claims: map of 4
    "01 62 4652",                                                                // 1 iss: "FR"
    "04 1a 611053e0",                                                            // 4 exp: 1628460000
    "06 1a 60bfe860",                                                            // 6 iat: 1623189600
    "39 0103 a1 01",                                                             // -260 hcert: map of 1, key 1
    "a4",                                                                        // DCC: map of 4
    "61 76 81 aa",                                                               // "v": array of 1, map of 10
    "62 6369 78 1d 75726e3a757663693a30313a46523a4b4b46334259494759535646 2351", // "ci": "urn:uvci:01:FR:KKF3BYIGYSVF#Q"
    "62 636f 62 4652",                                                           // "co": "FR"
    "62 646e 01",                                                                // "dn": 1
    "62 6474 6a 323032312d30332d3031",                                           // "dt": "2021-03-01"
    "62 6973 64 434e414d",                                                       // "is": "CNAM"
    "62 6d61 6d 4f52472d313030303330323135",                                     // "ma": "ORG-100030215"
    "62 6d70 6c 45552f312f32302f31353238",                                       // "mp": "EU/1/20/1528"
    "62 7364 02",                                                                // "sd": 2
    "62 7467 69 383430353339303036",                                             // "tg": "840539006"
    "62 7670 6a 31313139333439303037",                                           // "vp": "1119349007"
    "63 646f62 6a 313936322d30352d3331",                                         // "dob": "1962-05-31"
    "63 6e616d a4",                                                              // "nam": map of 4
    "62 666e 6f 7468656f756c6520737572206d6572",                                 // "fn": "theoule sur mer"
    "62 676e 6b 6a65616e20706965727265",                                         // "gn": "jean pierre"
    "63 666e74 6f 5448454f554c453c5355523c4d4552",                               // "fnt": "THEOULE<SUR<MER"
    "63 676e74 6b 4a45414e3c504945525245",                                       // "gnt": "JEAN<PIERRE"
    "63 766572 65 312e302e30",                                                   // "ver": "1.0.0"
];

#[test]
fn the_worked_french_example_has_its_published_bytes() {
    let entry = json!({
        "tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 1, "sd": 2,
        "dt": "2021-03-01", "co": "FR", "is": "CNAM", "ci": "urn:uvci:01:FR:KKF3BYIGYSVF#Q",
    });
    let name = json!({"fn": "theoule sur mer", "fnt": "THEOULE<SUR<MER", "gn": "jean pierre", "gnt": "JEAN<PIERRE"});
    let line = json!({
        "id": "FR/1", "iss": "FR", "iat": 1_623_189_600, "exp": 1_628_460_000, "alg": "ES256", "kid": "70aaa4460b56d17c",
        "payload": {"ver": "1.0.0", "dob": "1962-05-31", "nam": name, "v": [entry]},
    });
    let ran = with_input(&["encode"], &line.to_string());
    let encoded = &json_lines(&ran.stdout)[0];
    assert_eq!(encoded["protected"], "a2 01 26 04 48 70aaa4460b56d17c".replace(' ', ""));
    assert_eq!(encoded["cwt"], FRENCH_CLAIMS.concat().replace(' ', ""));
    assert_eq!(encoded["tbs_sha256"], "b1f5b4444d6cdff0fb417e83523772a4a7788688c02b4c246e49714efb40dc07");
}

#[test]
fn a_line_that_cannot_be_encoded_is_told_in_its_place() {
    let good = read_example();
    let ran = with_input(&["encode"], &format!("nonsense\n{good}\n{{\"id\":\"x\"}}\n"));
    assert_eq!(ran.code, Some(2));
    let lines = json_lines(&ran.stdout);
    assert_eq!((lines[0]["line"].as_u64(), lines[2]["line"].as_u64()), (Some(1), Some(3)));
    assert!(lines[1]["tbs_sha256"].is_string() && lines[0]["error"].is_string() && lines[2]["error"].is_string());
}

fn read_example() -> String {
    json!({"id": "a", "payload": {"ver": "1.3.0"}, "iss": "FR", "iat": 1, "exp": 2, "alg": "PS256", "kid": "0011223344556677"})
        .to_string()
}

#[test]
fn wrong_usage_is_64_so_that_2_stays_free() {
    for args in [&["sign"][..], &["no-such-command"], &["sample", "--count", "many"], &["verify"]] {
        assert_eq!(run(sceau().args(args)).code, Some(64), "{args:?}");
    }
    assert_eq!(run(sceau().arg("--version")).code, Some(0));
}

#[test]
fn every_command_has_examples_in_its_help() {
    let commands = [
        "serve",
        "dev",
        "sign",
        "verify",
        "encode",
        "sample",
        "plan",
        "qr",
        "bench load",
        "bench scenario",
        "revoke",
        "ceremony",
        "dsc plan",
        "officer key",
        "officer show",
        "rules",
        "config check",
        "token probe",
        "token unlatch",
        "audit verify",
        "audit prove",
        "audit check-proof",
        "clock show",
        "clock accept",
        "dsc generate",
        "dsc csr",
        "dsc import",
        "dsc publish",
        "dsc canary",
        "dsc activate",
        "dsc retire",
        "dsc compromise",
        "dsc destroy",
        "dsc list",
        "dsc show",
        "dsc trust-list",
        "approvals",
        "approve",
        "reject",
        "execute",
        "roster show",
        "roster change",
        "token change-pin",
        "token initialise",
    ];
    for command in commands {
        let ran = run(sceau().args(command.split(' ')).arg("--help"));
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("Example") && ran.stdout.contains(&format!("sceau {command}")), "{command}: {}", ran.stdout);
    }
}

#[test]
fn rules_are_listed_with_their_meaning_and_source() {
    let rules = json_lines(&run(sceau().args(["rules", "--json"])).stdout);
    assert_eq!(rules.len(), sceau::domain::Rule::ALL.len());
    let table = run(sceau().arg("rules")).stdout;
    for rule in sceau::domain::Rule::ALL {
        assert!(table.contains(rule.name()) && table.contains(rule.source()), "{rule}");
    }
}

#[test]
fn samples_are_the_same_for_the_same_seed() {
    let sample = |seed: &str| run(sceau().args(["sample", "--count", "50", "--seed", seed])).stdout;
    assert_eq!(sample("7"), sample("7"));
    assert_ne!(sample("7"), sample("8"));
}

#[test]
fn a_service_that_is_not_there_is_69_and_an_input_that_is_not_there_66() {
    let home = tempfile::tempdir().unwrap();
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    std::fs::write(&input, "").unwrap();
    let sign = |input: &std::path::Path| {
        run(sceau().args(["sign", "--endpoint", "http://127.0.0.1:1", "--in"]).arg(input).arg("--out").arg(&out))
    };
    let ran = sign(&input);
    assert_eq!(ran.code, Some(69), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot reach http://127.0.0.1:1"), "{}", ran.stderr);
    assert_eq!(run(sceau().args(["verify", "--trust", "/nowhere.pem"])).code, Some(66));
}

#[test]
fn the_states_codes_verify_as_of_their_own_day() {
    let Some(data) = testdata() else { return };
    let trust = data.join("dcc/trustlist.json");
    let ran =
        with_input(&["verify", "--at", "iat", "--trust", trust.to_str().unwrap()], &read(&data.join("dcc/vectors.hc1.jsonl")));
    let verdicts = json_lines(&ran.stdout);
    let valid = verdicts.iter().filter(|verdict| verdict["verdict"] == "valid").count();
    // Three are signed by a P-384 key under ES256; 76 break a rule of issuing: exp past the DSC (2), a type that the
    // DSC may not sign (73), two entries (1).
    assert_eq!((verdicts.len(), valid, ran.code), (429, 429 - 3 - 76, Some(2)));
}
