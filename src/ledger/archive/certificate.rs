//! The certificates by which an auditor knows seals and trailers.

use crate::domain::{Digest, Dsc, DscError, NumericDate, Octets, PublicKey, SignatureCheck, pem};

/// The certificate of an audit key: an ordinary X.509 with a key on P-256, or an RSA key of 2,048 bits or more.
#[derive(Clone, Debug)]
pub struct AuditCertificate {
    /// Only what any certificate has is used of it.
    certificate: Dsc,
    sha256: Octets<32>,
    check: SignatureCheck,
}

/// What is no audit certificate.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuditCertificate {
    /// It is no X.509 certificate, or has a key of another kind.
    #[error(transparent)]
    Certificate(DscError),
    /// No signature can be checked with its key.
    #[error("the certificate's key cannot be used; an audit key is on P-256, or an RSA key")]
    Key,
    /// Its key usage leaves digitalSignature out.
    #[error("the certificate's key usage leaves digitalSignature out")]
    Usage,
    /// A file has none.
    #[error("there is no certificate; audit certificates are in PEM or DER")]
    None,
    /// A file's PEM is damaged.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
}

impl AuditCertificate {
    /// Reads one in DER.
    ///
    /// # Errors
    /// [`InvalidAuditCertificate`] says what it lacks.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidAuditCertificate> {
        let certificate = Dsc::from_der(der).map_err(InvalidAuditCertificate::Certificate)?;
        if !certificate.allows_signatures() {
            return Err(InvalidAuditCertificate::Usage);
        }
        let check = SignatureCheck::new(certificate.public_key()).map_err(|_| InvalidAuditCertificate::Key)?;
        Ok(Self { certificate, sha256: Digest::of(der).into(), check })
    }

    /// Reads a file of one in DER, or of any number in PEM.
    ///
    /// # Errors
    /// Where there is none, or one cannot be used.
    pub fn all_of(file: &[u8]) -> Result<Vec<Self>, InvalidAuditCertificate> {
        let text = String::from_utf8_lossy(file);
        let found: Vec<Vec<u8>> = pem::certificates(&text).collect::<Result<_, _>>()?;
        match (found.is_empty(), file.first()) {
            (false, _) => found.iter().map(|der| Self::from_der(der)).collect(),
            // A SEQUENCE.
            (true, Some(0x30)) => Ok(vec![Self::from_der(file)?]),
            (true, _) => Err(InvalidAuditCertificate::None),
        }
    }

    /// SHA-256 of its DER, which seals and trailers name it by.
    #[must_use]
    pub const fn sha256(&self) -> &Octets<32> {
        &self.sha256
    }

    /// The subject, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.certificate.subject()
    }

    /// Its key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.certificate.public_key()
    }

    /// Whether it is valid at an instant, the ends included.
    #[must_use]
    pub fn is_valid_at(&self, at: NumericDate) -> bool {
        (self.certificate.not_before()..=self.certificate.not_after()).contains(&at)
    }

    /// Whether a signature is its key's over a digest: r‖s for P-256, PSS with a salt of 32 bytes for RSA.
    #[must_use]
    pub fn accepts(&self, digest: &Digest, signature: &[u8]) -> bool {
        self.check.accepts(digest, signature)
    }
}

/// The audit certificates that an auditor trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustedAuditors(Vec<AuditCertificate>);

/// Why a signature counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Its certificate is none of those that the auditor gave.
    #[error("it is signed under the certificate {certificate}, which is not among those given")]
    Unknown {
        /// SHA-256 of the certificate.
        certificate: Octets<32>,
    },
    /// The key of the certificate did not make it.
    #[error("its signature was not made by the key of {subject:?} over what stands here")]
    Signature {
        /// Of the certificate.
        subject: String,
    },
    /// It was made when the certificate was not valid.
    #[error("it was signed at {at}, when the certificate of {subject:?} was not valid")]
    Validity {
        /// Of the certificate.
        subject: String,
        /// When it says that it was signed.
        at: NumericDate,
    },
}

impl TrustedAuditors {
    /// Those that are trusted.
    #[must_use]
    pub const fn new(certificates: Vec<AuditCertificate>) -> Self {
        Self(certificates)
    }

    /// Gives the certificate under which a signature over a digest was made at an instant, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Distrust`] where the signature counts for nothing.
    pub fn check(
        &self,
        certificate: &Octets<32>,
        digest: &Digest,
        signature: &[u8],
        at: i64,
    ) -> Result<&AuditCertificate, Distrust> {
        let known = self.0.iter().find(|known| known.sha256 == *certificate);
        let known = known.ok_or(Distrust::Unknown { certificate: *certificate })?;
        let subject = || known.subject().to_owned();
        let at = instant(at);
        if !known.accepts(digest, signature) {
            return Err(Distrust::Signature { subject: subject() });
        }
        if known.is_valid_at(at) { Ok(known) } else { Err(Distrust::Validity { subject: subject(), at }) }
    }
}

/// The second in which a millisecond since 1970 is.
#[must_use]
pub const fn instant(millis: i64) -> NumericDate {
    NumericDate::from_seconds(millis.div_euclid(1000))
}
