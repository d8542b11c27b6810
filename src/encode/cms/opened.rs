//! Reading a signed message: nothing of it is believed before its signature is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, ObjectIdentifier, OctetStringRef};
use der::oid::db::rfc5911::{ID_CONTENT_TYPE, ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use der::{Decode, Encode};
use x509_cert::attr::Attributes;

use super::algorithm;
use super::asn1::{ContentInfo, SignerInfo};
use super::upload::{self, UploadCertificate};
use crate::domain::Digest;

/// A content whose signature was checked, and under which certificate.
#[derive(Debug)]
pub struct Opened<'t> {
    /// What was signed.
    pub content: Vec<u8>,
    /// Whose key signed it.
    pub certificate: &'t UploadCertificate,
}

/// Opens a message in DER, BER, base64 or PEM whose one signer is among the trusted certificates.
///
/// The certificate in it must be one of them byte for byte; no path is built, as the gateway builds none.
///
/// # Errors
/// [`OpenError`] says what is wrong with it.
pub fn open<'t>(message: &[u8], trusted: &'t [UploadCertificate]) -> Result<Opened<'t>, OpenError> {
    let bytes = unarmoured(message)?;
    let info = ContentInfo::from_ber(&bytes).map_err(OpenError::Form)?;
    let signed = info.content;
    if info.content_type != ID_SIGNED_DATA || signed.encap_content_info.content_type != ID_DATA {
        return Err(OpenError::Content);
    }
    let content = signed.encap_content_info.content.ok_or(OpenError::Content)?;
    let certificates = signed.certificates.unwrap_or_default();
    let (Some(certificate), Some(signer)) = (only(certificates.as_slice()), only(signed.signer_infos.as_slice())) else {
        return Err(OpenError::Signers { certificates: certificates.len(), signers: signed.signer_infos.len() });
    };
    let certificate = trusted_one(&certificate.to_der().map_err(OpenError::Form)?, trusted)?;
    check(signer, content.as_bytes(), certificate)?;
    Ok(Opened { content: content.into_bytes().into(), certificate })
}

/// The bytes of a file that holds them as they are, or in base64 between or without PEM's lines.
fn unarmoured(message: &[u8]) -> Result<Vec<u8>, OpenError> {
    const SEQUENCE: u8 = 0x30;
    if message.first() == Some(&SEQUENCE) {
        return Ok(message.to_vec());
    }
    let text = std::str::from_utf8(message).map_err(|_| OpenError::Base64)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).flat_map(str::split_ascii_whitespace).collect();
    STANDARD.decode(body).map_err(|_| OpenError::Base64)
}

const fn only<T>(items: &[T]) -> Option<&T> {
    match items {
        [item] => Some(item),
        _ => None,
    }
}

fn trusted_one<'t>(der: &[u8], trusted: &'t [UploadCertificate]) -> Result<&'t UploadCertificate, OpenError> {
    let found = trusted.iter().find(|trusted| trusted.der() == der);
    found.ok_or_else(|| OpenError::Untrusted { thumbprint: upload::thumbprint(der) })
}

/// The signature is over the attributes, and they hold the digest of the content.
///
/// A signature over the content itself, which CMS knows too, is refused: one content could then be passed off as another.
fn check(signer: &SignerInfo, content: &[u8], certificate: &UploadCertificate) -> Result<(), OpenError> {
    if !algorithm::is_sha_256(&signer.digest_algorithm) {
        return Err(OpenError::Algorithm(signer.digest_algorithm.oid));
    }
    let attributes = signer.signed_attributes.as_ref().ok_or(OpenError::Attributes)?;
    let content_type = only_value(attributes, ID_CONTENT_TYPE).and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
    let digest = only_value(attributes, ID_MESSAGE_DIGEST).and_then(|value| value.decode_as::<&OctetStringRef>().ok());
    let (Some(ID_DATA), Some(digest)) = (content_type, digest) else { return Err(OpenError::Attributes) };
    if digest.as_bytes() != Digest::of(content).as_bytes() {
        return Err(OpenError::Digest);
    }
    let signed = attributes.to_der().map_err(OpenError::Form)?;
    let (algorithm, signature) = (&signer.signature_algorithm, signer.signature.as_bytes());
    match algorithm::verify(certificate.public_key(), algorithm, &signed, signature) {
        Some(true) => Ok(()),
        Some(false) => Err(OpenError::Signature),
        None => Err(OpenError::Algorithm(algorithm.oid)),
    }
}

/// The one value of an attribute that stands exactly once, as RFC 5652 section 11 demands.
fn only_value(attributes: &Attributes, oid: ObjectIdentifier) -> Option<&Any> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    let attribute = found.next()?;
    if found.next().is_some() { None } else { only(attribute.values.as_slice()) }
}

/// Why a message is not believed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no encoding that is known.
    #[error("neither DER nor base64")]
    Base64,
    /// It is not CMS.
    #[error("not a CMS SignedData message: {0}")]
    Form(der::Error),
    /// It has no content, or one of another type.
    #[error("no attached content of type id-data; a detached signature is not enough")]
    Content,
    /// Not one of each.
    #[error("{certificates} certificates and {signers} signers; one of each is right")]
    Signers {
        /// How many certificates it holds.
        certificates: usize,
        /// How many signers it names.
        signers: usize,
    },
    /// Its certificate is not among those that may sign.
    #[error("signed under a certificate that is not among the trusted upload certificates: SHA-256 {thumbprint}")]
    Untrusted {
        /// SHA-256 of the certificate, in hex.
        thumbprint: String,
    },
    /// What is signed is not what RFC 5652 section 5.3 demands.
    #[error("the signed attributes are not one content type, id-data, and one message digest")]
    Attributes,
    /// The content is another.
    #[error("the content is not the one that was signed: its digest differs")]
    Digest,
    /// The algorithm is another, or not for the certificate's key.
    #[error("algorithm {0} is not supported for this key; SHA-256 with ECDSA on P-256, RSASSA-PSS or RSA is")]
    Algorithm(ObjectIdentifier),
    /// The signature is not the certificate's key's.
    #[error("the signature does not verify")]
    Signature,
}
