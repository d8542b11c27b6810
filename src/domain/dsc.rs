//! The document signing certificate, as far as an issuer has to know it.

use std::fmt;
use std::sync::Arc;

use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Uint};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};

use super::{Algorithm, CertificateType, Country, Kid, NumericDate};

/// A DSC: kid, key, validity and use, all from one certificate.
///
/// # Source
/// hcert_spec 1.0.8 annex A; certificate governance, DSC profile.
#[derive(Clone, Debug)]
pub struct Dsc {
    der: Arc<[u8]>,
    kid: Kid,
    country: Option<Country>,
    subject: String,
    not_before: NumericDate,
    not_after: NumericDate,
    public_key: PublicKey,
    types: CertificateTypes,
    allows_signatures: bool,
}

impl Dsc {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`DscError`] where it is no X.509 certificate, or not one that may sign health certificates.
    pub fn from_der(der: &[u8]) -> Result<Self, DscError> {
        let certificate = Certificate::from_der(der).map_err(DscError::Der)?;
        Self::new(&certificate, der)
    }

    fn new(certificate: &Certificate, der: &[u8]) -> Result<Self, DscError> {
        let body = certificate.tbs_certificate();
        let usage = body.get_extension::<KeyUsage>().ok().flatten();
        let validity = body.validity();
        Ok(Self {
            der: der.into(),
            kid: Kid::of_der(der),
            country: country(certificate),
            subject: body.subject().to_string(),
            not_before: instant(validity.not_before),
            not_after: instant(validity.not_after),
            public_key: PublicKey::from_certificate(certificate)?,
            types: CertificateTypes::from_certificate(certificate),
            allows_signatures: usage.is_none_or(|(_, usage)| usage.digital_signature()),
        })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate, its first 8 bytes.
    #[must_use]
    pub const fn kid(&self) -> Kid {
        self.kid
    }

    /// The `C` of the subject, where it is two capitals.
    #[must_use]
    pub const fn country(&self) -> Option<Country> {
        self.country
    }

    /// The subject, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The first instant of validity.
    #[must_use]
    pub const fn not_before(&self) -> NumericDate {
        self.not_before
    }

    /// The last instant of validity (inclusive, as X.509 has it).
    #[must_use]
    pub const fn not_after(&self) -> NumericDate {
        self.not_after
    }

    /// The key that verifies.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The algorithm that the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public_key.algorithm()
    }

    /// Whether its key usage holds digitalSignature, or it has none. An issuer must have it; states have issued without.
    #[must_use]
    pub const fn allows_signatures(&self) -> bool {
        self.allows_signatures
    }

    /// What the extended key usage lets it sign.
    #[must_use]
    pub const fn types(&self) -> CertificateTypes {
        self.types
    }
}

/// A public key of one of the two kinds that HCERT knows.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// On P-256: `04 ‖ X ‖ Y`.
    P256 {
        /// The uncompressed point.
        point: [u8; 65],
    },
    /// RSA of 2048 bits or more: the `RSAPublicKey` of PKCS#1 in DER.
    Rsa {
        /// The DER.
        der: Vec<u8>,
        /// The modulus, big-endian, without leading zeros.
        modulus: Vec<u8>,
    },
}

pub(crate) const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MIN_RSA_BITS: usize = 2048;
/// The longest RSA key that a DSC should have (certificate governance); a verifier takes longer ones.
pub(crate) const MAX_RSA_BITS: usize = 3072;

impl PublicKey {
    /// The key in a certificate.
    pub(crate) fn from_certificate(certificate: &Certificate) -> Result<Self, DscError> {
        let info = certificate.tbs_certificate().subject_public_key_info();
        let bytes = info.subject_public_key.as_bytes().ok_or(DscError::UnsupportedKey)?;
        match info.algorithm.oid {
            ID_EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
                let point = bytes.try_into().map_err(|_| DscError::UnsupportedKey)?;
                if curve == Some(PRIME256V1) { Ok(Self::P256 { point }) } else { Err(DscError::UnsupportedKey) }
            }
            RSA_ENCRYPTION | RSASSA_PSS => Self::rsa(bytes),
            _ => Err(DscError::UnsupportedKey),
        }
    }

    fn rsa(der: &[u8]) -> Result<Self, DscError> {
        let modulus = rsa_modulus(der).ok_or(DscError::UnsupportedKey)?;
        if modulus.len() * 8 < MIN_RSA_BITS {
            return Err(DscError::ShortRsaKey { bits: modulus.len() * 8 });
        }
        Ok(Self::Rsa { der: der.to_vec(), modulus })
    }

    /// An RSA key from its modulus and exponent, big-endian.
    #[must_use]
    pub fn from_rsa_parts(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let integers = [Uint::new(modulus).ok()?, Uint::new(exponent).ok()?].to_vec();
        Self::rsa(&integers.to_der().ok()?).ok()
    }

    /// The algorithm that the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Ps256,
        }
    }

    /// How long a COSE signature of this key is, in bytes.
    #[must_use]
    pub const fn signature_len(&self) -> usize {
        match self {
            Self::P256 { .. } => 64,
            Self::Rsa { modulus, .. } => modulus.len(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 { .. } => f.write_str("P-256"),
            Self::Rsa { modulus, .. } => write!(f, "RSA-{}", modulus.len() * 8),
        }
    }
}

/// The modulus of `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }`.
pub(crate) fn rsa_modulus(der: &[u8]) -> Option<Vec<u8>> {
    let integers: Vec<Uint> = Vec::from_der(der).ok()?;
    match integers.as_slice() {
        [modulus, _exponent] => Some(modulus.as_bytes().to_vec()),
        _ => None,
    }
}

