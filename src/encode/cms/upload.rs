//! The certificate whose key signs what a country uploads to the gateway (`NB_UP`).

use std::fmt;

use der::asn1::Any;
use der::{Decode, Encode};
use x509_cert::Certificate;

use super::asn1::IssuerAndSerialNumber;
use crate::domain::{Algorithm, Country, Digest, DscError, InvalidKey, PublicKey, SignatureCheck, dsc};

/// An upload certificate, on P-256 or RSA of 2048 bits or more.
///
/// Its validity is not read: a list that was signed while it was in force stays as good as it was.
///
/// # Source
/// dgc-gateway, certificate governance: `NB_UP`.
#[derive(Clone)]
pub struct UploadCertificate {
    der: Vec<u8>,
    subject: String,
    country: Option<Country>,
    identifier: Any,
    public_key: PublicKey,
    check: SignatureCheck,
}

impl UploadCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`UploadCertificateError`] where it is no X.509 certificate, or its key is of another kind.
    pub fn from_der(der: &[u8]) -> Result<Self, UploadCertificateError> {
        let certificate = Certificate::from_der(der).map_err(UploadCertificateError::Der)?;
        let body = certificate.tbs_certificate();
        let public_key = PublicKey::from_certificate(&certificate)?;
        let identifier = IssuerAndSerialNumber { issuer: body.issuer().clone(), serial_number: body.serial_number().clone() };
        Ok(Self {
            der: der.to_vec(),
            subject: body.subject().to_string(),
            country: dsc::country(&certificate),
            identifier: identifier.to_der().and_then(|der| Any::from_der(&der)).map_err(UploadCertificateError::Der)?,
            check: SignatureCheck::new(&public_key)?,
            public_key,
        })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The `C` of the subject, where it is two capitals: the country whose lists it may sign.
    #[must_use]
    pub const fn country(&self) -> Option<Country> {
        self.country
    }

    /// The key that verifies.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// How its key signs: ES256 on P-256, PS256 with RSA.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public_key.algorithm()
    }

    /// SHA-256 of the certificate in hex: the thumbprint by which the gateway knows it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.der)
    }

    /// `IssuerAndSerialNumber`.
    pub(super) const fn identifier(&self) -> &Any {
        &self.identifier
    }

    /// Whether a token's signature over a digest is this key's.
    pub(super) fn accepts(&self, digest: &Digest, signature: &[u8]) -> bool {
        self.check.accepts(digest, signature)
    }
}

impl fmt::Debug for UploadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadCertificate({}, {:?})", self.subject, self.public_key)
    }
}

pub(super) fn thumbprint(der: &[u8]) -> String {
    hex::encode(Digest::of(der).as_bytes())
}

/// Why a certificate cannot be an upload certificate.
#[derive(Debug, thiserror::Error)]
pub enum UploadCertificateError {
    /// It is not X.509.
    #[error("no X.509 certificate: {0}")]
    Der(der::Error),
    /// Its key is of another kind, or an RSA key is too short.
    #[error("an upload certificate has a key on P-256, or RSA of 2048 bits or more")]
    UnsupportedKey,
    /// No signature can be checked with its key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
}

impl From<DscError> for UploadCertificateError {
    fn from(error: DscError) -> Self {
        match error {
            DscError::Der(error) => Self::Der(error),
            DscError::UnsupportedKey | DscError::ShortRsaKey { .. } => Self::UnsupportedKey,
        }
    }
}
