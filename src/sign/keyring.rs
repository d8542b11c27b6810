//! Which DSC signs what, and on which token: one immutable value that a batch takes once.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::route::{Binding, Place, Route, Station};
use crate::domain::{Algorithm, CertificateType, Country, Dsc, Fault, InvalidKey, Kid, NumericDate, Rule, SignatureCheck};
use crate::encode::ProtectedHeader;
use crate::token::TokenKey;

/// A DSC with the key that belongs to it: certificate, kid, header, check and key are one value and cannot drift apart.
///
/// That they belong together is proven by each worker of the token before it takes work, and by the check of every signature.
#[derive(Debug)]
pub struct SigningKey {
    dsc: Dsc,
    header: ProtectedHeader,
    check: SignatureCheck,
    places: Vec<Place>,
}

impl SigningKey {
    /// Binds a DSC to its key, which is on one token or on several.
    ///
    /// # Errors
    /// [`KeyringError`] names the kid and what is wrong.
    pub fn new(dsc: Dsc, places: Vec<(Arc<Station>, TokenKey)>) -> Result<Self, KeyringError> {
        let kid = dsc.kid();
        if !dsc.allows_signatures() {
            return Err(KeyringError::KeyUsage { kid });
        }
        let check = SignatureCheck::new(dsc.public_key()).map_err(|source| KeyringError::PublicKey { kid, source })?;
        let header = ProtectedHeader::new(dsc.algorithm(), kid);
        let places = places.into_iter().map(|(station, key)| Place { station, key }).collect();
        Ok(Self { dsc, header, check, places })
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

    pub(super) fn places(&self) -> &[Place] {
        &self.places
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
    /// A keyring. The DSC that ends first stands first, so that the keys of one token are used up in the order in which they
    /// end; the kid decides between equals, so that every replica picks the same.
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

    /// The order in which tokens are asked to sign `items` certificates of an algorithm and a country.
    #[must_use]
    pub fn route(&self, algorithm: Algorithm, country: Country, items: usize) -> Route {
        let keys = self.keys.iter().filter(|key| key.dsc.algorithm() == algorithm && key.dsc.country() == Some(country));
        Route::plan(keys, items)
    }

    /// The DSC and the token for a certificate: the first of the route that fits.
    ///
    /// # Errors
    /// A fault of rule `dsc.available` that says which DSCs there are and why none of them fits.
    pub fn select(&self, need: &Need, route: &Route) -> Result<Binding, Fault> {
        route.first(|key| misfit(&key.dsc, need).is_none()).ok_or_else(|| self.unavailable(need))
    }

    pub(super) fn unavailable(&self, need: &Need) -> Fault {
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
pub(super) enum Misfit {
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

pub(super) fn misfit(dsc: &Dsc, need: &Need) -> Option<Misfit> {
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
    /// Two DSCs with one kid.
    #[error("two [[dsc]] have the kid {kid}: a certificate stands once; of two different ones, one has to be issued again")]
    DuplicateKid {
        /// Their kid.
        kid: Kid,
    },
}
