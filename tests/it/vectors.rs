//! The member states' published vectors: what is issued from their payloads, and what is read from their certificates.
//!
//! `vector_outcomes.tsv` holds the outcome of every payload. It was made by this code and reviewed against INDEX.tsv; where a
//! change of the rules moves rows, look at each of them before the file is edited.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sceau::domain::json::Json;
use sceau::domain::pem::certificates;
use sceau::domain::{Digest, Dsc, DscError, NumericDate, RuleSet, SignatureCheck, transliterate};
use sceau::encode::json::DeterministicJson;
use sceau::encode::{ClaimsSet, ProtectedHeader, SignedHcert};

use super::testdata::{IndexRow, index, json_of, parse, read, rulebook, testdata};

/// The instant at which the payloads are read: after every event in them.
const NOW: &str = "2026-01-01T00:00:00Z";

/// `accepted`, or the names of the rules that refuse the payload.
fn outcome(json: &str, rules: RuleSet) -> String {
    match parse(json.as_bytes(), &rulebook(rules), NOW) {
        Ok(_) => "accepted".to_owned(),
        Err(faults) => {
            let names: BTreeSet<&str> = faults.iter().map(|fault| fault.rule.name()).collect();
            names.into_iter().collect::<Vec<_>>().join(",")
        }
    }
}

/// The rows that bring a payload, each with its JSON text.
fn payloads(data: &Path) -> Vec<(IndexRow, String)> {
    let rows = index(data).into_iter().filter(IndexRow::has_payload);
    rows.map(|row| {
        let json = read(&data.join("dcc").join(&row.file));
        (row, json)
    })
    .collect()
}

#[test]
fn every_payload_has_the_reviewed_outcome() {
    let Some(data) = testdata() else { return };
    let payloads = payloads(&data);
    assert_eq!(payloads.len(), 440);
    let found: BTreeSet<String> = payloads
        .iter()
        .map(|(row, json)| format!("{}\t{}\t{}", row.file, outcome(json, RuleSet::ALL), outcome(json, RuleSet::eu_2021())))
        .collect();
    let mut reviewed = include_str!("vector_outcomes.tsv").lines();
    assert_eq!(reviewed.next(), Some("file\tdcc\teu-2021"));
    let reviewed: BTreeSet<String> = reviewed.map(str::to_owned).collect();
    let gone: Vec<String> = reviewed.difference(&found).map(|row| format!("- {row}")).collect();
    let new: Vec<String> = found.difference(&reviewed).map(|row| format!("+ {row}")).collect();
    assert!(gone.is_empty() && new.is_empty(), "reviewed -, found +\n{}\n{}", gone.join("\n"), new.join("\n"));
}

/// Whether a remark of INDEX.tsv says that the payload should be refused: `dn > sd` is legal (a booster after one dose).
fn is_refusal(remark: &str) -> bool {
    remark.starts_with("rule: ") && remark != "rule: dn > sd"
}

/// Whether the payload has `dr`, the date of the result, which schema 1.3.0 dropped.
fn has_legacy_field(json: &str) -> bool {
    let payload: serde_json::Value = serde_json::from_str(json).expect("the vector is JSON");
    payload["t"][0].get("dr").is_some()
}

#[test]
fn eu_2021_takes_and_refuses_what_the_index_says() {
    let Some(data) = testdata() else { return };
    let (mut taken, mut boosters, mut refused, mut legacy) = (0, 0, 0, 0);
    for (row, json) in payloads(&data) {
        let outcome = outcome(&json, RuleSet::eu_2021());
        if row.valid_1_3_3 == "no" || row.remarks().any(is_refusal) {
            assert_ne!(outcome, "accepted", "{}: {}", row.file, row.notes);
            refused += 1;
        } else if has_legacy_field(&json) {
            assert!(outcome.contains("schema.unknown_field"), "{}: {outcome}", row.file);
            legacy += 1;
        } else if row.issuer_grade == "yes" && row.value_sets_ok == "yes" {
            assert_eq!(outcome, "accepted", "{}: {}", row.file, row.notes);
            taken += 1;
            boosters += usize::from(row.remarks().any(|remark| remark == "rule: dn > sd"));
        }
    }
    assert_eq!((taken, boosters, refused, legacy), (166, 15, 134, 16));
}

