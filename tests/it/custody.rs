//! What goes to the CSCA and the gateway, and what comes back: as OpenSSL and an independent reader see it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
use sceau::custody::import::{Certified, Csca, Expected, ImportFault, KnownKids, Refused, SignatureFault, check};
use sceau::custody::publish::{self, PublishError, UploadError};
use sceau::custody::trust_list::{self, Listing};
use sceau::domain::{CertificateType, CertificateTypes, Clock, Dsc, NumericDate, PublicKey, Signature, SystemClock};
use sceau::encode::cms::{SignedMessage, to_be_signed};
use sceau::encode::csr::{self, CsrError, Subject};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::revocation::{Uploader, python, sign_digest};
use crate::support::{Ran, run};
use crate::testdata::{read, testdata};

const ALGORITHMS: [&SignatureAlgorithm; 2] = [&PKCS_ECDSA_P256_SHA256, &PKCS_RSA_SHA256];

fn subject() -> Subject {
    Subject {
        country: "FR".parse().unwrap(),
        organization: Some("Ministère de la Santé".to_owned()),
        unit: None,
        common_name: "DSC 0001".to_owned(),
        serial_number: Some("2025-01".to_owned()),
    }
}

fn vaccination() -> CertificateTypes {
    [CertificateType::Vaccination].into_iter().collect()
}

fn public_key(key: &KeyPair) -> PublicKey {
    let der = CertificateParams::default().self_signed(key).unwrap().der().to_vec();
    Dsc::from_der(&der).unwrap().public_key().clone()
}

/// The request of a key, in PEM.
fn request(key: &KeyPair, types: CertificateTypes) -> String {
    let draft = csr::to_be_signed(&public_key(key), &subject(), types).unwrap();
    let signature = sign_digest(key, &draft.digest());
    draft.finish(&signature).unwrap().to_pem().unwrap()
}

/// The independent reader.
pub(crate) fn read_independently(kind: &str, arguments: &[&str], files: &[&Path]) -> Option<Ran> {
    let mut reader = python()?;
    // -B: it takes a part of the reader beside it, and is to leave nothing there.
    reader.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/custody.py"));
    Some(run(reader.arg(kind).args(arguments).args(files)))
}

#[test]
fn openssl_and_an_independent_reader_take_our_requests() {
    for algorithm in ALGORITHMS {
        let (home, key) = (tempfile::tempdir().unwrap(), KeyPair::generate_for(algorithm).unwrap());
        let (is_rsa, file) = (std::ptr::eq(algorithm, &PKCS_RSA_SHA256), home.path().join("request.pem"));
        fs::write(&file, request(&key, vaccination())).unwrap();
        let ran = run(Command::new("openssl").args(["req", "-verify", "-noout", "-text", "-nameopt", "utf8", "-in"]).arg(&file));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("verify OK"), "{}", ran.stderr);
        let name = if is_rsa { "Signature Algorithm: rsassaPss" } else { "Signature Algorithm: ecdsa-with-SHA256" };
        for text in [name, "DSC 0001", "Ministère de la Santé", "1.3.6.1.4.1.1847.2021.1.2", "X509v3 Key Usage: critical"] {
            assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
        }
        let Some(ran) = read_independently("request", &[], &[&file]) else { return };
        let right = json!({
            "subject": {"2.5.4.6": "FR", "2.5.4.10": "Ministère de la Santé", "2.5.4.3": "DSC 0001", "2.5.4.5": "2025-01"},
            "key": if is_rsa { "rsa-2048" } else { "secp256r1" },
            "usages": ["1.3.6.1.4.1.1847.2021.1.2"],
            "padding": if is_rsa { "pss" } else { "none" },
        });
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).ok(), Some(right), "{}", ran.stderr);
    }
}

#[test]
fn a_dsc_for_any_type_asks_for_no_extended_key_usage() {
    let (home, key) = (tempfile::tempdir().unwrap(), KeyPair::generate().unwrap());
    let file = home.path().join("request.pem");
    fs::write(&file, request(&key, CertificateTypes::ANY)).unwrap();
    let ran = run(Command::new("openssl").args(["req", "-verify", "-noout", "-text", "-in"]).arg(&file));
    assert!(ran.stdout.contains("Key Usage") && !ran.stdout.contains("Extended Key Usage"), "{}", ran.stdout);
}

