//! The signing side: an officer's private key. It is on the officer's machine, never on the service's.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{InvalidText, OfficerPublicKey, Proposal, ProposalText, Role, SignedText, Verdict, VerdictText};
use crate::domain::Octets;

/// An officer's private key, on P-256. In files it is PKCS#8 in PEM, without a passphrase.
pub struct OfficerKey(EcdsaKeyPair);

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl OfficerKey {
    /// A new key, of the crypto library's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("P-256 keys can be made"))
    }

    /// Reads a PEM text, as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it.
    ///
    /// # Errors
    /// [`InvalidOfficerKey`]; no digit is shown.
    pub fn from_pem(text: &str) -> Result<Self, InvalidOfficerKey> {
        let (_, rest) = text.split_once(BEGIN).ok_or(InvalidOfficerKey)?;
        let (body, _) = rest.split_once(END).ok_or(InvalidOfficerKey)?;
        let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
        let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| InvalidOfficerKey)?);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map(Self).map_err(|_| InvalidOfficerKey)
    }

    /// As a PEM text, overwritten when it is dropped.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = self.0.to_pkcs8v1().expect("a P-256 key has a PKCS#8 form");
        let body = Zeroizing::new(STANDARD.encode(der.as_ref()));
        let mut text = Zeroizing::new(String::with_capacity(body.len() + 80));
        text.push_str(BEGIN);
        for (index, character) in body.chars().enumerate() {
            if index % 64 == 0 {
                text.push('\n');
            }
            text.push(character);
        }
        text.push('\n');
        text.push_str(END);
        text.push('\n');
        text
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> OfficerPublicKey {
        let point = self.0.public_key().as_ref().try_into().expect("a point on P-256 has 65 bytes");
        OfficerPublicKey::from_point(point).expect("the library made it on the curve")
    }

    /// Signs a text in a role.
    #[must_use]
    pub fn sign(&self, role: Role, text: String) -> SignedText {
        let signature = self.0.sign(&SystemRandom::new(), &role.message(&text)).expect("a P-256 key signs any message");
        let signature = Octets(signature.as_ref().try_into().expect("r‖s on P-256 has 64 bytes"));
        SignedText { text, signature }
    }

    /// Signs a proposal.
    ///
    /// # Errors
    /// [`InvalidText`] where it would not be read again: an instant outside the calendar, more than [`SignedText::MAX_BYTES`].
    pub fn propose(&self, text: &ProposalText) -> Result<Proposal, InvalidText> {
        Proposal::read(self.sign(Role::Propose, text.to_text()))
    }

    /// Signs a verdict, in the role of its decision.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub fn judge(&self, text: &VerdictText) -> Result<Verdict, InvalidText> {
        Verdict::read(self.sign(text.decision.role(), text.to_text()))
    }
}

impl fmt::Debug for OfficerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfficerKey(…)")
    }
}

/// A text that is no officer's private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no private key on P-256 in PKCS#8 PEM without a passphrase, as `sceau officer key` makes it")]
pub struct InvalidOfficerKey;
