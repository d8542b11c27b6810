//! What the certificate itself says: form, key, subject, use, validity.

use der::asn1::ObjectIdentifier;
use der::oid::db::DB;
use der::oid::db::rfc4519::{COMMON_NAME, COUNTRY_NAME, ORGANIZATION_NAME};
use der::oid::{AssociatedOid, db::rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};

use super::{Expected, Findings, ImportFault, ImportWarning};
use crate::domain::dsc::{ID_EC_PUBLIC_KEY, MAX_RSA_BITS, instant};
use crate::domain::{CertificateType, CertificateTypes, Digest, DscError, NumericDate, PublicKey, SignatureCheck};

/// The extensions that are read here or in the chain; another may not be critical.
const KNOWN: [ObjectIdentifier; 5] =
    [KeyUsage::OID, BasicConstraints::OID, ExtendedKeyUsage::OID, AuthorityKeyIdentifier::OID, SubjectKeyIdentifier::OID];

pub(super) fn check(certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    form(certificate, findings);
    key(certificate, expected, findings);
    subject(certificate, expected, findings);
    usage(certificate, expected, findings);
    validity(certificate, expected.now, findings);
    extensions(certificate, findings);
}

fn form(certificate: &Certificate, findings: &mut Findings) {
    let body = certificate.tbs_certificate();
    let version = body.version() as u8 + 1;
    findings.refuse_if(body.version() != Version::V3, || ImportFault::Version { version });
    findings.refuse_if(body.signature() != certificate.signature_algorithm(), || ImportFault::TwoAlgorithms);
}

fn key(certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    match PublicKey::from_certificate(certificate) {
        Err(DscError::ShortRsaKey { bits }) => findings.refuse(ImportFault::Key { found: format!("RSA of {bits} bits") }),
        Err(_) => findings.refuse(ImportFault::Key { found: foreign_key_kind(certificate) }),
        Ok(key) => {
            let fits = !matches!(&key, PublicKey::Rsa { modulus, .. } if modulus.len() * 8 > MAX_RSA_BITS);
            let usable = SignatureCheck::new(&key).is_ok();
            findings.refuse_if(!fits || !usable, || ImportFault::Key {
                found: if usable { format!("{key:?}") } else { format!("no valid {key:?} key") },
            });
            findings.refuse_if(key != *expected.public_key, || ImportFault::ForeignKey {
                found: fingerprint(&key),
                generated: fingerprint(expected.public_key),
            });
        }
    }
}

/// A key that is neither on P-256 nor RSA, in words.
fn foreign_key_kind(certificate: &Certificate) -> String {
    let algorithm = &certificate.tbs_certificate().subject_public_key_info().algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    match curve.filter(|_| algorithm.oid == ID_EC_PUBLIC_KEY) {
        Some(curve) => format!("on the curve {}", name_of(curve)),
        None => format!("of the algorithm {}", name_of(algorithm.oid)),
    }
}

/// An object identifier with its name, where it is known.
pub(super) fn name_of(oid: ObjectIdentifier) -> String {
    DB.by_oid(&oid).map_or_else(|| oid.to_string(), |name| format!("{name} ({oid})"))
}

fn fingerprint(key: &PublicKey) -> String {
    let digest = match key {
        PublicKey::P256 { point } => Digest::of(point),
        PublicKey::Rsa { der, .. } => Digest::of(der),
    };
    hex::encode(&digest.as_bytes()[..8])
}

fn subject(certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    let countries = texts(certificate, COUNTRY_NAME);
    findings.refuse_if(countries != [expected.country.as_str()], || ImportFault::Country {
        found: if countries.is_empty() { "missing".to_owned() } else { countries.join(" and ") },
        country: expected.country,
    });
    let is_absent = |oid| texts(certificate, oid).iter().all(|text| text.trim().is_empty());
    findings.refuse_if(is_absent(COMMON_NAME), || ImportFault::CommonName);
    findings.warn_if(is_absent(ORGANIZATION_NAME), || ImportWarning::NoOrganization);
}

/// The values of one part of the subject; one that cannot be read is empty.
fn texts(certificate: &Certificate, oid: ObjectIdentifier) -> Vec<String> {
    let parts = certificate.tbs_certificate().subject().iter().filter(|part| part.oid == oid);
    let text =
        |value: &der::asn1::Any| value.decode_as::<DirectoryString>().map(|text| text.value().into_owned()).unwrap_or_default();
    parts.map(|part| text(&part.value)).collect()
}

fn usage(certificate: &Certificate, expected: &Expected<'_>, findings: &mut Findings) {
    let usage: Option<KeyUsage> = findings.extension(certificate);
    findings.refuse_if(!usage.is_some_and(|usage| usage.digital_signature()), || ImportFault::KeyUsage);
    let issues = usage.is_some_and(|usage| usage.0.contains(KeyUsages::KeyCertSign));
    let constraints: Option<BasicConstraints> = findings.extension(certificate);
    findings.refuse_if(issues || constraints.is_some_and(|constraints| constraints.ca), || ImportFault::Authority);
    let purposes: Option<ExtendedKeyUsage> = findings.extension(certificate);
    let found = CertificateTypes::from_certificate(certificate);
    findings.refuse_if(found != expected.types, || ImportFault::Types { found, asked: expected.types });
    let purposes = purposes.map(|purposes| purposes.0).unwrap_or_default();
    for oid in purposes.into_iter().filter(|oid| CertificateType::ALL.iter().all(|kind| !CertificateTypes::names(*kind, oid))) {
        findings.warn(ImportWarning::OtherUsage { oid });
    }
}

fn validity(certificate: &Certificate, now: NumericDate, findings: &mut Findings) {
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (instant(validity.not_before), instant(validity.not_after));
    findings.refuse_if(now < from, || ImportFault::NotYetValid { from, now });
    findings.refuse_if(now > until, || ImportFault::Expired { until, now });
    if let Some(recommended) = from.plus_years(2).filter(|recommended| until > *recommended) {
        findings.warn(ImportWarning::LongValidity { until, recommended });
    }
}

fn extensions(certificate: &Certificate, findings: &mut Findings) {
    let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], Vec::as_slice);
    for extension in extensions.iter().filter(|extension| extension.critical) {
        findings.refuse_if(!KNOWN.contains(&extension.extn_id), || ImportFault::Critical { oid: extension.extn_id });
        findings.warn_if(extension.extn_id == ExtendedKeyUsage::OID, || ImportWarning::CriticalUsage);
    }
    let is_absent = |oid| extensions.iter().all(|extension| extension.extn_id != oid);
    findings.warn_if(is_absent(SubjectKeyIdentifier::OID), || ImportWarning::NoSubjectKey);
    findings.warn_if(is_absent(ID_CE_CRL_DISTRIBUTION_POINTS), || ImportWarning::NoCrl);
}