/// Which of vaccination, test and recovery a DSC may sign.
///
/// # Source
/// hcert_spec 1.0.8 annex A.4: `1.3.6.1.4.1.1847.2021.1.{1,2,3}`, none of them means any type. The variant with an extra
/// 0 (`1.3.6.1.4.1.0.1847.…`) is what most states issued first; verifiers take both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CertificateTypes {
    vaccination: bool,
    test: bool,
    recovery: bool,
}

impl CertificateTypes {
    /// Any type.
    pub const ANY: Self = Self { vaccination: true, test: true, recovery: true };

    /// The types whose object identifiers are among the given ones; any, where none is.
    fn from_oids(oids: &[ObjectIdentifier]) -> Self {
        let types: Self =
            CertificateType::ALL.into_iter().filter(|kind| oids.iter().any(|oid| Self::names(*kind, oid))).collect();
        if types.vaccination || types.test || types.recovery { types } else { Self::ANY }
    }

    /// Whether an object identifier is one of a type's.
    pub(crate) fn names(kind: CertificateType, oid: &ObjectIdentifier) -> bool {
        usages(kind).contains(oid)
    }

    pub(crate) fn from_certificate(certificate: &Certificate) -> Self {
        match certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>() {
            Ok(Some((_, usage))) => Self::from_oids(&usage.0),
            _ => Self::ANY,
        }
    }

    /// The object identifiers that say so in a certificate, in their present form; none of them, where any type may be signed.
    pub(crate) fn extended_key_usages(self) -> Vec<ObjectIdentifier> {
        if self == Self::ANY { Vec::new() } else { self.iter().map(|kind| usages(kind)[0]).collect() }
    }

    /// Whether a type may be signed.
    #[must_use]
    pub const fn allows(self, kind: CertificateType) -> bool {
        match kind {
            CertificateType::Vaccination => self.vaccination,
            CertificateType::Test => self.test,
            CertificateType::Recovery => self.recovery,
        }
    }

    /// The types that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            vaccination: self.vaccination && other.vaccination,
            test: self.test && other.test,
            recovery: self.recovery && other.recovery,
        }
    }

    /// The allowed types.
    pub fn iter(self) -> impl Iterator<Item = CertificateType> {
        CertificateType::ALL.into_iter().filter(move |kind| self.allows(*kind))
    }
}

/// The object identifiers of a type: the present one, then the early one.
const fn usages(kind: CertificateType) -> [ObjectIdentifier; 2] {
    let [present, early] = match kind {
        CertificateType::Test => ["1.3.6.1.4.1.1847.2021.1.1", "1.3.6.1.4.1.0.1847.2021.1.1"],
        CertificateType::Vaccination => ["1.3.6.1.4.1.1847.2021.1.2", "1.3.6.1.4.1.0.1847.2021.1.2"],
        CertificateType::Recovery => ["1.3.6.1.4.1.1847.2021.1.3", "1.3.6.1.4.1.0.1847.2021.1.3"],
    };
    [ObjectIdentifier::new_unwrap(present), ObjectIdentifier::new_unwrap(early)]
}

impl FromIterator<CertificateType> for CertificateTypes {
    fn from_iter<T: IntoIterator<Item = CertificateType>>(kinds: T) -> Self {
        kinds.into_iter().fold(Self { vaccination: false, test: false, recovery: false }, |types, kind| match kind {
            CertificateType::Vaccination => Self { vaccination: true, ..types },
            CertificateType::Test => Self { test: true, ..types },
            CertificateType::Recovery => Self { recovery: true, ..types },
        })
    }
}

/// `any`, or the types with commas between.
impl fmt::Display for CertificateTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("any");
        }
        let names: Vec<String> = self.iter().map(|kind| kind.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for CertificateTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Why a certificate cannot be a DSC.
#[derive(Debug, thiserror::Error)]
pub enum DscError {
    /// It is not X.509.
    #[error("no X.509 certificate: {0}")]
    Der(der::Error),
    /// Its key is of another kind.
    #[error("the key is neither on P-256 nor RSA; a DSC has one of these")]
    UnsupportedKey,
    /// Its RSA key is too short.
    #[error("the RSA key has {bits} bits; a DSC has 2048 or more")]
    ShortRsaKey {
        /// The length of the modulus.
        bits: usize,
    },
}

const COUNTRY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");

/// X.520 has a PrintableString; many tools write a UTF8String.
pub(crate) fn country(certificate: &Certificate) -> Option<Country> {
    let name: DirectoryString = certificate.tbs_certificate().subject().by_oid(COUNTRY_NAME).ok().flatten()?;
    name.value().parse().ok()
}

pub(crate) fn instant(time: x509_cert::time::Time) -> NumericDate {
    let seconds = time.to_unix_duration().as_secs();
    NumericDate::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(oids: &[&str]) -> Vec<CertificateType> {
        let oids: Vec<_> = oids.iter().map(|oid| ObjectIdentifier::new(oid).unwrap()).collect();
        CertificateTypes::from_oids(&oids).iter().collect()
    }

    #[test]
    fn no_usage_of_ours_means_any_type() {
        assert_eq!(types(&[]), CertificateType::ALL);
        assert_eq!(types(&["1.3.6.1.5.5.7.3.1"]), CertificateType::ALL);
    }

    #[test]
    fn both_spellings_of_the_usage_are_read() {
        assert_eq!(types(&["1.3.6.1.4.1.1847.2021.1.1"]), [CertificateType::Test]);
        assert_eq!(
            types(&["1.3.6.1.4.1.0.1847.2021.1.2", "1.3.6.1.4.1.1847.2021.1.3"]),
            [CertificateType::Vaccination, CertificateType::Recovery]
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(matches!(Dsc::from_der(b"\x30\x00"), Err(DscError::Der(_))));
    }
}
