//! Exports and proofs in the hands of an auditor, through the binary.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use sceau::domain::{CertificateType, Digest, NumericDate, Octets};
use sceau::ledger::archive::ExportWriter;
use sceau::ledger::merkle;
use sceau::ledger::record::{Blob, Body, Entry, Head, Intent, Outcome, Record, Seal, VERSION};
use sceau::ledger::store::Row;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, run, sceau};

/// 2021-11-15T18:13:20Z.
const START: i64 = 1_637_000_000;
const UVCI: &str = "URN:UVCI:01:FR:ABC#4";

/// A folder with an export, its audit certificate, and a UVCI that is in it.
struct Archive {
    folder: TempDir,
    head: Head,
}

impl Archive {
    /// Four batches of two certificates, with a seal after the third.
    fn new() -> Self {
        let (key, certificate) = audit_key();
        let sign = |digest: &Digest| sign(&key, digest);
        let named = Octets::from(Digest::of(&certificate));
        let mut rows = Vec::new();
        for batch in 0..4 {
            append_batch(&mut rows, batch);
            if batch == 2 {
                let (head, at) = (head(&rows), (START + 60) * 1_000);
                let signature = Blob(sign(&head.sealed_digest("north", at)));
                let seal = Seal { head: head.seq, link: head.link, at, certificate: named, signature };
                append(&mut rows, Body::Seal(seal), Vec::new());
            }
        }
        let mut writer = ExportWriter::begin(Vec::new(), &["north".to_owned()]).unwrap();
        rows.iter().for_each(|row| writer.write("north", row).unwrap());
        let unsigned = writer.end((START + 3_600) * 1_000);
        let signature = sign(&unsigned.digest());
        let export = unsigned.finish(named, signature).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("export.ndjson"), export).unwrap();
        fs::write(folder.path().join("audit.der"), certificate).unwrap();
        fs::write(folder.path().join("uvci.txt"), format!("{UVCI}\n")).unwrap();
        Self { folder, head: head(&rows) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn audit(&self, args: &[&str]) -> Ran {
        run(sceau().current_dir(self.folder.path()).arg("audit").args(args))
    }

    /// `sceau audit verify` on the export, with more arguments.
    fn verify(&self, args: &[&str]) -> Ran {
        self.audit(&[&["verify", "export.ndjson", "--certificate", "audit.der"], args].concat())
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<String>)) {
        let text = fs::read_to_string(self.path("export.ndjson")).unwrap();
        let mut lines = text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        fs::write(self.path("export.ndjson"), lines.join("\n")).unwrap();
    }

    fn head(&self) -> String {
        format!("north:{}:{}", self.head.seq, self.head.link)
    }
}

fn audit_key() -> (EcdsaKeyPair, Vec<u8>) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Audit 1");
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2021, 1, 1), rcgen::date_time_ymd(2023, 1, 1));
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    (EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap(), certificate)
}

fn sign(key: &EcdsaKeyPair, digest: &Digest) -> Vec<u8> {
    let digest = digest::Digest::import_less_safe(digest.as_bytes(), &digest::SHA256).unwrap();
    key.sign_digest(&digest).unwrap().as_ref().to_vec()
}

fn head(rows: &[Row]) -> Head {
    rows.last().map_or(Head::EMPTY, |row| Head { seq: row.seq, link: row.link })
}

fn append(rows: &mut Vec<Row>, body: Body, detail: Vec<u8>) -> u64 {
    let before = head(rows);
    let seq = before.seq + 1;
    let at = (START + i64::try_from(seq).unwrap()) * 1_000;
    let record = Record { v: VERSION, instance: "north".to_owned(), seq, at, body }.to_cbor();
    let digest = Record::digest_of(&record);
    rows.push(Row { seq, link: before.next(&digest).link, digest, record: Some(record), detail: Some(detail) });
    seq
}