/// A line of vectors.hc1.jsonl.
#[derive(serde::Deserialize)]
struct Vector {
    id: String,
    hc1: String,
    payload: serde_json::Value,
}

fn vectors(data: &Path) -> Vec<Vector> {
    let text = read(&data.join("dcc/vectors.hc1.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a vector")).collect()
}

/// A P-384 key under ES256, which HCERT has not: the certificate of these three vectors is no DSC.
const ON_P384: [&str; 3] = ["ES/401", "ES/402", "ES/403"];
/// Its JSON and what was signed differ by two hours.
const CONTENT_DIFFERS: [&str; 1] = ["FR/test_pcr_ok"];

#[test]
fn every_published_certificate_is_read_and_verified() {
    let Some(data) = testdata() else { return };
    let rows: BTreeMap<String, IndexRow> =
        index(&data).into_iter().filter(IndexRow::has_payload).map(|row| (row.id().to_owned(), row)).collect();
    let vectors = vectors(&data);
    assert_eq!(vectors.len(), 429);
    let (mut unverified, mut differing) = (Vec::new(), Vec::new());
    for Vector { id, hc1, payload } in &vectors {
        let row = &rows[id];
        let read = SignedHcert::decode(hc1).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!((read.algorithm().name(), read.kid().to_string()), (row.alg.as_str(), row.kid.clone()), "{id}");
        assert_eq!(read.issuer(), Some(row.iss.as_str()), "{id}");
        assert_eq!((whole(&row.iat), whole(&row.exp)), (read.issued_at(), read.expires_at()), "{id}");
        if !verifies(&read, &data.join("dcc").join(&row.dsc)) {
            unverified.push(id.as_str());
        }
        if json_of(read.payload()) != *payload {
            differing.push(id.as_str());
        }
    }
    assert_eq!((unverified.as_slice(), differing.as_slice()), (&ON_P384[..], &CONTENT_DIFFERS[..]));
    assert_eq!(vectors.len() - unverified.len() - differing.len(), 425);
}

/// Whole seconds of a time that some states wrote as a float.
fn whole(time: &str) -> NumericDate {
    NumericDate::from_seconds(time.split('.').next().expect("the first part is there").parse().expect("seconds"))
}

fn verifies(read: &SignedHcert, pem: &Path) -> bool {
    let Ok(dsc) = Dsc::from_der(&der(pem)) else { return false };
    let check = SignatureCheck::new(dsc.public_key()).expect("the key of a published DSC is sound");
    check.accepts(&Digest::of(&read.sig_structure()), read.signature())
}

/// The one certificate of a PEM file.
fn der(pem: &Path) -> Vec<u8> {
    let text = read(pem);
    let found: Result<Vec<_>, _> = certificates(&text).collect();
    let [der] = found.expect("the published certificates are PEM").try_into().expect("there is one in a file");
    der
}

/// P-384, under which Spain signed ES/401 to ES/403.
const UNSUPPORTED_KEYS: [&str; 1] = ["dcf4e2097e99924f"];
/// Latvia signed LV/1 to LV/3 with its test CSCA.
const NOT_FOR_SIGNATURES: [&str; 1] = ["4dfc0b3070d7230b"];

#[test]
fn every_published_dsc_is_one_with_the_kid_of_its_name() {
    let Some(data) = testdata() else { return };
    let files = dsc_files(&data.join("dcc"));
    assert_eq!(files.len(), 70);
    let (mut unsupported, mut not_for_signatures) = (Vec::new(), Vec::new());
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("the name is a kid");
        match Dsc::from_der(&der(file)) {
            Ok(dsc) => {
                assert_eq!(dsc.kid().to_string(), name);
                not_for_signatures.extend((!dsc.allows_signatures()).then_some(name));
            }
            Err(DscError::UnsupportedKey) => unsupported.push(name),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!((unsupported.as_slice(), not_for_signatures.as_slice()), (&UNSUPPORTED_KEYS[..], &NOT_FOR_SIGNATURES[..]));
}

/// The files `<CC>/dsc/<kid>.pem`, in order.
fn dsc_files(dcc: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .map(|entries| entries.map(|entry| entry.expect("a readable folder").path()).collect())
            .unwrap_or_default()
    };
    let mut files: Vec<PathBuf> = list(dcc).iter().flat_map(|country| list(&country.join("dsc"))).collect();
    files.sort();
    files
}

