//! How a DSC is uploaded to the EU gateway: a signed message with the certificate as its content.
//!
//! [`to_be_signed`] makes a [`Draft`]; the token signs its digest with the key of the upload certificate (`NB_UP`);
//! [`Draft::finish`] writes the message, whose [`to_base64`](crate::encode::cms::SignedMessage::to_base64) is the body of
//! `POST /signerCertificate` (`application/cms`). The same body withdraws it: `POST /signerCertificate/delete`.
//!
//! # Source
//! dgc-gateway, CmsCertificateMessageConverter and SignerInformationService; dgc-lib, SignedMessageBuilder.

use crate::domain::{Country, Dsc, NumericDate};
use crate::encode::cms::{self, Draft, DraftError, OpenError, UploadCertificate};

/// Makes what the key of the country's upload certificate is to sign, for a DSC to be uploaded.
///
/// # Errors
/// [`PublishError::Country`], which the gateway would refuse; [`PublishError::Expired`], which would be of no use.
pub fn to_be_signed<'c>(
    dsc: &Dsc,
    certificate: &'c UploadCertificate,
    signed_at: NumericDate,
) -> Result<Draft<'c>, PublishError> {
    if signed_at > dsc.not_after() {
        return Err(PublishError::Expired { until: dsc.not_after(), now: signed_at });
    }
    if dsc.country().is_none() || dsc.country() != certificate.country() {
        return Err(PublishError::Country { dsc: in_words(dsc.country()), upload: in_words(certificate.country()) });
    }
    Ok(cms::to_be_signed(dsc.der(), certificate, signed_at)?)
}

/// Reads an upload in DER, BER, base64 or PEM, and gives the DSC in it.
///
/// # Errors
/// [`UploadError`] where it was not signed under one of the upload certificates, or holds no DSC of that one's country.
pub fn open(message: &[u8], trusted: &[UploadCertificate]) -> Result<Dsc, UploadError> {
    let opened = cms::open(message, trusted)?;
    let dsc = Dsc::from_der(&opened.content).map_err(UploadError::Content)?;
    if dsc.country().is_none() || dsc.country() != opened.certificate.country() {
        return Err(UploadError::Country { dsc: in_words(dsc.country()), upload: in_words(opened.certificate.country()) });
    }
    Ok(dsc)
}

fn in_words(country: Option<Country>) -> String {
    country.map_or_else(|| "no country".to_owned(), |country| country.to_string())
}

/// Why no upload is made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The upload certificate is another country's.
    #[error("the DSC is of {dsc}, the upload certificate of {upload}; the gateway takes a country's own alone")]
    Country {
        /// The DSC's country.
        dsc: String,
        /// The upload certificate's.
        upload: String,
    },
    /// The DSC is over.
    #[error("the DSC was valid until {until}; at {now} there is nothing to publish")]
    Expired {
        /// notAfter.
        until: NumericDate,
        /// The instant of the attempt.
        now: NumericDate,
    },
    /// There is no message.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// Why an upload is not believed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is not signed as it should be.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It holds something else.
    #[error("its content is no DSC: {0}")]
    Content(crate::domain::DscError),
    /// It holds another country's DSC.
    #[error("a DSC of {dsc} under an upload certificate of {upload}; a country uploads its own alone")]
    Country {
        /// The DSC's country.
        dsc: String,
        /// The upload certificate's.
        upload: String,
    },
}
