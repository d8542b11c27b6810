//! Revocation lists: what OpenSSL and an independent reader make of ours, what we make of theirs, and what `sceau verify` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
use sceau::domain::{Digest, HashType, Kid, NumericDate, RevocationHashes, Signature};
use sceau::encode::SignedHcert;
use sceau::encode::cms::{Draft, OpenError, UploadCertificate, open, to_be_signed};
use sceau::encode::revocation::{Batches, ExpiryStep, MAX_ENTRIES, RevocationBatch, SigningError, batches};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, run, sceau};
use crate::testdata::{environment, read, testdata};

/// Before every published certificate expires.
const NOW: NumericDate = NumericDate::from_seconds(1_600_000_000);
const ALGORITHMS: [&SignatureAlgorithm; 2] = [&PKCS_ECDSA_P256_SHA256, &PKCS_RSA_SHA256];

/// A country's upload key with its self-signed certificate, as `up.pem` and `up.key` in a folder of its own.
pub(crate) struct Uploader {
    home: TempDir,
    pub(crate) certificate: UploadCertificate,
    key: KeyPair,
}

impl Uploader {
    pub(crate) fn new(country: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let (home, key) = (tempfile::tempdir().unwrap(), KeyPair::generate_for(algorithm).unwrap());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CountryName, country);
        params.distinguished_name.push(DnType::CommonName, "Upload");
        let certificate = params.self_signed(&key).unwrap();
        fs::write(home.path().join("up.pem"), certificate.pem()).unwrap();
        fs::write(home.path().join("up.key"), key.serialize_pem()).unwrap();
        Self { home, certificate: UploadCertificate::from_der(certificate.der()).unwrap(), key }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn sign_digest(&self, digest: &Digest) -> Signature {
        sign_digest(&self.key, digest)
    }

    /// Writes a content as a signed message, in base64.
    fn sign_as(&self, name: &str, content: &[u8]) -> PathBuf {
        self.finish_as(name, to_be_signed(content, &self.certificate, NOW).unwrap())
    }

    fn finish_as(&self, name: &str, draft: Draft<'_>) -> PathBuf {
        let signature = self.sign_digest(&draft.digest());
        fs::write(self.path(name), draft.finish(&signature).unwrap().to_base64()).unwrap();
        self.path(name)
    }

    /// OpenSSL's `cms` in the folder of the key.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Ran {
        run(Command::new("openssl").arg("cms").args(arguments).current_dir(self.home.path()))
    }
}

/// A signature as a token makes it: r‖s, or RSASSA-PSS.
pub(crate) fn sign_digest(key: &KeyPair, digest: &Digest) -> Signature {
    let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
    let pkcs8 = key.serialize_der();
    Signature::new(if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8) {
        key.sign_digest(&digest).unwrap().as_ref().to_vec()
    } else {
        let key = RsaKeyPair::from_pkcs8(&pkcs8).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign_digest(&RSA_PSS_SHA256, &digest, &mut signature).unwrap();
        signature
    })
}

/// What is published with one entry each, as certificates are to be: 428, with the line of each.
fn published(data: &Path) -> Vec<(String, SignedHcert)> {
    let vectors = read(&data.join("dcc/vectors.hc1.jsonl"));
    let decode = |line: &str| {
        let vector: Value = serde_json::from_str(line).unwrap();
        (line.to_owned(), SignedHcert::decode(vector["hc1"].as_str().unwrap()).unwrap())
    };
    vectors.lines().map(decode).filter(|(_, hcert)| hcert.certificate_type().is_some()).collect()
}

fn hashes(hcert: &SignedHcert) -> RevocationHashes {
    let signature = Signature::new(hcert.signature().to_vec());
    RevocationHashes::of(hcert.algorithm(), &signature, hcert.uvci().unwrap_or_default(), hcert.issuer().unwrap_or_default())
}