fn append_batch(rows: &mut Vec<Row>, batch: u8) {
    let detail = [0; 64].to_vec();
    let intent = Intent {
        caller: "clinic".to_owned(),
        person: None,
        request: "r1".to_owned(),
        profile: "dcc".to_owned(),
        kid: Octets([0xab; 8]),
        algorithm: "ES256".to_owned(),
        issuer: "FR".to_owned(),
        issued_at: START,
        count: 2,
        digests: Digest::of(&detail).into(),
    };
    let intent = append(rows, Body::Intent(intent), detail);
    let mut detail = Vec::new();
    for place in 0..2 {
        let uvci = if (batch, place) == (1, 1) { UVCI.to_owned() } else { format!("{batch}{place}") };
        let entry = Entry {
            place,
            kind: CertificateType::Vaccination,
            expires_at: NumericDate::from_seconds(START + 86_400),
            item: Octets([0; 16]),
            payload: Octets([0; 16]),
            uci: Digest::of(uvci.as_bytes()).into(),
            country_uci: Octets([0; 32]),
            signature: Octets([batch; 16]),
        };
        entry.write(&mut detail);
    }
    let root = merkle::root(detail.chunks(Entry::BYTES));
    append(rows, Body::Outcome(Outcome { intent, signed: 2, unsigned: 0, key: Octets([0; 4]), root }), detail);
}

