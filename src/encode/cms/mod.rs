//! Signed messages for the EU gateway: CMS SignedData around a content, with the one certificate whose key signed it.
//!
//! [`to_be_signed`] makes a [`Draft`]; a token signs its digest; [`Draft::finish`] checks the signature and writes the
//! message. [`open`] is the way back.
//!
//! A message has its content attached, signed attributes (content type, message digest, signing time), exactly one certificate
//! and one signer, and SHA-256. It is written in DER; dgc-lib writes the same in BER, which is read as well.
//!
//! # Source
//! RFC 5652; RFC 5754 (ECDSA, RSA with SHA-256); RFC 4056 (RSASSA-PSS); dgc-lib, SignedMessageBuilder and SignedMessageParser.

pub(crate) mod algorithm;
mod asn1;
mod draft;
mod opened;
#[cfg(test)]
mod tests;
mod upload;

pub use draft::{Draft, DraftError, SignedMessage, to_be_signed};
pub use opened::{OpenError, Opened, open};
pub use upload::{UploadCertificate, UploadCertificateError};
