//! A message on its way: what is to be signed, then the signed whole.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, ObjectIdentifier, OctetString, OctetStringRef, SetOfVec};
use der::oid::db::rfc5911::{ID_CONTENT_TYPE, ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNED_DATA, ID_SIGNING_TIME};
use der::{DateTime, Decode, Encode};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::time::Time;

use super::algorithm;
use super::asn1::{ContentInfo, EncapsulatedContentInfo, SignedData, SignerInfo};
use super::upload::UploadCertificate;
use crate::domain::{Digest, NumericDate, Signature};

/// A content with its signed attributes, before a token has signed them.
///
/// It is consumed by its signature.
#[derive(Debug)]
pub struct Draft<'a> {
    content: OctetString,
    certificate: &'a UploadCertificate,
    attributes: Attributes,
    digest: Digest,
}

/// Makes the attributes that the certificate's key is to sign for a content: its type, its SHA-256, and the time.
///
/// # Errors
/// [`DraftError::Form`] where the content is 256 MiB or longer; the gateway's are below 64 KiB.
pub fn to_be_signed<'a>(
    content: &[u8],
    certificate: &'a UploadCertificate,
    signed_at: NumericDate,
) -> Result<Draft<'a>, DraftError> {
    let attributes = signed_attributes(content, signed_at)?;
    // What is signed is the set under its own tag, not under the [0] of its place (RFC 5652 section 5.4).
    let digest = Digest::of(&attributes.to_der()?);
    Ok(Draft { content: OctetString::new(content)?, certificate, attributes, digest })
}

fn signed_attributes(content: &[u8], signed_at: NumericDate) -> der::Result<Attributes> {
    let content_digest = Digest::of(content);
    let content_digest = OctetStringRef::new(content_digest.as_bytes())?;
    let mut attributes = vec![attribute(ID_CONTENT_TYPE, ID_DATA.into())?, attribute(ID_MESSAGE_DIGEST, content_digest.into())?];
    // An instant before 1970 or after 9999 has no form; the attribute is optional.
    if let Some(time) = signing_time(signed_at) {
        attributes.push(attribute(ID_SIGNING_TIME, time)?);
    }
    attributes.try_into()
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

/// UTCTime until 2049, GeneralizedTime from then on (RFC 5652 section 11.3).
fn signing_time(instant: NumericDate) -> Option<Any> {
    let since_1970 = Duration::from_secs(instant.seconds().try_into().ok()?);
    let time = Time::from(DateTime::from_unix_duration(since_1970).ok()?);
    Any::from_der(&time.to_der().ok()?).ok()
}

impl Draft<'_> {
    /// SHA-256 of the signed attributes: what the token signs, as it signs a certificate's digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Checks the token's signature (r‖s of 64 bytes, or RSASSA-PSS) and writes the message.
    ///
    /// # Errors
    /// [`DraftError::WrongSignature`] where it is not the certificate's key's; nothing leaves then.
    pub fn finish(self, signature: &Signature) -> Result<SignedMessage, DraftError> {
        let algorithm = self.certificate.algorithm();
        if !self.certificate.accepts(&self.digest, signature.as_bytes()) {
            return Err(DraftError::WrongSignature);
        }
        let signature = algorithm::to_cms(algorithm, signature).ok_or(DraftError::WrongSignature)?;
        let signer = SignerInfo {
            version: 1,
            signer_identifier: self.certificate.identifier().clone(),
            digest_algorithm: algorithm::sha_256(),
            signed_attributes: Some(self.attributes),
            signature_algorithm: algorithm::identifier(algorithm),
            signature: OctetString::new(signature)?,
            unsigned_attributes: None,
        };
        Ok(SignedMessage(message(self.content, self.certificate, signer)?))
    }
}

fn message(content: OctetString, certificate: &UploadCertificate, signer: SignerInfo) -> der::Result<Vec<u8>> {
    let signed = SignedData {
        version: 1,
        digest_algorithms: SetOfVec::try_from(vec![algorithm::sha_256()])?,
        encap_content_info: EncapsulatedContentInfo { content_type: ID_DATA, content: Some(content) },
        certificates: Some(SetOfVec::try_from(vec![Any::from_der(certificate.der())?])?),
        crls: None,
        signer_infos: SetOfVec::try_from(vec![signer])?,
    };
    ContentInfo { content_type: ID_SIGNED_DATA, content: signed }.to_der()
}

/// A signed message in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedMessage(Vec<u8>);

impl SignedMessage {
    /// The message.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// The message as the gateway takes it in a request's body (`application/cms`): base64 without line breaks.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// The same signature without its content, as the gateway's trust list has it beside the certificate that it is over.
    ///
    /// # Errors
    /// [`DraftError::Form`], where it has no form in DER.
    pub fn detached(&self) -> Result<Self, DraftError> {
        let mut info = ContentInfo::from_der(&self.0)?;
        info.content.encap_content_info.content = None;
        Ok(Self(info.to_der()?))
    }
}

/// Why no message is made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It has no form in DER.
    #[error("the message has no form in DER: {0}")]
    Form(#[from] der::Error),
    /// The signature is another key's.
    #[error("the signature was not made by the key of the upload certificate; nothing was written")]
    WrongSignature,
}
