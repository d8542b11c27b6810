//! A CSCA for development and tests. It issues what a state's CSCA would, and nobody trusts it.

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey,
};
use std::time::Duration;
use x509_cert::der::Encode;
use x509_cert::der::asn1::Uint;

use crate::domain::{CertificateType, Country, Digest, NumericDate, PublicKey, Signature};
use crate::token::{TokenAdmin, TokenError};

/// A certificate authority for DSCs, of one country.
pub struct DevelopmentCsca<K: SigningKey> {
    issuer: Issuer<'static, K>,
    country: Country,
    der: Vec<u8>,
}

/// What a DSC is to say.
#[derive(Clone, Debug)]
pub struct DscRequest {
    /// The CN of the subject.
    pub common_name: String,
    /// What it may sign; empty means any type.
    pub types: Vec<CertificateType>,
    /// The first instant of validity.
    pub not_before: NumericDate,
    /// The last instant of validity.
    pub not_after: NumericDate,
}

const DAY: i64 = 86_400;

impl<K: SigningKey> DevelopmentCsca<K> {
    /// A self-signed CSCA, valid for four years.
    ///
    /// # Errors
    /// Where the key does not sign.
    pub fn new(key: K, country: Country, now: NumericDate) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(country, "Sceau development CSCA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = offset_date_time(now.plus_seconds(-DAY));
        params.not_after = offset_date_time(now.plus_seconds(4 * 365 * DAY));
        params.serial_number = Some(serial(key.der_bytes(), now));
        let der = params.self_signed(&key)?.der().to_vec();
        Ok(Self { issuer: Issuer::new(params, key), country, der })
    }

    /// The CSCA's own certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Issues a DSC for a public key, as DER.
    ///
    /// # Errors
    /// Where the CSCA's key does not sign.
    ///
    /// # Source
    /// hcert_spec 1.0.8 annex A; certificate governance, DSC profile.
    pub fn issue(&self, public_key: &PublicKey, request: &DscRequest) -> Result<Vec<u8>, rcgen::Error> {
        let subject_key = SubjectKey::of(public_key);
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(self.country, &request.common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = request.types.iter().map(|kind| extended_key_usage(*kind)).collect();
        params.crl_distribution_points =
            vec![CrlDistributionPoint { uris: vec!["http://crl.sceau.invalid/csca.crl".to_owned()] }];
        params.use_authority_key_identifier_extension = true;
        params.not_before = offset_date_time(request.not_before);
        params.not_after = offset_date_time(request.not_after);
        params.serial_number = Some(serial(subject_key.der_bytes(), request.not_before));
        Ok(params.signed_by(&subject_key, &self.issuer)?.der().to_vec())
    }
}

impl<K: SigningKey> std::fmt::Debug for DevelopmentCsca<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DevelopmentCsca({})", self.country)
    }
}

/// A P-256 key on a token, as rcgen signs with it.
#[derive(Debug)]
pub struct RemoteKey<'t> {
    token: &'t TokenAdmin,
    public_key: PublicKey,
    point: SubjectKey,
}

impl<'t> RemoteKey<'t> {
    /// The key of a public key on a token. It has to be on P-256.
    #[must_use]
    pub fn new(token: &'t TokenAdmin, public_key: PublicKey) -> Self {
        let point = SubjectKey::of(&public_key);
        Self { token, public_key, point }
    }
}

impl PublicKeyData for RemoteKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.point.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.point.algorithm()
    }
}

impl SigningKey for RemoteKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.token.sign(&self.public_key, &Digest::of(message)).map_err(|error: TokenError| {
            tracing::error!(%error, "the CSCA's key did not sign");
            rcgen::Error::RemoteKeyError
        })?;
        ecdsa_der(&signature).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// r‖s as X.509 wants it: `SEQUENCE { r INTEGER, s INTEGER }`.
fn ecdsa_der(signature: &Signature) -> Option<Vec<u8>> {
    let (r, s) = signature.as_bytes().split_at_checked(32)?;
    vec![Uint::new(r).ok()?, Uint::new(s).ok()?].to_der().ok()
}

/// A public key in the form that a SubjectPublicKeyInfo holds.
#[derive(Debug)]
struct SubjectKey {
    bytes: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl SubjectKey {
    fn of(public_key: &PublicKey) -> Self {
        match public_key {
            PublicKey::P256 { point } => Self { bytes: point.to_vec(), algorithm: &rcgen::PKCS_ECDSA_P256_SHA256 },
            PublicKey::Rsa { der, .. } => Self { bytes: der.clone(), algorithm: &rcgen::PKCS_RSA_SHA256 },
        }
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

fn subject(country: Country, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, rcgen::DnValue::PrintableString(printable(country.as_str())));
    name.push(DnType::OrganizationName, "Sceau development, not for use");
    name.push(DnType::CommonName, common_name);
    name
}

fn printable(text: &str) -> rcgen::string::PrintableString {
    text.try_into().expect("two capitals are printable")
}

/// `1.3.6.1.4.1.1847.2021.1.{1 test, 2 vaccination, 3 recovery}`.
fn extended_key_usage(kind: CertificateType) -> ExtendedKeyUsagePurpose {
    let number = match kind {
        CertificateType::Test => 1,
        CertificateType::Vaccination => 2,
        CertificateType::Recovery => 3,
    };
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 1847, 2021, 1, number])
}

/// 16 bytes that no other certificate of the same key has, positive.
fn serial(public_key: &[u8], not_before: NumericDate) -> SerialNumber {
    let hash = Digest::of(&[public_key, &not_before.seconds().to_be_bytes()].concat());
    let mut bytes = hash.as_bytes()[..16].to_vec();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes)
}

fn offset_date_time(instant: NumericDate) -> time::OffsetDateTime {
    let seconds = u64::try_from(instant.seconds()).unwrap_or_default();
    rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
}
