//! An officer: a name, and the key that signs for it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Label, Role, SignedText};
use crate::domain::{PublicKey, SignatureCheck, pem};

/// A person who may propose and approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// What the officer is called, in texts and on the command line.
    pub name: Label,
    /// What the officer's signatures are checked with.
    pub key: OfficerPublicKey,
}

/// An officer's public key, on P-256: base64 of the SubjectPublicKeyInfo in DER where a person reads it, which is what
/// stands between the lines of a PEM file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OfficerPublicKey {
    point: [u8; 65],
}

/// `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING }` in DER, up to the point. RFC 5480 section 2.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

impl OfficerPublicKey {
    /// The key of an uncompressed point, `04 ‖ X ‖ Y`.
    ///
    /// # Errors
    /// [`InvalidOfficerPublicKey`] where it is not on the curve.
    pub fn from_point(point: [u8; 65]) -> Result<Self, InvalidOfficerPublicKey> {
        SignatureCheck::new(&PublicKey::P256 { point }).map_err(|_| InvalidOfficerPublicKey)?;
        Ok(Self { point })
    }

    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`InvalidOfficerPublicKey`] where it is of another kind of key, or its point is compressed.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, InvalidOfficerPublicKey> {
        let point = der.strip_prefix(&SPKI_HEAD).ok_or(InvalidOfficerPublicKey)?;
        Self::from_point(point.try_into().map_err(|_| InvalidOfficerPublicKey)?)
    }

    /// Reads a PEM text, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`InvalidOfficerPublicKey`].
    pub fn from_pem(text: &str) -> Result<Self, InvalidOfficerPublicKey> {
        let (_, rest) = text.split_once(BEGIN).ok_or(InvalidOfficerPublicKey)?;
        let (body, _) = rest.split_once(END).ok_or(InvalidOfficerPublicKey)?;
        Self::from_spki_der(&pem::from_base64(body).map_err(|_| InvalidOfficerPublicKey)?)
    }

    /// As a PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = self.to_string();
        let (first, second) = body.split_at(64);
        format!("{BEGIN}\n{first}\n{second}\n{END}\n")
    }

    /// Whether a text was signed with this key, in a role.
    #[must_use]
    pub fn has_signed(&self, role: Role, text: &SignedText) -> bool {
        let check = SignatureCheck::new(&PublicKey::P256 { point: self.point });
        check.is_ok_and(|check| check.accepts(&role.digest(&text.text), text.signature.as_ref()))
    }
}

impl fmt::Display for OfficerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode([&SPKI_HEAD[..], &self.point].concat()))
    }
}

impl fmt::Debug for OfficerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfficerPublicKey({self})")
    }
}

impl FromStr for OfficerPublicKey {
    type Err = InvalidOfficerPublicKey;

    fn from_str(text: &str) -> Result<Self, InvalidOfficerPublicKey> {
        Self::from_spki_der(&STANDARD.decode(text).map_err(|_| InvalidOfficerPublicKey)?)
    }
}

impl TryFrom<String> for OfficerPublicKey {
    type Error = InvalidOfficerPublicKey;

    fn try_from(text: String) -> Result<Self, InvalidOfficerPublicKey> {
        text.parse()
    }
}

impl From<OfficerPublicKey> for String {
    fn from(key: OfficerPublicKey) -> Self {
        key.to_string()
    }
}

/// A text that is no officer's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an officer's public key is on P-256, its point uncompressed: `openssl pkey -in KEY -pubout` writes it")]
pub struct InvalidOfficerPublicKey;
