//! One certificate, judged.

use std::str::FromStr;

use super::given::Given;
use super::trust::TrustList;
use super::verdict::{Findings, Verdict};
use crate::cli::ndjson::Line;
use crate::domain::{Digest, Dsc, NumericDate};
use crate::encode::SignedHcert;
use crate::encode::decode::Note;
use crate::encode::revocation::RevocationList;

/// The instant at which certificates are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Each at its own `iat`, as if just signed.
    Issuance,
    /// All at one instant.
    Instant(NumericDate),
}

impl FromStr for At {
    type Err = InvalidAt;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "iat" => Ok(Self::Issuance),
            _ => NumericDate::from_rfc3339(text).map(Self::Instant).ok_or(InvalidAt),
        }
    }
}

/// An instant of another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instant is RFC 3339, as 2021-12-24T18:00:00+11:00, or the word iat")]
pub(crate) struct InvalidAt;

/// What verdicts go by.
#[derive(Debug)]
pub(super) struct Judge<'t> {
    pub(super) trust: &'t TrustList,
    pub(super) revocations: &'t RevocationList,
    pub(super) at: At,
    /// Whether what verifiers take and an issuer must not write is an error, and not a warning.
    pub(super) is_strict: bool,
    /// Whether verdicts show the payload and the uvci, which are personal.
    pub(super) shows_personal: bool,
}

impl Judge<'_> {
    /// The verdict on one line.
    pub(super) fn judge(&self, line: &Line) -> Verdict {
        let given = Given::read(line);
        let mut findings = Findings::default();
        let hcert = match &given.hc1 {
            Ok(text) => SignedHcert::decode(text).map_err(|error| format!("decode: {error}")),
            Err(error) => Err(format!("input: {error}")),
        };
        match &hcert {
            Ok(hcert) => {
                self.check(hcert, &mut findings);
                let mismatches = given.mismatches(hcert).into_iter();
                findings.errors.extend(mismatches.map(|name| format!("mismatch: the line's {name} is not the certificate's")));
            }
            Err(error) => findings.errors.push(error.clone()),
        }
        Verdict::new(line, given.id.as_deref(), &findings, hcert.as_ref().ok(), self.shows_personal)
    }

    fn check(&self, hcert: &SignedHcert, findings: &mut Findings) {
        match self.signer(hcert) {
            Ok(dsc) => check_under(dsc, hcert, findings),
            Err(error) => findings.errors.push(error),
        }
        if let Some(hash_type) = self.revocations.revokes(hcert) {
            findings.errors.push(format!("revoked: a revocation list holds its {hash_type} hash"));
        }
        self.check_times(hcert, findings);
        self.check_form(hcert, findings);
    }

    /// The certificate whose key made the signature: each that has the kid is tried.
    fn signer(&self, hcert: &SignedHcert) -> Result<&Dsc, String> {
        let (kid, algorithm) = (hcert.kid(), hcert.algorithm());
        let with_kid = self.trust.with_kid(kid);
        if with_kid.is_empty() {
            return Err(format!("kid_unknown: no trusted certificate has kid {kid}"));
        }
        let mut fitting = with_kid.iter().filter(|trusted| trusted.dsc.algorithm() == algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(format!("alg: {algorithm} does not fit the key of certificate {kid}"));
        }
        let digest = Digest::of(&hcert.sig_structure());
        fitting
            .find(|trusted| trusted.check.accepts(&digest, hcert.signature()))
            .map(|trusted| &trusted.dsc)
            .ok_or_else(|| format!("signature: not made by the key of certificate {kid}"))
    }

    fn check_times(&self, hcert: &SignedHcert, findings: &mut Findings) {
        let (iat, exp) = (hcert.issued_at(), hcert.expires_at());
        if iat > exp {
            findings.errors.push(format!("iat_after_exp: issued {iat}, expires {exp}"));
        }
        let At::Instant(at) = self.at else { return };
        if at < iat {
            findings.errors.push(format!("not_yet_valid: issued {iat}"));
        }
        if at > exp {
            findings.errors.push(format!("expired: {exp}"));
        }
    }

    /// One entry is what a reader needs; the other notes are what an issuer owes.
    fn check_form(&self, hcert: &SignedHcert, findings: &mut Findings) {
        for note in hcert.notes() {
            let is_error = self.is_strict || *note == Note::NotOneEntry;
            let list = if is_error { &mut findings.errors } else { &mut findings.warnings };
            list.push(format!("{}: {}", note.name(), meaning(*note)));
        }
    }
}

const fn meaning(note: Note) -> &'static str {
    match note {
        Note::Tag => "a certificate stands under tag 18 alone",
        Note::AlgorithmUnprotected => "the algorithm belongs in the protected header",
        Note::KidUnprotected => "the kid belongs in the protected header",
        Note::FloatTime => "iat and exp are integers",
        Note::NotOneEntry => "there is exactly one entry, of one of v, t and r",
    }
}

/// What a DSC says of the certificates under it.
fn check_under(dsc: &Dsc, hcert: &SignedHcert, findings: &mut Findings) {
    let (iat, exp) = (hcert.issued_at(), hcert.expires_at());
    if iat < dsc.not_before() {
        findings.errors.push(format!("iat_before_dsc: issued {iat}, its DSC is valid from {}", dsc.not_before()));
    }
    if exp > dsc.not_after() {
        findings.errors.push(format!("exp_after_dsc: expires {exp}, its DSC {}", dsc.not_after()));
    }
    if let Some(kind) = hcert.certificate_type().filter(|kind| !dsc.types().allows(*kind)) {
        let allowed: Vec<String> = dsc.types().iter().map(|kind| kind.to_string()).collect();
        findings.errors.push(format!("eku: a {kind} certificate; its DSC is for {}", allowed.join(" and ")));
    }
    if let Some(country) = dsc.country() {
        match hcert.issuer() {
            Some(issuer) if issuer == country.as_str() => {}
            Some(_) => findings.warnings.push(format!("iss: not the DSC's country, {country}")),
            None => findings.warnings.push(format!("iss: missing; the DSC's country is {country}")),
        }
    }
}
