//! A batch under the signature of the country that revokes.

use super::batch::RevocationBatch;
use super::json::BatchError;
use crate::domain::NumericDate;
use crate::encode::cms::{self, Draft, DraftError, OpenError, UploadCertificate};

impl RevocationBatch {
    /// Makes what the key of the country's upload certificate is to sign: [`Draft::digest`], then [`Draft::finish`].
    ///
    /// # Errors
    /// [`SigningError::Country`] where the certificate is of another country: the gateway would refuse the upload.
    pub fn to_be_signed<'c>(
        &self,
        certificate: &'c UploadCertificate,
        signed_at: NumericDate,
    ) -> Result<Draft<'c>, SigningError> {
        self.check_country(certificate)?;
        Ok(cms::to_be_signed(&self.to_json(), certificate, signed_at)?)
    }

    /// Reads a batch that was signed, in DER, BER, base64 or PEM.
    ///
    /// # Errors
    /// [`ListError`] where it was not signed under one of the upload certificates, where that is not of the batch's country, or
    /// where it holds no batch.
    pub fn open(message: &[u8], trusted: &[UploadCertificate]) -> Result<Self, ListError> {
        let opened = cms::open(message, trusted)?;
        let batch = Self::from_json(&opened.content)?;
        batch.check_country(opened.certificate)?;
        Ok(batch)
    }

    fn check_country(&self, certificate: &UploadCertificate) -> Result<(), ForeignCertificate> {
        if certificate.country() == Some(self.country) {
            return Ok(());
        }
        Err(ForeignCertificate { batch: self.country.to_string(), subject: certificate.subject().to_owned() })
    }
}

/// A country revokes its own certificates, and no other's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch of {batch} under an upload certificate of another country, or of none: {subject}")]
pub struct ForeignCertificate {
    /// The batch's country.
    pub batch: String,
    /// The subject of the certificate.
    pub subject: String,
}

/// A batch that cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The certificate is another country's.
    #[error(transparent)]
    Country(#[from] ForeignCertificate),
    /// There is no message.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// A list that is not honoured.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Its signature is not believed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its signature is another country's.
    #[error(transparent)]
    Country(#[from] ForeignCertificate),
}