#[test]
fn the_index_names_the_dsc_of_each_vector() {
    let Some(data) = testdata() else { return };
    let mut seen = 0;
    for row in index(&data).iter().filter(|row| row.kid_ok == "yes" && row.verify == "ok") {
        let dsc = Dsc::from_der(&der(&data.join("dcc").join(&row.dsc))).unwrap_or_else(|error| panic!("{}: {error}", row.file));
        assert_eq!((dsc.kid().to_string(), dsc.algorithm().name()), (row.kid.clone(), row.alg.as_str()), "{}", row.file);
        seen += 1;
    }
    assert_eq!(seen, 457);
}

#[test]
fn a_deterministic_encoder_reaches_the_digests_that_were_signed() {
    let Some(data) = testdata() else { return };
    let rows: Vec<_> = payloads(&data).into_iter().filter(|(row, _)| row.rebuild == "yes").collect();
    assert_eq!(rows.len(), 54);
    for (row, json) in &rows {
        let header = ProtectedHeader::new(row.alg.parse().expect("an algorithm"), row.kid.parse().expect("a kid"));
        let payload = DeterministicJson::new(Json::parse(json.as_bytes()).expect("JSON")).expect("no name twice");
        let claims = ClaimsSet { issuer: &row.iss, issued_at: whole(&row.iat), expires_at: whole(&row.exp), payload }.to_cbor();
        assert_eq!(hex::encode(header.digest(&claims).as_bytes()), row.tbs_sha256, "{}", row.file);
    }
}

/// Names that a state wrote otherwise than Sceau would: written, the state's, ours, and why.
const DIFFERENT_SPELLINGS: &[(&str, &str, &str, &str)] = &[
    ("STARK ", "STARK<", "STARK", "Spain wrote a filler for the blank behind the name"),
    ("mäel", "MAEL", "MAEEL", "ICAO leaves AE and A open for Ä: the French CNAM has A, Sceau AE"),
    ("Μενεξές", "MENEKSES", "MENEXES", "GR/4; ELOT 743 has X for Ξ, and so do GR/1 and France"),
    ("Áçùþëýñääµ", "ACUTHEYNAEAE", "ACUTHEYNAEAEM", "the Netherlands dropped the micro sign, whose capital is the Greek M"),
    ("الاسم الأول", "ALASM<ALWL", "ALASM<ALXAEWL", "the Netherlands dropped the alef with hamza, for which ICAO's table C has XAE"),
    ("😀😃😄", "", "U+1F600", "the Netherlands dropped the emoji; Sceau refuses rather than leave the name empty"),
    ("Мар'яна", "MARYANNA", "MARIANA", "no table doubles the N; ICAO's table B has IA for Я"),
];

#[test]
fn names_are_spelled_as_the_states_did_but_for_a_known_list() {
    let Some(data) = testdata() else { return };
    let text = read(&data.join("dcc/translit_pairs.tsv"));
    let mut differing = Vec::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split('\t');
        let (written, theirs) = (cells.next().expect("a name"), cells.next().expect("its spelling"));
        let ours = transliterate(written).unwrap_or_else(|error| format!("U+{:04X}", u32::from(error.character)));
        if ours != theirs {
            differing.push((written, theirs, ours));
        }
    }
    let known: Vec<_> =
        DIFFERENT_SPELLINGS.iter().map(|(written, theirs, ours, _)| (*written, *theirs, (*ours).to_owned())).collect();
    assert_eq!(differing, known);
}