/// Whether a certificate can be revoked by a type: some of the published ones have no `ci`, or no `iss`.
fn has(hcert: &SignedHcert, hash_type: HashType) -> bool {
    match hash_type {
        HashType::Signature => true,
        HashType::Uci => hcert.uvci().is_some(),
        HashType::CountryCodeUci => hcert.uvci().is_some() && hcert.issuer().is_some(),
    }
}

fn batches_of<'h>(hash_type: HashType, hcerts: impl IntoIterator<Item = &'h SignedHcert>) -> Batches {
    let revoked =
        hcerts.into_iter().filter(|hcert| has(hcert, hash_type)).map(|hcert| (hcert.kid(), hcert.expires_at(), hashes(hcert)));
    batches("FR".parse().unwrap(), hash_type, NOW, ExpiryStep::Day, revoked)
}

#[test]
fn the_worked_example_has_its_published_hashes() {
    let Some(data) = testdata() else { return };
    let is_the_example = |(line, _): &&(String, SignedHcert)| line.contains(r#""id": "FR/DCC_Test_0001""#);
    let published = published(&data);
    let (_, hcert) = published.iter().find(is_the_example).unwrap();
    assert_eq!((hcert.uvci(), hcert.issuer()), (Some("URN:UVCI:01:FR:GGD81AAH16AZ#8"), Some("FR")));
    let listed = HashType::ALL.map(|hash_type| STANDARD.encode(hashes(hcert).of_type(hash_type)));
    assert_eq!(listed, ["HVRDh6w9RZ70LaAh71SWbw==", "Js4PVxVVBZRJ8cHid1I1FQ==", "Vc9Ac3zb/OiZfzubiQRu3w=="]);
}

/// Python with what the independent readers need; nothing where there is none, which `tests/run` sees to.
pub(crate) fn python() -> Option<Command> {
    let Some(python) = environment("SCEAU_PYTHON") else {
        assert!(environment("CI").is_none_or(|ci| ci != "true"), "SCEAU_PYTHON is not set; tests/run sets it");
        eprintln!("SCEAU_PYTHON is not set: this test CHECKS NOTHING; tests/run sets it");
        return None;
    };
    Some(Command::new(python))
}

fn read_independently(uploader: &Uploader, country: &str, lists: &[PathBuf]) -> Option<Ran> {
    read_lists_independently(&uploader.path("up.pem"), country, lists)
}

/// The independent reader over lists; nothing where there is no Python for it.
pub(crate) fn read_lists_independently(upload_certificate: &Path, country: &str, lists: &[PathBuf]) -> Option<Ran> {
    let mut reader = python()?;
    reader.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/revocations.py"));
    reader.args(["--country", country, "--now", &NOW.seconds().to_string(), "--upload-certificate"]);
    Some(run(reader.arg(upload_certificate).args(lists)))
}

/// (kid, hash type, hash) of every published certificate of one entry, by the independent verifier.
fn expected_entries(data: &Path) -> Option<BTreeSet<(String, String, String)>> {
    let vectors = fs::File::open(data.join("dcc/vectors.hc1.jsonl")).unwrap();
    let mut verifier = python()?;
    verifier.arg(data.join("verify_hc1.py")).arg(data.join("dcc/trustlist.json")).arg("--lenient").stdin(Stdio::from(vectors));
    let verdicts = run(&mut verifier).stdout;
    let of_one_entry = verdicts.lines().filter(|line| !line.contains("not_one_entry"));
    let entries = of_one_entry.flat_map(|line| {
        let verdict: Value = serde_json::from_str(line).unwrap();
        let kid = verdict["kid"].as_str().unwrap().to_owned();
        let hashes = verdict["revocation"].as_object().unwrap().clone();
        hashes.into_iter().map(move |(kind, hash)| (kid.clone(), kind, hash.as_str().unwrap().to_owned()))
    });
    Some(entries.collect())
}

#[test]
fn an_independent_reader_finds_in_our_lists_what_another_computes_from_the_certificates() {
    let Some(data) = testdata() else { return };
    let Some(expected) = expected_entries(&data) else { return };
    let published = published(&data);
    for algorithm in ALGORITHMS {
        let uploader = Uploader::new("FR", algorithm);
        let mut lists = Vec::new();
        for hash_type in HashType::ALL {
            let made = batches_of(hash_type, published.iter().map(|(_, hcert)| hcert));
            assert_eq!((made.expired, made.batches.len() > 20), (0, true));
            let sign = |(number, batch): (usize, &RevocationBatch)| {
                uploader.finish_as(&format!("{hash_type}-{number}.cms"), batch.to_be_signed(&uploader.certificate, NOW).unwrap())
            };
            lists.extend(made.batches.iter().enumerate().map(sign));
        }
        let ran = read_independently(&uploader, "FR", &lists).unwrap();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let entry = |line: &str| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("kid"), text("hashType"), text("hash"))
        };
        let found: BTreeSet<_> = ran.stdout.lines().map(entry).collect();
        let differing: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(
            differing.is_empty() && found.len() > 1000,
            "{} entries, {} differing: {:?}",
            found.len(),
            differing.len(),
            differing.first()
        );
    }
}