#[test]
fn a_signature_of_another_key_writes_no_request() {
    let [key, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
    let draft = || csr::to_be_signed(&public_key(&key), &subject(), vaccination()).unwrap();
    for signature in [sign_digest(&other, &draft().digest()), Signature::new(vec![0; 64]), Signature::new(vec![])] {
        assert!(matches!(draft().finish(&signature), Err(CsrError::WrongSignature)));
    }
}

#[test]
fn a_subject_that_has_no_place_in_a_certificate_is_refused() {
    let key = public_key(&KeyPair::generate().unwrap());
    let fault = |subject: Subject| csr::to_be_signed(&key, &subject, vaccination()).unwrap_err().to_string();
    let right = "CN of the subject has 1 to 64 characters, no control characters, and no space at an end";
    for common_name in [String::new(), "é".repeat(65), "a\nb".to_owned(), " a".to_owned()] {
        assert_eq!(fault(Subject { common_name, ..subject() }), right);
    }
    assert!(fault(Subject { unit: Some(String::new()), ..subject() }).starts_with("OU of the subject has 1 to 64"));
    assert!(
        fault(Subject { serial_number: Some("né".to_owned()), ..subject() }).starts_with("serialNumber of the subject takes")
    );
    csr::to_be_signed(&key, &Subject { common_name: "é".repeat(64), ..subject() }, vaccination()).unwrap();
}

/// A CSCA that OpenSSL plays, in a folder of its own.
struct OpensslCsca {
    home: TempDir,
    csca: Csca,
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = csca_name
x509_extensions = csca
prompt = no
[csca_name]
C = FR
O = Ministry
CN = CSCA-FRANCE
[csca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[dsc]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = 1.3.6.1.4.1.1847.2021.1.2
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
crlDistributionPoints = URI:http://crl.example/csca.crl
";

const RSA_CSCA: &[&str] = &["-newkey", "rsa:2048"];

impl OpensslCsca {
    fn new(key: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("openssl.cnf"), CONFIGURATION).unwrap();
        let make =
            ["req", "-x509", "-config", "openssl.cnf", "-nodes", "-keyout", "csca.key", "-days", "1460", "-out", "csca.pem"];
        openssl(&home, &[&make[..], key].concat());
        let csca = Csca::from_der(&der(&home.path().join("csca.pem"))).unwrap();
        Self { home, csca }
    }

    /// A DSC for a request, as the CSCA makes it.
    fn issue(&self, request: &str, more: &[&str]) -> Vec<u8> {
        fs::write(self.home.path().join("request.pem"), request).unwrap();
        let issue =
            ["x509", "-req", "-in", "request.pem", "-CA", "csca.pem", "-CAkey", "csca.key", "-days", "700", "-out", "dsc.pem"];
        openssl(&self.home, &[&issue[..], more].concat());
        der(&self.home.path().join("dsc.pem"))
    }

    /// The request of a key that OpenSSL makes itself.
    fn request(&self, key: &str) -> String {
        let make = ["req", "-new", "-config", "openssl.cnf", "-nodes", "-subj", "/C=FR/O=Ministry/CN=DSC", "-keyout", "dsc.key"];
        openssl(&self.home, &[&make[..], &["-newkey", key, "-out", "own.pem"]].concat());
        fs::read_to_string(self.home.path().join("own.pem")).unwrap()
    }

    fn check(&self, der: &[u8], public_key: &PublicKey) -> Result<Certified, Refused> {
        let (known, cscas) = (KnownKids::new(), std::slice::from_ref(&self.csca));
        let (country, now) = ("FR".parse().unwrap(), SystemClock.now());
        check(der, &Expected { public_key, country, types: vaccination(), cscas, known: &known, now })
    }
}

fn openssl(home: &TempDir, arguments: &[&str]) {
    let ran = run(Command::new("openssl").args(arguments).current_dir(home.path()));
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
}

/// The first certificate of a PEM file.
fn der(file: &Path) -> Vec<u8> {
    sceau::domain::pem::certificates(&read(file)).next().unwrap().unwrap()
}

const PROFILE: [&str; 5] = ["-extfile", "openssl.cnf", "-extensions", "dsc", "-sha256"];

#[test]
fn what_openssl_certifies_from_our_request_is_taken() {
    let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];
    let p384: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
    for algorithm in ALGORITHMS {
        let key = KeyPair::generate_for(algorithm).unwrap();
        for (csca, more) in [(RSA_CSCA, &[][..]), (RSA_CSCA, &pss[..]), (p384, &[])] {
            let csca = OpensslCsca::new(csca);
            let der = csca.issue(&request(&key, vaccination()), &[&PROFILE[..], more].concat());
            let certified = csca.check(&der, &public_key(&key)).unwrap_or_else(|refused| panic!("{more:?}: {refused}"));
            assert_eq!(certified.warnings(), []);
            let right = "SERIALNUMBER=2025-01,CN=DSC 0001,O=Ministère de la Santé,C=FR";
            assert_eq!(certified.dsc().subject(), right);
        }
    }
}

#[test]
fn a_key_of_rsa_1024_or_4096_and_one_on_p384_or_brainpool_are_refused() {
    let (csca, ours) = (OpensslCsca::new(RSA_CSCA), public_key(&KeyPair::generate().unwrap()));
    let keys = [
        ("rsa:1024", "RSA of 1024 bits"),
        ("rsa:4096", "RSA-4096"),
        ("ec:p384.pem", "on the curve secp384r1 (1.3.132.0.34)"),
        ("ec:brainpool.pem", "on the curve brainpoolP256r1 (1.3.36.3.3.2.8.1.1.7)"),
    ];
    for (file, curve) in [("p384.pem", "secp384r1"), ("brainpool.pem", "brainpoolP256r1")] {
        openssl(&csca.home, &["ecparam", "-name", curve, "-out", file]);
    }
    for (key, right) in keys {
        let refused = csca.check(&csca.issue(&csca.request(key), &PROFILE), &ours).unwrap_err();
        let is_right = |fault: &ImportFault| matches!(fault, ImportFault::Key { found } if found == right);
        assert!(refused.faults().iter().any(is_right), "{key}: {refused}");
    }
}

#[test]
fn a_signature_that_cannot_be_checked_is_refused_and_said_to_be_unsupported() {
    let brainpool: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"];
    let odd_salt = [&PROFILE[..], &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"]].concat();
    let key = KeyPair::generate().unwrap();
    let all = [
        (brainpool, &PROFILE[..], "a key on the curve brainpoolP256r1 (1.3.36.3.3.2.8.1.1.7)"),
        (RSA_CSCA, &[&PROFILE[..4], &["-sha1"]].concat(), "the signature algorithm sha1WithRSAEncryption (1.2.840.113549.1.1.5)"),
        (RSA_CSCA, &odd_salt, "RSASSA-PSS with these parameters"),
    ];
    for (csca, issue, right) in all {
        let csca = OpensslCsca::new(csca);
        let refused = csca.check(&csca.issue(&request(&key, vaccination()), issue), &public_key(&key)).unwrap_err();
        let [ImportFault::Signature { fault: SignatureFault::Unsupported { what }, .. }] = refused.faults() else {
            panic!("{right}: {refused}")
        };
        assert_eq!(what, right);
    }
}

#[test]
fn a_certificate_of_version_1_is_refused() {
    let (csca, key) = (OpensslCsca::new(RSA_CSCA), KeyPair::generate().unwrap());
    let refused = csca.check(&csca.issue(&request(&key, vaccination()), &[]), &public_key(&key)).unwrap_err();
    assert!(matches!(refused.faults()[0], ImportFault::Version { version: 1 }), "{refused}");
}

/// A self-signed DSC of a country, valid for a long time.
fn dsc(country: &str) -> Dsc {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CountryName, country);
    params.distinguished_name.push(DnType::CommonName, "DSC");
    Dsc::from_der(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
}

const NOW: NumericDate = NumericDate::from_seconds(1_735_689_600);

fn upload(dsc: &Dsc, uploader: &Uploader) -> SignedMessage {
    let draft = publish::to_be_signed(dsc, &uploader.certificate, NOW).unwrap();
    let signature = uploader.sign_digest(&draft.digest());
    draft.finish(&signature).unwrap()
}

const TRUST: [&str; 8] = ["-CAfile", "up.pem", "-partial_chain", "-purpose", "any", "-no_check_time", "-nointern", "-certfile"];

#[test]
fn openssl_and_an_independent_reader_find_the_dsc_in_an_upload() {
    for algorithm in ALGORITHMS {
        let (uploader, dsc) = (Uploader::new("FR", algorithm), dsc("FR"));
        let message = upload(&dsc, &uploader);
        fs::write(uploader.path("upload.der"), message.as_der()).unwrap();
        fs::write(uploader.path("upload"), message.to_base64()).unwrap();
        let verify = ["-verify", "-inform", "DER", "-in", "upload.der", "-binary", "-out", "content"];
        let ran = uploader.openssl(&[&verify[..], &TRUST, &["up.pem"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(fs::read(uploader.path("content")).unwrap(), dsc.der());
        assert_eq!(publish::open(message.as_der(), std::slice::from_ref(&uploader.certificate)).unwrap().kid(), dsc.kid());
        let certificate = uploader.path("up.pem");
        let arguments = ["--upload-certificate", certificate.to_str().unwrap()];
        let Some(ran) = read_independently("upload", &arguments, &[&uploader.path("upload")]) else { return };
        assert!(ran.stdout.starts_with(&format!("\"{}", dsc.kid())), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn an_upload_is_of_the_own_country_and_of_a_dsc_that_is_not_over() {
    let uploader = Uploader::new("FR", &PKCS_ECDSA_P256_SHA256);
    let refused = publish::to_be_signed(&dsc("DE"), &uploader.certificate, NOW);
    assert!(matches!(&refused, Err(PublishError::Country { dsc, upload }) if dsc == "DE" && upload == "FR"), "{refused:?}");
    let ours = dsc("FR");
    let over = publish::to_be_signed(&ours, &uploader.certificate, ours.not_after().plus_seconds(1));
    assert!(matches!(over, Err(PublishError::Expired { .. })), "{over:?}");
    let trusted = std::slice::from_ref(&uploader.certificate);
    let signed = |content: &[u8]| {
        let draft = to_be_signed(content, &uploader.certificate, NOW).unwrap();
        let signature = uploader.sign_digest(&draft.digest());
        draft.finish(&signature).unwrap()
    };
    assert!(matches!(publish::open(signed(dsc("DE").der()).as_der(), trusted), Err(UploadError::Country { .. })));
    assert!(matches!(publish::open(signed(b"no DSC").as_der(), trusted), Err(UploadError::Content(_))));
    assert!(matches!(publish::open(upload(&ours, &uploader).as_der(), &[]), Err(UploadError::Open(_))));
}

#[test]
fn a_trust_list_holds_each_dsc_with_the_signature_of_its_upload() {
    let uploader = Uploader::new("FR", &PKCS_ECDSA_P256_SHA256);
    let dscs = [dsc("FR"), dsc("FR")];
    let message = upload(&dscs[0], &uploader);
    let listings =
        [Listing { dsc: &dscs[0], since: NOW, upload: Some(&message) }, Listing { dsc: &dscs[1], since: NOW, upload: None }];
    let list = trust_list::write(&listings).unwrap();
    fs::write(uploader.path("list.json"), &list).unwrap();
    let entries: Value = serde_json::from_slice(&list).unwrap();
    let signature = STANDARD.decode(entries[0]["signature"].as_str().unwrap()).unwrap();
    fs::write(uploader.path("signature.der"), signature).unwrap();
    let files: Vec<PathBuf> = (0..2).map(|number| uploader.path(&format!("{number}.der"))).collect();
    files.iter().zip(&dscs).for_each(|(file, dsc)| fs::write(file, dsc.der()).unwrap());

    let verify = |content: &str| {
        let verify = ["-verify", "-inform", "DER", "-in", "signature.der", "-binary", "-content", content, "-out", "out"];
        uploader.openssl(&[&verify[..], &TRUST, &["up.pem"]].concat()).code
    };
    assert_eq!(verify("0.der"), Some(0));
    assert_ne!(verify("1.der"), Some(0));
    let Some(ran) = read_independently("list", &[], &[&uploader.path("list.json"), &files[0], &files[1]]) else { return };
    let kids: Vec<String> = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    assert_eq!(kids, dscs.each_ref().map(|dsc| dsc.kid().to_string()));
}

/// The verdicts of the independent verifier over the published codes.
fn verdicts(data: &Path, list: &Path) -> Option<String> {
    let codes = fs::File::open(data.join("dcc/vectors.hc1.jsonl")).unwrap();
    let mut verifier = python()?;
    Some(run(verifier.arg(data.join("verify_hc1.py")).arg(list).arg("--lenient").stdin(Stdio::from(codes))).stdout)
}

#[test]
fn the_independent_verifier_finds_in_our_list_what_it_finds_in_the_published_one() {
    let Some(data) = testdata() else { return };
    let published = data.join("dcc/trustlist.json");
    let listed: Vec<_> = trust_list::read(&fs::read(&published).unwrap()).unwrap().into_iter().map(Result::unwrap).collect();
    let dscs: Vec<Dsc> = listed.iter().filter_map(|listed| Dsc::from_der(&listed.der).ok()).collect();
    // All but the one on P-384, which verifies nothing there.
    assert_eq!((listed.len(), dscs.len()), (69, 68));
    let listings: Vec<_> = dscs.iter().map(|dsc| Listing { dsc, since: NOW, upload: None }).collect();
    let home = tempfile::tempdir().unwrap();
    let ours = home.path().join("trustlist.json");
    fs::write(&ours, trust_list::write(&listings).unwrap()).unwrap();
    let accepted = |verdicts: String| -> Vec<String> {
        verdicts.lines().filter(|line| line.contains(r#""verdict": "ok""#)).map(str::to_owned).collect()
    };
    let Some(right) = verdicts(&data, &published).map(accepted) else { return };
    assert!(right.len() > 400);
    assert_eq!(verdicts(&data, &ours).map(accepted), Some(right));
}

#[test]
fn a_kid_of_the_published_list_is_taken() {
    let Some(data) = testdata() else { return };
    let mut known = KnownKids::new();
    for (number, listed) in trust_list::read(&fs::read(data.join("dcc/trustlist.json")).unwrap()).unwrap().into_iter().enumerate()
    {
        known.add(&listed.unwrap().der, format!("the published list, entry {}", number + 1));
    }
    let (csca, ours) = (OpensslCsca::new(RSA_CSCA), public_key(&KeyPair::generate().unwrap()));
    let entry = trust_list::read(&fs::read(data.join("dcc/trustlist.json")).unwrap()).unwrap().remove(6).unwrap();
    let (country, now) = ("FR".parse().unwrap(), SystemClock.now());
    let expected = Expected {
        public_key: &ours,
        country,
        types: vaccination(),
        cscas: std::slice::from_ref(&csca.csca),
        known: &known,
        now,
    };
    let refused = check(&entry.der, &expected).unwrap_err();
    let taken = format!("the kid {} is taken: this very certificate stands in the published list, entry 7 already", entry.kid());
    assert!(refused.to_string().contains(&taken), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_check_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let mut bent = dsc("FR").der().to_vec();
        let at = at.index(bent.len());
        let end = (at + bytes.len()).min(bent.len());
        bent.splice(at..end, bytes.iter().copied());
        let (key, known) = (public_key(&KeyPair::generate().unwrap()), KnownKids::new());
        for der in [&bent, &bytes] {
            let cscas: Vec<Csca> = Csca::from_der(der).into_iter().collect();
            let (country, types) = ("FR".parse().unwrap(), vaccination());
            let expected = Expected { public_key: &key, country, types, cscas: &cscas, known: &known, now: NOW };
            prop_assert!(check(der, &expected).is_err());
            let _ = trust_list::read(der);
            let _ = publish::open(der, &[]);
        }
    }
}
