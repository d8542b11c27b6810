//! Which DSC signs what: one immutable value that a batch takes once.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::{
    Algorithm, CertificateType, Country, Digest, Dsc, Fault, InvalidKey, Kid, Lane, NumericDate, Rule, SignatureCheck,
};
use crate::encode::ProtectedHeader;
use crate::token::{Token, TokenError, TokenKey};

/// A DSC with the key that belongs to it: certificate, kid, header, check and key are one value and cannot drift apart.
#[derive(Debug)]
pub struct SigningKey {
    dsc: Dsc,
    header: ProtectedHeader,
    check: SignatureCheck,
    token: Arc<dyn Token>,
    key: TokenKey,
}

impl SigningKey {
    /// Binds a DSC to a key, and proves that they belong together: the key signs a canary, which the DSC's public key has to
    /// verify.
    ///
    /// # Errors
    /// [`KeyringError`] names the kid and what is wrong.
    pub async fn prove(dsc: Dsc, token: Arc<dyn Token>, key: TokenKey) -> Result<Self, KeyringError> {
        let kid = dsc.kid();
        if !dsc.allows_signatures() {
            return Err(KeyringError::KeyUsage { kid });
        }
        let check = SignatureCheck::new(dsc.public_key()).map_err(|source| KeyringError::PublicKey { kid, source })?;
        let canary = Digest::of(&[b"sceau canary ", &kid.as_bytes()[..]].concat());
        let signature = token.sign(key, Lane::Interactive, vec![canary]).await.pop().unwrap_or(Err(TokenError::Closed));
        let signature = signature.map_err(|source| KeyringError::Canary { kid, source })?;
        if !check.accepts(&canary, signature.as_bytes()) {
            return Err(KeyringError::Mismatch { kid });
        }
        let header = ProtectedHeader::new(dsc.algorithm(), kid);
        Ok(Self { dsc, header, check, token, key })
    }

    /// The certificate.
    #[must_use]
    pub const fn dsc(&self) -> &Dsc {
        &self.dsc
    }

    pub(super) const fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    pub(super) const fn check(&self) -> &SignatureCheck {
        &self.check
    }

    pub(super) const fn token(&self) -> &Arc<dyn Token> {
        &self.token
    }

    pub(super) const fn key(&self) -> TokenKey {
        self.key
    }
}

/// The DSCs that may sign, as one batch sees them.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<Arc<SigningKey>>,
}

/// What a certificate needs of the DSC that signs it.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The profile's algorithm.
    pub algorithm: Algorithm,
    /// The profile's `iss`.
    pub country: Country,
    /// The payload's type.
    pub kind: CertificateType,
    /// The signing time.
    pub issued_at: NumericDate,
    /// The end of the certificate's validity.
    pub expires_at: NumericDate,
}

impl Keyring {
    /// A keyring of proven keys. The one that ends first stands first, so that keys are used up in the order in which
    /// they end; the kid decides between equals, so that every replica picks the same.
    ///
    /// # Errors
    /// [`KeyringError::DuplicateKid`] where two different certificates have the same kid: verifiers could not tell them apart.
    pub fn new(mut keys: Vec<Arc<SigningKey>>) -> Result<Self, KeyringError> {
        keys.sort_by_key(|key| (key.dsc.not_after(), key.dsc.kid()));
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.dsc.kid() == key.dsc.kid()) {
                return Err(KeyringError::DuplicateKid { kid: key.dsc.kid() });
            }
        }
        Ok(Self { keys })
    }

    /// Every DSC, the one that ends first in front.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter()
    }

    /// The DSC for a certificate.
    ///
    /// # Errors
    /// A fault of rule `dsc.available` that says which DSCs there are and why none of them fits.
    pub fn select(&self, need: &Need) -> Result<&Arc<SigningKey>, Fault> {
        self.keys.iter().find(|key| misfit(&key.dsc, need).is_none()).ok_or_else(|| self.unavailable(need))
    }

    fn unavailable(&self, need: &Need) -> Fault {
        let reasons: Vec<String> = self
            .keys
            .iter()
            .filter_map(|key| Some(format!("{} {}", key.dsc.kid(), misfit(&key.dsc, need)?.text(&key.dsc))))
            .collect();
        let have = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join(", ") };
        let message = format!(
            "no {} DSC of {} signs a {} certificate from {} to {}: {have}",
            need.algorithm, need.country, need.kind, need.issued_at, need.expires_at
        );
        Fault::new("$", Rule::DscAvailable, message)
    }
}

/// Why a DSC does not fit.
enum Misfit {
    Algorithm,
    Country,
    Type,
    NotYetValid,
    EndsBefore,
}

impl Misfit {
    fn text(&self, dsc: &Dsc) -> String {
        match self {
            Self::Algorithm => format!("is for {}", dsc.algorithm()),
            Self::Country => "is of another country".to_owned(),
            Self::Type => "is not for that type".to_owned(),
            Self::NotYetValid => format!("begins at {}", dsc.not_before()),
            Self::EndsBefore => format!("ends at {}", dsc.not_after()),
        }
    }
}

fn misfit(dsc: &Dsc, need: &Need) -> Option<Misfit> {
    if dsc.algorithm() != need.algorithm {
        Some(Misfit::Algorithm)
    } else if dsc.country() != Some(need.country) {
        Some(Misfit::Country)
    } else if !dsc.types().allows(need.kind) {
        Some(Misfit::Type)
    } else if need.issued_at < dsc.not_before() {
        Some(Misfit::NotYetValid)
    } else if need.expires_at > dsc.not_after() {
        Some(Misfit::EndsBefore)
    } else {
        None
    }
}

/// The keyring in force. A batch loads it once; a change swaps one pointer, and batches that began keep what they began with.
#[derive(Debug, Default)]
pub struct LiveKeyring(ArcSwap<Keyring>);

impl LiveKeyring {
    /// Starts with a keyring.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self(ArcSwap::from_pointee(keyring))
    }

    /// The keyring of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Keyring> {
        self.0.load_full()
    }

    /// Puts another keyring in force for all batches that begin from now on.
    pub fn replace(&self, keyring: Keyring) {
        self.0.store(Arc::new(keyring));
    }
}

/// Why a DSC cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Its key usage forbids signatures.
    #[error("DSC {kid}: its key usage lacks digitalSignature; a DSC has it")]
    KeyUsage {
        /// The DSC.
        kid: Kid,
    },
    /// Its public key is not one.
    #[error("DSC {kid}: {source}")]
    PublicKey {
        /// The DSC.
        kid: Kid,
        /// What is wrong.
        source: InvalidKey,
    },
    /// Its key did not sign.
    #[error("DSC {kid}: its key does not sign: {source}")]
    Canary {
        /// The DSC.
        kid: Kid,
        /// What the token said.
        source: TokenError,
    },
    /// The key signs, and the certificate is another key's.
    #[error("DSC {kid}: the key's signature does not verify with the certificate; they do not belong together")]
    Mismatch {
        /// The DSC.
        kid: Kid,
    },
    /// Two DSCs with one kid.
    #[error("two [[dsc]] have the kid {kid}: a certificate stands once; of two different ones, one has to be issued again")]
    DuplicateKid {
        /// Their kid.
        kid: Kid,
    },
}