#[test]
fn the_independent_reader_refuses_what_it_should() {
    let uploader = Uploader::new("FR", &PKCS_ECDSA_P256_SHA256);
    let good = r#"{"country":"FR","expires":"2022-10-20T00:00:00Z","kid":"hwqqRGC1bRc=","hashType":"SIGNATURE","entries":[{"hash":"HVRDh6w9RZ70LaAh71SWbw=="}]}"#;
    let Some(ran) = read_independently(&uploader, "FR", &[uploader.sign_as("good", good.as_bytes())]) else { return };
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{}", ran.stderr);
    for (from, to) in [("FR", "DE"), ("2022", "2019"), ("SIGNATURE", "SHA"), ("Wbw==", "Wb=="), ("hwqq", "wqq")] {
        let list = uploader.sign_as("bad", good.replace(from, to).as_bytes());
        assert_eq!(read_independently(&uploader, "FR", &[list]).unwrap().code, Some(1), "{to}");
    }
    let other = Uploader::new("FR", &PKCS_ECDSA_P256_SHA256);
    assert_eq!(read_independently(&other, "FR", &[uploader.path("good")]).unwrap().code, Some(1));
}

#[test]
fn openssl_verifies_what_we_sign() {
    for algorithm in ALGORITHMS {
        let uploader = Uploader::new("FR", algorithm);
        let content = vec![b'x'; 40_000];
        let message = STANDARD.decode(fs::read(uploader.sign_as("list", &content)).unwrap()).unwrap();
        fs::write(uploader.path("list.der"), message).unwrap();
        let trust =
            ["-CAfile", "up.pem", "-partial_chain", "-purpose", "any", "-no_check_time", "-nointern", "-certfile", "up.pem"];
        let ran = uploader
            .openssl(&[&["-verify", "-inform", "DER", "-in", "list.der", "-binary", "-out", "content"][..], &trust].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(fs::read(uploader.path("content")).unwrap(), content);
    }
}

#[test]
fn a_batch_is_signed_for_its_own_country_alone() {
    let hashes = RevocationHashes { signature: [1; 16], uci: [1; 32], country_uci: [1; 32] };
    let revoked = [(Kid::from([1; 8]), NOW.plus_seconds(1), hashes)];
    let batch = batches("FR".parse().unwrap(), HashType::Signature, NOW, ExpiryStep::Day, revoked).batches.remove(0);
    let (ours, theirs) = (Uploader::new("FR", ALGORITHMS[0]), Uploader::new("DE", ALGORITHMS[0]));
    let list = fs::read(ours.finish_as("list.cms", batch.to_be_signed(&ours.certificate, NOW).unwrap())).unwrap();
    assert_eq!(RevocationBatch::open(&list, std::slice::from_ref(&ours.certificate)).unwrap(), batch);
    let refused = batch.to_be_signed(&theirs.certificate, NOW);
    assert!(matches!(&refused, Err(SigningError::Country(error)) if error.batch == "FR"), "{refused:?}");
}

/// How OpenSSL signs: the padding of RSA, and the form (`-stream` leaves lengths open, as dgc-lib does).
const FORMS: [&[&str]; 4] = [
    &["-outform", "DER"],
    &["-outform", "DER", "-stream"],
    &["-outform", "PEM"],
    &["-outform", "DER", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"],
];

#[test]
fn we_open_what_openssl_signs() {
    for algorithm in ALGORITHMS {
        let uploader = Uploader::new("FR", algorithm);
        let is_rsa = std::ptr::eq(algorithm, &PKCS_RSA_SHA256);
        let content = vec![b'x'; 40_000];
        fs::write(uploader.path("content"), &content).unwrap();
        for form in FORMS.iter().filter(|form| is_rsa || !form.contains(&"-keyopt")) {
            let sign = ["-sign", "-in", "content", "-binary", "-nodetach", "-md", "sha256", "-out", "message"];
            let ran = uploader.openssl(&[&sign[..], &["-signer", "up.pem", "-inkey", "up.key"], form].concat());
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let message = fs::read(uploader.path("message")).unwrap();
            let opened =
                open(&message, std::slice::from_ref(&uploader.certificate)).unwrap_or_else(|error| panic!("{form:?}: {error}"));
            assert_eq!(opened.content, content, "{form:?}");
            assert!(matches!(open(&message, &[]), Err(OpenError::Untrusted { .. })), "{form:?}");
        }
    }
}

/// `sceau verify` of one published certificate under lists.
fn verify(data: &Path, line: &str, lists: &[&Path], more: &[&Path]) -> Ran {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, line.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let mut command = sceau();
    command.args(["verify", "--at", "iat", "--trust"]).arg(data.join("dcc/trustlist.json")).arg("--revocations").args(lists);
    if !more.is_empty() {
        command.arg("--upload-certificate").args(more);
    }
    run(command.stdin(Stdio::from(file)))
}

/// The certificate of the worked example, and another of the same state.
fn two_of_france(data: &Path) -> [(String, SignedHcert); 2] {
    let mut published = published(data);
    let mut take = |id: &str| {
        let at = published.iter().position(|(line, _)| line.contains(&format!(r#""id": "{id}""#))).unwrap();
        published.swap_remove(at)
    };
    [take("FR/DCC_Test_0001"), take("FR/DCC_Test_0002")]
}

#[test]
fn verify_refuses_what_is_revoked_whatever_the_form_of_the_list() {
    let Some(data) = testdata() else { return };
    let [(revoked, hcert), (other, _)] = two_of_france(&data);
    let uploader = Uploader::new("FR", &PKCS_ECDSA_P256_SHA256);
    let batch = batches_of(HashType::Signature, [&hcert]).batches.remove(0).to_json();
    let [json, array] = ["list.json", "lists.json"].map(|name| uploader.path(name));
    fs::write(&json, &batch).unwrap();
    fs::write(&array, [b"[", batch.as_slice(), b"]"].concat()).unwrap();
    let base64 = uploader.sign_as("list.cms", &batch);
    let der = uploader.path("list.der");
    fs::write(&der, STANDARD.decode(fs::read(&base64).unwrap()).unwrap()).unwrap();
    for list in [json, array, base64, der] {
        let ran = verify(&data, &revoked, &[&list], &[&uploader.path("up.pem")]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        let verdict: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(verdict["errors"], serde_json::json!(["revoked: a revocation list holds its SIGNATURE hash"]));
        assert_eq!(verify(&data, &other, &[&list], &[&uploader.path("up.pem")]).code, Some(0));
    }
}

#[test]
fn verify_ends_where_a_list_cannot_be_believed() {
    let Some(data) = testdata() else { return };
    let [(line, hcert), _] = two_of_france(&data);
    let (uploader, other) = (Uploader::new("FR", &PKCS_ECDSA_P256_SHA256), Uploader::new("DE", &PKCS_ECDSA_P256_SHA256));
    let batch = batches_of(HashType::Signature, [&hcert]).batches.remove(0).to_json();
    let (ours, theirs) = (uploader.sign_as("list.cms", &batch), other.sign_as("list.cms", &batch));
    let (up, no_list) = (uploader.path("up.pem"), uploader.path("none.json"));
    fs::write(&no_list, "[{}]").unwrap();
    for (list, trusted, reason) in [
        (&ours, vec![], "--upload-certificate names the certificates that may sign one"),
        (&theirs, vec![up.as_path()], "not among the trusted upload certificates: SHA-256 "),
        (&theirs, vec![&other.path("up.pem")], "a batch of FR under an upload certificate of another country, or of none: C=DE"),
        (&no_list, vec![], "none.json: not a revocation batch: missing field `country`"),
        (&up, vec![&up], "not a CMS SignedData message"),
    ] {
        let ran = verify(&data, &line, &[list], &trusted);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nsceau: ") && ran.stderr.contains(reason), "{}", ran.stderr);
    }
    let absent = verify(&data, &line, &[Path::new("absent.json")], &[]);
    assert_eq!(absent.code, Some(66), "{}", absent.stderr);
}

/// Certificates of few kids, expiries and hashes, so that many are alike.
fn revoked() -> impl Strategy<Value = Vec<(Kid, NumericDate, RevocationHashes)>> {
    let certificate = (0..3u8, -86_400..3 * 86_400i64, 0..3000u16).prop_map(|(kid, later, hash)| {
        let mut signature = [kid; 16];
        signature[..2].copy_from_slice(&hash.to_be_bytes());
        let hashes = RevocationHashes { signature, uci: [0; 32], country_uci: [0; 32] };
        (Kid::from([kid; 8]), NOW.plus_seconds(later), hashes)
    });
    proptest::collection::vec(certificate, 0..6000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_hold_what_was_revoked_and_nothing_else(mut revoked in revoked(), day in any::<bool>()) {
        let step = if day { ExpiryStep::Day } else { ExpiryStep::Second };
        let group = |revoked: &[(Kid, NumericDate, RevocationHashes)]| {
            batches("FR".parse().unwrap(), HashType::Signature, NOW, step, revoked.iter().copied())
        };
        let made = group(&revoked);
        let mut live = BTreeMap::new();
        for (kid, exp, hashes) in revoked.iter().filter(|(_, exp, _)| *exp > NOW) {
            let latest = live.entry((*kid, hashes.signature)).or_insert(*exp);
            *latest = (*latest).max(*exp);
        }
        let expired = revoked.iter().filter(|(_, exp, _)| *exp <= NOW).count();
        prop_assert_eq!((made.expired, made.repeated), (expired, revoked.len() - expired - live.len()));

        let mut held = BTreeSet::new();
        for batch in &made.batches {
            prop_assert!((1..=MAX_ENTRIES).contains(&batch.entries().len()));
            for hash in batch.entries() {
                let kid = batch.kid().unwrap();
                prop_assert!(held.insert((kid, *hash)), "a hash stands in one batch");
                let latest = live[&(kid, *hash)];
                let over = batch.expires().seconds() - latest.seconds();
                prop_assert!(if day { (0..86_400).contains(&over) } else { over == 0 }, "{over}");
            }
            prop_assert_eq!(&RevocationBatch::from_json(&batch.to_json()).unwrap(), batch);
        }
        prop_assert_eq!(held.len(), live.len());

        revoked.reverse();
        prop_assert_eq!(group(&revoked), made);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = RevocationBatch::all_from_json(&bytes);
        let _ = open(&bytes, &[]);
        let _ = open(&[&[0x30, 0x80], bytes.as_slice()].concat(), &[]);
    }
}
