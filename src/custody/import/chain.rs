//! Whether a CSCA of the state has issued the certificate.

use der::asn1::{Any, OctetString};
use der::{Decode, Encode};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier};

use super::{Expected, Findings, ImportFault, ImportWarning, same_name, signature};
use crate::domain::dsc::{country, instant};
use crate::domain::{Country, NumericDate};

/// A CSCA's own certificate, as the officers give it.
#[derive(Clone, Debug)]
pub struct Csca {
    certificate: Certificate,
    subject: String,
    subject_key: Option<Vec<u8>>,
    may_issue: bool,
}

impl Csca {
    /// Reads a certificate in DER. Whether it may issue is [`check`](super::check)'s matter.
    ///
    /// # Errors
    /// [`CscaError`] where it is no X.509 certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CscaError> {
        let certificate = Certificate::from_der(der).map_err(CscaError)?;
        let body = certificate.tbs_certificate();
        let subject_key = body.get_extension::<SubjectKeyIdentifier>().ok().flatten();
        let constraints = body.get_extension::<BasicConstraints>().ok().flatten();
        let usage = body.get_extension::<KeyUsage>().ok().flatten();
        let signs = usage.is_some_and(|(_, usage)| usage.0.contains(KeyUsages::KeyCertSign));
        Ok(Self {
            subject: body.subject().to_string(),
            subject_key: subject_key.map(|(_, key)| key.0.as_bytes().to_vec()),
            may_issue: signs && constraints.is_some_and(|(_, constraints)| constraints.ca),
            certificate,
        })
    }

    /// The subject, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The `C` of the subject, where it is two capitals.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        country(&self.certificate)
    }

    /// The first instant of validity, and the last.
    #[must_use]
    pub fn validity(&self) -> (NumericDate, NumericDate) {
        let validity = self.certificate.tbs_certificate().validity();
        (instant(validity.not_before), instant(validity.not_after))
    }

    fn is_issuer_of(&self, certificate: &Certificate) -> bool {
        same_name(self.certificate.tbs_certificate().subject(), certificate.tbs_certificate().issuer())
    }
}

/// A file that holds no CSCA.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no X.509 certificate in DER: {0}")]
pub struct CscaError(der::Error);

pub(super) fn check(der: &[u8], certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    let identifier: Option<AuthorityKeyIdentifier> = findings.extension(certificate);
    let authority_key = identifier.and_then(|identifier| identifier.key_identifier);
    let authority_key = authority_key.as_ref().map(OctetString::as_bytes);
    let Some(csca) = issuer(certificate, authority_key, expected.cscas) else {
        let given = expected.cscas.iter().map(|csca| csca.subject.clone()).collect();
        findings.refuse(ImportFault::Issuer { issuer: certificate.tbs_certificate().issuer().to_string(), given });
        return;
    };
    findings.refuse_if(authority_key.is_none() || authority_key != csca.subject_key.as_deref(), || ImportFault::AuthorityKey {
        found: hex_or_missing(authority_key),
        csca: hex_or_missing(csca.subject_key.as_deref()),
    });
    check_csca(csca, certificate, expected, findings);
    check_signature(csca, der, certificate, findings);
}

/// The CSCA of the issuer's name; where a state has several of one name, the one whose key is identified.
fn issuer<'a>(certificate: &Certificate, authority_key: Option<&[u8]>, cscas: &'a [Csca]) -> Option<&'a Csca> {
    let of_name = || cscas.iter().filter(|csca| csca.is_issuer_of(certificate));
    of_name().find(|csca| csca.subject_key.is_some() && csca.subject_key.as_deref() == authority_key).or_else(|| of_name().next())
}

fn hex_or_missing(key: Option<&[u8]>) -> String {
    key.map_or_else(|| "missing".to_owned(), hex::encode)
}

fn check_csca(csca: &Csca, certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    let (name, now) = (|| csca.subject.clone(), expected.now);
    let (from, until) = csca.validity();
    findings.refuse_if(!csca.may_issue, || ImportFault::CscaUsage { csca: name() });
    findings.refuse_if(now < from || now > until, || ImportFault::CscaValidity { csca: name(), from, until, now });
    findings.refuse_if(csca.country() != Some(expected.country), || ImportFault::CscaCountry {
        csca: name(),
        country: expected.country,
    });
    let outlives = instant(certificate.tbs_certificate().validity().not_after);
    findings.warn_if(outlives > until, || ImportWarning::OutlivesCsca { until: outlives, csca: until });
}

fn check_signature(csca: &Csca, der: &[u8], certificate: &Certificate, findings: &mut Findings) {
    let key = csca.certificate.tbs_certificate().subject_public_key_info();
    let signed = signed_part(der).unwrap_or_default();
    let bits = certificate.signature().as_bytes().unwrap_or_default();
    if let Err(fault) = signature::verify(key, certificate.signature_algorithm(), &signed, bits) {
        findings.refuse(ImportFault::Signature { csca: csca.subject.clone(), fault });
    }
}

/// The bytes that were signed, as they stand: some CAs write a default that DER leaves out, and writing it anew would drop it.
fn signed_part(der: &[u8]) -> Option<Vec<u8>> {
    Vec::<Any>::from_der(der).ok()?.first()?.to_der().ok()
}
