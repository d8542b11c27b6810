//! The section `[person]`: as the sample shows it, and each setting that is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sceau::config::{Config, ConfigError};
use sceau::domain::{CertificateType, CertificateTypes};
use sceau::service::person::{JwtAlgorithm, PersonSettings};
use tempfile::TempDir;

use super::jwt::{IssuerKey, jwks};
use super::pki::Pki;
use super::testdata::read;

/// The sample with its `[person]` in force, on keys in a file, in a folder with what it names.
struct Sample {
    home: TempDir,
    text: String,
}

impl Sample {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["uvci.secret", "subject.secret"] {
            fs::write(home.path().join(name), [b'x'; 32]).unwrap();
            fs::set_permissions(home.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        Pki::new(home.path());
        fs::copy(home.path().join("ca.pem"), home.path().join("clients-ca.pem")).unwrap();
        fs::write(home.path().join("issuer.jwks"), jwks(&[&IssuerKey::p256("a")])).unwrap();
        let sample = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/sceau.toml"));
        let (before, section) = sample.split_once("\n# [person]\n").expect("the sample shows the section");
        let keys: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("# ").filter(|line| is_toml(line))).collect();
        let text = format!("{before}\n[person]\n{}\n", keys.join("\n"));
        let text = text.replace("jwks_ca = \"issuer-ca.pem\"", "");
        Self { home, text: text.replace("jwks_url = \"https://id.example.org/jwks\"", "jwks_file = \"issuer.jwks\"") }
    }

    fn load(&self, from: &str, to: &str) -> Result<Option<PersonSettings>, ConfigError> {
        assert!(self.text.contains(from), "{from}");
        let path = self.home.path().join("sceau.toml");
        fs::write(&path, self.text.replacen(from, to, 1)).unwrap();
        Config::load(&path).map(|config| config.person)
    }

    fn refusal(&self, from: &str, to: &str) -> String {
        self.load(from, to).expect_err(to).to_string()
    }
}

/// A key or a table; not a sentence.
fn is_toml(line: &str) -> bool {
    let key = line.split_once(" = ").map_or("", |(key, _)| key);
    line.starts_with('[') || (!key.is_empty() && !key.contains([' ', ':']))
}

#[test]
fn the_samples_section_is_whole() {
    let person = Sample::new().load("", "").unwrap().expect("there is a section");
    assert_eq!(person.header, "authorization");
    assert_eq!(person.algorithms, JwtAlgorithm::DEFAULT);
    assert_eq!(person.rules.professions["10"], CertificateTypes::ANY);
    assert!(!person.rules.professions["21"].allows(CertificateType::Recovery));
}

#[test]
fn what_may_be_left_out_has_the_default_that_the_sample_shows() {
    let sample = Sample::new();
    let shown = sample.load("", "").unwrap().unwrap();
    let optional = ["algorithms", "typ", "header", "leeway_seconds", "max_stale_seconds", "subject_claim"];
    let (before, section) = sample.text.split_once("[person]").unwrap();
    let kept: Vec<&str> =
        section.lines().filter(|line| !optional.iter().any(|key| line.starts_with(&format!("{key} = ")))).collect();
    let bare = Sample { text: format!("{before}[person]{}", kept.join("\n")), home: sample.home };
    let mut defaults = bare.load("", "").unwrap().unwrap();
    assert_eq!(defaults.typ.take(), None);
    assert_eq!(format!("{defaults:?}"), format!("{:?}", PersonSettings { typ: None, ..shown }));
}

#[test]
fn without_the_section_no_call_brings_a_person() {
    let sample = Sample::new();
    let (before, _) = sample.text.split_once("[person]").unwrap();
    let text = before.to_owned();
    assert!(Sample { text, home: sample.home }.load("", "").unwrap().is_none());
}

#[test]
fn each_wrong_setting_is_named_with_what_would_be_right() {
    let sample = Sample::new();
    let url = |url: &str| format!("jwks_url = \"{url}\"");
    for (from, to, says) in [
        ("jwks_file = \"issuer.jwks\"", "", "one of jwks_file and jwks_url"),
        ("jwks_file", "jwks_url = \"https://x.org/\"\njwks_file", "one of jwks_file and jwks_url"),
        ("issuer.jwks", "absent.jwks", "person.jwks_file"),
        ("issuer.jwks", "uvci.secret", "it is no JWK set"),
        ("jwks_file", "jwks_ca = \"ca.pem\"\njwks_file", "jwks_ca is for jwks_url"),
        ("jwks_file = \"issuer.jwks\"", &url("http://id.example.org/"), "write https"),
        ("jwks_file = \"issuer.jwks\"", &url("id.example.org"), "like https://"),
        ("jwks_file = \"issuer.jwks\"", &(url("https://x.org/") + "\njwks_ca = \"absent.pem\""), "absent.pem"),
        ("jwks_file = \"issuer.jwks\"", &(url("https://x.org/") + "\njwks_ca = \"issuer.jwks\""), "no PEM certificate"),
        ("issuer = \"https://id.example.org\"", "issuer = \"\"", "person.issuer is empty"),
        ("issuer = \"https://id.example.org\"", "", "the key `issuer` is missing"),
        ("audience = \"sceau\"", "audience = \"\"", "person.audience is empty"),
        ("\"ES256\", \"PS256\", \"RS256\"]", "\"HS256\"]", "it is one of \"ES256\", \"PS256\", \"RS256\", \"EdDSA\""),
        ("\"ES256\", \"PS256\", \"RS256\"]", "\"none\"]", "is \"none\"; it is one of"),
        ("\"ES256\", \"PS256\", \"RS256\"]", "]", "person.algorithms is empty"),
        ("typ = \"at+jwt\"", "typ = \"\"", "person.typ is empty"),
        ("header = \"authorization\"", "header = \"X-Person\"", "person.header is \"X-Person\""),
        ("header = \"authorization\"", "header = \"x-bin\"", "does not end in -bin"),
        ("leeway_seconds = 30", "leeway_seconds = 301", "at most 300"),
        ("max_stale_seconds = 3600", "max_stale_seconds = 604801", "at most 604800"),
        ("\"SubjectRefPro.exercices.codeProfession\"", "\"a..b\"", "person.profession_claim is \"a..b\""),
        ("subject_claim = \"sub\"", "subject_claim = \"\"", "person.subject_claim"),
        ("subject_secret_file = \"subject.secret\"", "subject_secret_file = \"absent\"", "32 random bytes"),
        ("subject_secret_file = \"subject.secret\"", "subject_secret_file = \"issuer.jwks\"", "make it 0600"),
        ("\"10\" = [\"v\", \"t\", \"r\"]", "\"10\" = [\"v\", \"x\"]", "\"10\" has \"x\"; a type is \"v\""),
        ("\"10\" = [\"v\", \"t\", \"r\"]", "\"10\" = []", "\"10\" may issue nothing"),
    ] {
        let problem = sample.refusal(from, to);
        assert!(problem.contains(says), "{to}: {problem}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let sample = Sample::new();
    let text = sample.text.replace("issuer.jwks", "absent.jwks").replace("audience = \"sceau\"", "audience = \"\"");
    let problem = Sample { text, home: sample.home }.refusal("leeway_seconds = 30", "leeway_seconds = 999");
    for says in ["absent.jwks", "person.audience", "person.leeway_seconds"] {
        assert!(problem.contains(says), "{says}: {problem}");
    }
}