#[test]
fn an_intact_export_is_told_with_what_is_in_it_and_its_head() {
    let archive = Archive::new();
    let ran = archive.verify(&["--min-head", &archive.head(), "--not-before", "2021-11-15T19:00:00Z"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let expected = [
        "Chain north\n",
        "records           9, from 2021-11-15T18:13:21Z to 2021-11-15T18:13:29Z\n",
        "certificates      8, revoked 0\n",
        "seals             1, the last of record 6 at 2021-11-15T18:14:20Z; for the 3 after it the trailer alone vouches\n",
        &format!("head              {}\n", archive.head()),
        "Made at 2021-11-15T19:13:20Z, signed by ",
        "Intact.\n",
    ];
    expected.iter().for_each(|expected| assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout));
}

#[test]
fn what_was_done_to_an_export_is_told_with_its_place() {
    let archive = Archive::new();
    archive.edit(|lines| drop(lines.remove(4)));
    let ran = archive.verify(&[]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("north, record 4: missing: it is not in the export\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("NOT INTACT: 1 finding.\n"), "{}", ran.stdout);
    let ran = archive.verify(&["--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["intact"], &report["findings_count"]), (Some(2), &Value::Bool(false), &Value::from(1)));
    let finding = &report["findings"][0];
    assert_eq!(finding["finding"], "missing");
    assert_eq!((&finding["chain"], &finding["places"]), (&Value::from("north"), &Value::from(vec![4, 4])));
    assert_eq!(report["chains"][0]["head"]["seq"], 9);
}

#[test]
fn an_export_that_is_cut_off_or_old_is_told_by_what_the_auditor_knows() {
    let archive = Archive::new();
    let later = format!("north:10:{}", archive.head.link);
    let ran = archive.verify(&["--min-head", &later, "--not-before", "2021-11-15T19:13:21Z"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("north, record 10: cut off: the export ends before the pinned head"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the export: older: the export was made at 2021-11-15T19:13:20Z"), "{}", ran.stdout);
    archive.edit(|lines| lines.truncate(lines.len() - 1));
    let ran = archive.verify(&[]);
    assert!(ran.code == Some(2) && ran.stdout.contains("cut off: there is no trailer"), "{}", ran.stdout);
}

#[test]
fn an_export_under_another_certificate_is_not_believed() {
    let archive = Archive::new();
    fs::write(archive.path("audit.der"), audit_key().1).unwrap();
    let ran = archive.verify(&[]);
    assert_eq!((ran.code, ran.stdout.matches("untrusted: it is signed under the certificate").count()), (Some(2), 2));
}

#[test]
fn what_cannot_be_audited_at_all_is_an_error() {
    let archive = Archive::new();
    let ran = archive.audit(&["verify", "nowhere.ndjson", "--certificate", "audit.der"]);
    assert_eq!(ran.code, Some(66), "{}", ran.stderr);
    let ran = archive.audit(&["verify", "uvci.txt", "--certificate", "audit.der"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("uvci.txt: it is no export of a ledger"), "{}", ran.stderr);
    let ran = archive.audit(&["verify", "export.ndjson", "--certificate", "uvci.txt"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("there is no certificate"), "{}", ran.stderr);
    assert_eq!(archive.verify(&["--min-head", "north"]).code, Some(64));
    assert_eq!(archive.audit(&["verify", "export.ndjson"]).code, Some(64));
}

#[test]
fn a_certificate_is_proven_by_its_uvci_and_the_proof_says_what_it_is() {
    let archive = Archive::new();
    let proof = archive.audit(&["prove", "export.ndjson", "--uvci-file", "uvci.txt"]);
    assert_eq!((proof.code, proof.stdout.lines().count()), (Some(0), 1), "{}", proof.stderr);
    fs::write(archive.path("proof.json"), &proof.stdout).unwrap();
    let ran = archive.audit(&["check-proof", "proof.json", "--certificate", "audit.der", "--uvci-file", "uvci.txt"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let expected = [
        "Proven: the given certificate is on record.\n",
        "kid               abababababababab, ES256\n",
        "type              vaccination\n",
        "issued            2021-11-15T18:13:20Z by FR\n",
        "expires           2021-11-16T18:13:20Z\n",
        "asked for by      clinic, profile dcc, request r1\n",
        "on record         2021-11-15T18:13:24Z, chain north, record 4, entry 1\n",
        "sealed            2021-11-15T18:14:20Z by ",
    ];
    expected.iter().for_each(|expected| assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout));
    assert!(!proof.stdout.contains(UVCI) && !ran.stdout.contains(UVCI));
    let by_place = archive.audit(&["prove", "export.ndjson", "--place", "north:4:1"]);
    assert_eq!(by_place.stdout, proof.stdout);
}

#[test]
fn a_proof_of_another_certificate_or_one_that_was_changed_proves_nothing() {
    let archive = Archive::new();
    let check = |name: &str, args: &[&str]| archive.audit(&[&["check-proof", name, "--certificate", "audit.der"], args].concat());
    let proof = archive.audit(&["prove", "export.ndjson", "--uvci", "30"]).stdout;
    fs::write(archive.path("proof.json"), &proof).unwrap();
    let ran = check("proof.json", &[]);
    assert!(ran.code == Some(0) && ran.stdout.contains("  in an export      2021-11-15T19:13:20Z"), "{}", ran.stdout);
    let ran = check("proof.json", &["--uvci", UVCI]);
    assert!(ran.code == Some(2) && ran.stdout.starts_with("NOT PROVEN: another certificate"), "{}", ran.stdout);
    fs::write(archive.path("changed.json"), proof.replace("\"index\":0", "\"index\":1")).unwrap();
    let ran = check("changed.json", &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), "NOT PROVEN: the certificate is not among those of the outcome\n"));
    let ran = check("export.ndjson", &[]);
    assert!(ran.code == Some(74) && ran.stderr.contains("no proof"), "{:?} {}", ran.code, ran.stderr);
}

#[test]
fn what_is_not_there_has_no_proof_and_standard_input_is_read_once() {
    let archive = Archive::new();
    let ran = archive.audit(&["prove", "export.ndjson", "--place", "4:2"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let ran = archive.audit(&["prove", "-", "--uvci-file", "-"]);
    assert!(ran.stderr.contains("standard input can be read once only"), "{}", ran.stderr);
    assert_eq!(archive.audit(&["prove", "export.ndjson", "--uvci", "1", "--place", "4:0"]).code, Some(64));
    let export = fs::File::open(archive.path("export.ndjson")).unwrap();
    let ran = run(sceau()
        .current_dir(archive.folder.path())
        .args(["audit", "prove", "-", "--place", "4:0"])
        .stdin(Stdio::from(export)));
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{}", ran.stderr);
}
