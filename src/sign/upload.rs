//! The upload key: a token signs with it what a country uploads to the gateway, revocation lists above all.

use std::fmt;
use std::sync::Arc;

use super::placed_key::{NotSigned, PlacedKey};
use super::route::Station;
use crate::domain::{Country, Dsc, InvalidKey, NumericDate};
use crate::encode::cms::{Draft, DraftError, SignedMessage, UploadCertificate, UploadCertificateError};
use crate::encode::revocation::{ListError, RevocationBatch, SigningError};
use crate::token::{Purpose, TokenKey};

/// Lists that are drafted, signed and checked together: some 100 µs of this thread each.
const LISTS_AT_ONCE: usize = 32;

/// An upload certificate (`NB_UP`), and where its key is.
pub struct UploadKey {
    certificate: UploadCertificate,
    country: Country,
    not_before: NumericDate,
    not_after: NumericDate,
    key: PlacedKey,
}

/// A certificate that cannot be a service's upload certificate.
#[derive(Debug, thiserror::Error)]
pub enum UploadKeyError {
    /// It is none.
    #[error(transparent)]
    Certificate(#[from] UploadCertificateError),
    /// Nobody would know whose lists it may sign.
    #[error("the upload certificate's subject has no C: the gateway takes the lists of that country alone")]
    NoCountry,
    /// Its key is none.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

/// Why a list was not signed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No token signed.
    #[error("no token signed with the upload key: {0}")]
    Key(#[from] NotSigned),
    /// There is no message.
    #[error(transparent)]
    Draft(#[from] SigningError),
    /// What was written is not what was to be: it is read again before it leaves.
    #[error("a list that was signed cannot be read again: {0}")]
    Unreadable(#[from] ListError),
    /// The same.
    #[error("a list that was signed says something else")]
    Changed,
}

impl From<DraftError> for UploadError {
    fn from(error: DraftError) -> Self {
        Self::Draft(error.into())
    }
}

impl UploadKey {
    /// Binds an upload certificate to its key.
    ///
    /// # Errors
    /// [`UploadKeyError`] says what is wrong with the certificate.
    pub fn new(certificate: &Dsc, places: Vec<(Arc<Station>, TokenKey)>) -> Result<Self, UploadKeyError> {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        let key = PlacedKey::new(Purpose::Upload, certificate.public_key(), places)?;
        let certificate = UploadCertificate::from_der(certificate.der())?;
        let country = certificate.country().ok_or(UploadKeyError::NoCountry)?;
        Ok(Self { certificate, country, not_before, not_after, key })
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &UploadCertificate {
        &self.certificate
    }

    /// The country whose lists it signs.
    #[must_use]
    pub const fn country(&self) -> Country {
        self.country
    }

    /// Why the gateway would take nothing that is signed now; nothing where it would.
    #[must_use]
    pub fn lapse(&self, now: NumericDate) -> Option<String> {
        if now > self.not_after {
            return Some(format!("the upload certificate has expired at {}", self.not_after));
        }
        (now < self.not_before).then(|| format!("the upload certificate begins at {}", self.not_before))
    }

    /// Signs lists of its country, one message each, in order; each is verified, and read again, before it is given.
    ///
    /// # Errors
    /// Where no token signs, or a list is another country's.
    pub async fn sign(&self, lists: &[&RevocationBatch], at: NumericDate) -> Result<Vec<SignedMessage>, UploadError> {
        let mut messages = Vec::with_capacity(lists.len());
        for lists in lists.chunks(LISTS_AT_ONCE) {
            let drafts = lists.iter().map(|list| list.to_be_signed(&self.certificate, at)).collect::<Result<Vec<_>, _>>()?;
            let digests: Vec<_> = drafts.iter().map(|draft| draft.digest()).collect();
            let signatures = self.key.sign(&digests).await?;
            for ((list, draft), signature) in lists.iter().zip(drafts).zip(signatures) {
                let message = draft.finish(&signature)?;
                self.check(list, &message)?;
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// Signs what was drafted for its certificate.
    ///
    /// # Errors
    /// Where no token signs.
    pub async fn sign_draft(&self, draft: Draft<'_>) -> Result<SignedMessage, UploadError> {
        let signature = self.key.sign(&[draft.digest()]).await?.pop().ok_or(NotSigned::NoneDid)?;
        Ok(draft.finish(&signature)?)
    }

    fn check(&self, list: &RevocationBatch, message: &SignedMessage) -> Result<(), UploadError> {
        let read = RevocationBatch::open(message.as_der(), std::slice::from_ref(&self.certificate))?;
        if read == *list { Ok(()) } else { Err(UploadError::Changed) }
    }
}

impl fmt::Debug for UploadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
