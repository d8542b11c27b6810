//! What has to hold of `[person]`: where the JWTs of persons come from, and what their professions may issue.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::check::Check;
use super::file::PersonSection;
use crate::domain::CertificateTypes;
use crate::service::person::{ClaimPath, ClaimRules, KeySource, Pace, PersonSettings, PseudonymMaker};
use crate::token::pin::check_mode;

/// With more, an expired JWT would not be one.
const MAX_LEEWAY_SECONDS: u64 = 300;

/// A week: whom the issuer has withdrawn could issue for so long.
const MAX_STALE_SECONDS: u64 = 7 * 24 * 3600;

impl Check<'_> {
    /// Every part is looked at, also where an earlier one is wrong.
    pub(super) fn person(&mut self, section: PersonSection) -> Option<PersonSettings> {
        let source = self.key_source(&section);
        let rules = self.claim_rules(&section);
        self.check_algorithms(&section);
        self.check_bound("leeway_seconds", section.leeway_seconds, MAX_LEEWAY_SECONDS);
        self.check_bound("max_stale_seconds", section.max_stale_seconds, MAX_STALE_SECONDS);
        let header = self.header_name(&section.header);
        if section.typ.as_deref() == Some("") {
            self.problem("person.typ is empty; leave it out, or write what the issuer writes, like at+jwt");
        }
        Some(PersonSettings {
            source: source?,
            pace: Pace::default(),
            max_stale: Duration::from_secs(section.max_stale_seconds),
            header: header?,
            algorithms: section.algorithms,
            typ: section.typ,
            rules: rules?,
            leeway: Duration::from_secs(section.leeway_seconds),
        })
    }

    fn key_source(&mut self, section: &PersonSection) -> Option<KeySource> {
        match (&section.jwks_file, &section.jwks_url) {
            (Some(file), None) => {
                if section.jwks_ca.is_some() {
                    self.problem("person.jwks_ca is for jwks_url; a file needs no authority");
                }
                let path = self.dir().join(file);
                KeySource::file(&path).map_err(|error| self.problem(format!("person.jwks_file {}: {error}", path.display()))).ok()
            }
            (None, Some(url)) => {
                let ca = match &section.jwks_ca {
                    Some(file) => Some(self.read_ca(file)?),
                    None => None,
                };
                KeySource::url(url, ca.as_deref()).map_err(|error| self.problem(format!("person.jwks_url: {error}"))).ok()
            }
            _ => {
                self.problem("person has to have one of jwks_file and jwks_url: where the issuer's keys are");
                None
            }
        }
    }

    fn read_ca(&mut self, file: &Path) -> Option<Vec<u8>> {
        let path = self.dir().join(file);
        std::fs::read(&path).map_err(|error| self.problem(format!("person.jwks_ca {}: {error}", path.display()))).ok()
    }

    fn claim_rules(&mut self, section: &PersonSection) -> Option<ClaimRules> {
        for (key, value) in [("issuer", &section.issuer), ("audience", &section.audience)] {
            if value.is_empty() {
                self.problem(format!("person.{key} is empty; it is what the JWTs of the issuer have"));
            }
        }
        let profession_claim = self.claim_path("profession_claim", &section.profession_claim);
        let subject_claim = self.claim_path("subject_claim", &section.subject_claim);
        let pseudonyms = self.pseudonyms(&section.subject_secret_file);
        let professions = self.professions(&section.professions);
        Some(ClaimRules {
            issuer: section.issuer.clone(),
            audience: section.audience.clone(),
            profession_claim: profession_claim?,
            subject_claim: subject_claim?,
            professions,
            pseudonyms: pseudonyms?,
        })
    }

    fn claim_path(&mut self, key: &str, text: &str) -> Option<ClaimPath> {
        text.parse().map_err(|error| self.problem(format!("person.{key} is {text:?}; {error}"))).ok()
    }

    fn pseudonyms(&mut self, file: &Path) -> Option<PseudonymMaker> {
        let path = self.dir().join(file);
        let read = || std::fs::read(&path).map(zeroize::Zeroizing::new).map_err(|error| error.to_string());
        let made = check_mode(&path).and_then(|()| read()).and_then(|secret| {
            let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
            PseudonymMaker::new(secret).ok_or_else(|| format!("it has {} bytes", secret.len()))
        });
        let right = PseudonymMaker::MIN_SECRET_BYTES;
        made.map_err(|error| {
            self.problem(format!("person.subject_secret_file {}: {error}; {right} random bytes are right", path.display()))
        })
        .ok()
    }

    fn professions(&mut self, table: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, CertificateTypes> {
        if table.is_empty() {
            self.problem(
                "person.professions is empty; it says what each profession may issue, like \"10\" = [\"v\", \"t\", \"r\"]",
            );
        }
        table.iter().map(|(name, keys)| (name.clone(), self.types(name, keys))).collect()
    }

    fn types(&mut self, profession: &str, keys: &[String]) -> CertificateTypes {
        if keys.is_empty() {
            self.problem(format!("person.professions: {profession:?} may issue nothing; leave it out, or give it v, t or r"));
        }
        self.certificate_types(&format!("person.professions: {profession:?}"), keys)
    }

    fn check_algorithms(&mut self, section: &PersonSection) {
        if section.algorithms.is_empty() {
            self.problem("person.algorithms is empty; it names how JWTs may be signed, like [\"ES256\"]");
        }
    }

    fn check_bound(&mut self, key: &str, value: u64, most: u64) {
        if value > most {
            self.problem(format!("person.{key} is {value}; it is at most {most}"));
        }
    }

    /// gRPC keeps names that end in -bin for bytes, and those that begin with grpc- for itself.
    fn header_name(&mut self, name: &str) -> Option<String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let fits = !name.is_empty() && name.bytes().all(is_plain) && !name.ends_with("-bin") && !name.starts_with("grpc-");
        if !fits {
            self.problem(format!(
                "person.header is {name:?}; it is a metadata name of a-z 0-9 - _ . that does not end in -bin, like authorization"
            ));
        }
        fits.then(|| name.to_owned())
    }
}
