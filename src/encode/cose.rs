//! COSE_Sign1: what is signed, and what the signature is put into.

use coset::{CborSerializable, HeaderBuilder, SignatureContext, iana, sig_structure_data};

use super::cbor::Head;
use crate::domain::{Algorithm, Digest, Kid, Signature};

/// The protected header `{1: alg, 4: kid}` of one DSC: made once, used for every certificate under it.
///
/// ```text
/// a2 01 26 04 48 <kid 8 B>          ES256
/// a2 01 38 24 04 48 <kid 8 B>       PS256
/// ```
///
/// # Source
/// hcert_spec 1.0.8 section 3.3.1; RFC 9052 section 3.
#[derive(Clone, Debug)]
pub struct ProtectedHeader {
    header: coset::ProtectedHeader,
    /// What every `Sig_structure` under this header begins with, up to the payload.
    sig_structure_head: Vec<u8>,
    /// What every message under this header begins with, up to the payload.
    message_head: Vec<u8>,
}

impl ProtectedHeader {
    /// The header of an algorithm and a kid.
    #[must_use]
    pub fn new(algorithm: Algorithm, kid: Kid) -> Self {
        let algorithm = match algorithm {
            Algorithm::Es256 => iana::Algorithm::ES256,
            Algorithm::Ps256 => iana::Algorithm::PS256,
        };
        let header = HeaderBuilder::new().algorithm(algorithm).key_id(kid.as_bytes().to_vec()).build();
        let bytes = header.clone().to_vec().expect("a header of an integer and a byte string has a CBOR form");
        let message_head = [MESSAGE_BEGIN, &Head::of_bytes(bytes.len()), &bytes, EMPTY_MAP].concat();
        let header = coset::ProtectedHeader { original_data: Some(bytes), header };
        let mut sig_structure_head = sig_structure_data(SignatureContext::CoseSign1, header.clone(), None, &[], &[]);
        // The last byte is the payload's: a byte string of length 0.
        sig_structure_head.pop();
        Self { header, sig_structure_head, message_head }
    }

    /// The header as CBOR, without the byte string around it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.header.original_data.as_deref().expect("the constructor stores the bytes")
    }

    /// SHA-256 of the `Sig_structure` over a claims set: what the token signs.
    ///
    /// ```text
    /// Sig_structure = [ "Signature1", protected bstr, h'' (external_aad), payload bstr ]
    /// ```
    ///
    /// # Source
    /// RFC 9052 section 4.4.
    #[must_use]
    pub fn digest(&self, claims: &[u8]) -> Digest {
        Digest::of_parts(&[&self.sig_structure_head, &Head::of_bytes(claims.len()), claims])
    }

    /// The `Sig_structure` itself.
    #[must_use]
    pub fn sig_structure(&self, claims: &[u8]) -> Vec<u8> {
        sig_structure_data(SignatureContext::CoseSign1, self.header.clone(), None, &[], claims)
    }

    /// Puts claims and signature together, under tag 18, with an empty unprotected header.
    ///
    /// ```text
    /// COSE_Sign1 = 18([ protected bstr, {}, payload bstr, signature bstr ])
    /// ```
    ///
    /// # Source
    /// RFC 9052 section 4.2.
    #[must_use]
    pub fn assemble(&self, claims: Vec<u8>, signature: Signature) -> CoseBytes {
        let (payload_head, signature) = (Head::of_bytes(claims.len()), signature.as_bytes());
        CoseBytes([&self.message_head, &*payload_head, &claims, &Head::of_bytes(signature.len()), signature].concat())
    }
}

/// Tag 18, and the head of an array of four.
const MESSAGE_BEGIN: &[u8] = &[0xd2, 0x84];
const EMPTY_MAP: &[u8] = &[0xa0];

/// A COSE_Sign1 message under tag 18.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoseBytes(Vec<u8>);

impl CoseBytes {
    /// Bytes that need not be a message, to try the decoder on.
    #[cfg(test)]
    pub(crate) const fn for_tests(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
