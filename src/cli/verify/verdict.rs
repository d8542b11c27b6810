//! A verdict as it is written: one JSON object a line.

use serde::Serialize;

use super::payload::AsJson;
use crate::cli::ndjson::{self, Line};
use crate::domain::{Algorithm, CertificateType};
use crate::encode::SignedHcert;

/// What speaks against a certificate, as `code: what was found`. Nothing personal is quoted.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// The verdict on one line, written out.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) is_valid: bool,
    /// With its line break.
    pub(super) json: Vec<u8>,
}

impl Verdict {
    /// Writes what was found, and what the certificate says where it could be read.
    ///
    /// `show_personal`: with payload and uvci.
    pub(super) fn new(
        line: &Line,
        id: Option<&str>,
        findings: &Findings,
        hcert: Option<&SignedHcert>,
        show_personal: bool,
    ) -> Self {
        let is_valid = findings.errors.is_empty();
        let personal = hcert.filter(|_| show_personal);
        let fields = Fields {
            line: line.number,
            id,
            verdict: if is_valid { "valid" } else { "invalid" },
            errors: &findings.errors,
            warnings: &findings.warnings,
            facts: hcert.map(Facts::of),
            uvci: personal.and_then(SignedHcert::uvci),
            payload: personal.map(|hcert| AsJson(hcert.payload())),
        };
        let mut json = Vec::with_capacity(256);
        ndjson::write_line(&mut json, &fields).expect("a vector takes every byte, and every name here is a string");
        Self { is_valid, json }
    }
}

#[derive(Serialize)]
struct Fields<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    verdict: &'static str,
    errors: &'a [String],
    warnings: &'a [String],
    #[serde(flatten)]
    facts: Option<Facts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uvci: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<AsJson<'a>>,
}

/// What a certificate says of itself.
#[derive(Serialize)]
struct Facts<'a> {
    kid: String,
    alg: Algorithm,
    iss: Option<&'a str>,
    iat: i64,
    exp: i64,
    #[serde(rename = "type")]
    kind: Option<CertificateType>,
}

impl<'a> Facts<'a> {
    fn of(hcert: &'a SignedHcert) -> Self {
        Self {
            kid: hcert.kid().to_string(),
            alg: hcert.algorithm(),
            iss: hcert.issuer(),
            iat: hcert.issued_at().seconds(),
            exp: hcert.expires_at().seconds(),
            kind: hcert.certificate_type(),
        }
    }
}
