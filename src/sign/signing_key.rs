//! One DSC with its key: what it signs, and where.

use std::sync::{Arc, OnceLock};

use super::keyring::Need;
use super::route::{Place, Station};
use crate::domain::{
    BatchCheck, CertificateType, CertificateTypes, Digest, Dsc, InvalidKey, KeyUse, Kid, NoBatchCheck, SignatureCheck,
};
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
    /// Made when the first batch needs it; nothing where there is none.
    batch_check: OnceLock<Option<BatchCheck>>,
    places: Vec<Place>,
    used: Option<KeyUse>,
}

impl SigningKey {
    /// Binds a DSC to its key, which is on one token or on several. It signs whatever its certificate allows.
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
        Ok(Self { dsc, header, check, batch_check: OnceLock::new(), places, used: None })
    }

    /// The same, and it signs in a window alone, some of the types, with its share of the work.
    ///
    /// # Errors
    /// [`KeyringError`] where its certificate allows less, or nothing could be signed.
    pub fn used_for(mut self, used: KeyUse) -> Result<Self, KeyringError> {
        let (kid, KeyUse { window, types, weight }) = (self.dsc.kid(), &used);
        let (asked, allowed) = (*types, self.dsc.types());
        if asked.and(allowed) != asked || asked.iter().next().is_none() {
            return Err(KeyringError::Types { kid, asked, allowed });
        }
        if !KeyUse::WEIGHTS.contains(weight) {
            return Err(KeyringError::Weight { kid, weight: *weight });
        }
        if window.to <= window.from {
            return Err(KeyringError::EmptyWindow { kid });
        }
        self.used = Some(used);
        Ok(self)
    }

    /// The certificate.
    #[must_use]
    pub const fn dsc(&self) -> &Dsc {
        &self.dsc
    }

    /// What it is used for; nothing where that is left to its certificate.
    #[must_use]
    pub const fn used(&self) -> Option<&KeyUse> {
        self.used.as_ref()
    }

    /// What it signs.
    #[must_use]
    pub fn types(&self) -> CertificateTypes {
        self.used.as_ref().map_or_else(|| self.dsc.types(), |used| used.types)
    }

    /// Why it does not sign what is needed; nothing where it does.
    pub(super) fn misfit(&self, need: &Need) -> Option<Misfit> {
        let (dsc, window) = (&self.dsc, self.used.as_ref().map(|used| used.window));
        if dsc.algorithm() != need.algorithm {
            Some(Misfit::Algorithm)
        } else if dsc.country() != Some(need.country) {
            Some(Misfit::Country)
        } else if !self.types().allows(need.kind) {
            Some(Misfit::Type(self.not_allowed_by(need.kind)))
        } else if window.is_some_and(|window| need.issued_at < window.from) {
            Some(Misfit::SignsFrom)
        } else if window.is_some_and(|window| need.issued_at >= window.to) {
            Some(Misfit::SignedUntil)
        } else if need.issued_at < dsc.not_before() {
            Some(Misfit::NotYetValid)
        } else if need.expires_at > dsc.not_after() {
            Some(Misfit::EndsBefore)
        } else {
            None
        }
    }

    /// Who forbids a type that it does not sign.
    fn not_allowed_by(&self, kind: CertificateType) -> Forbids {
        if self.dsc.types().allows(kind) { Forbids::Use } else { Forbids::Certificate }
    }

    /// A misfit in words, which follow the kid.
    pub(super) fn explain(&self, misfit: &Misfit) -> String {
        let (dsc, window) = (&self.dsc, self.used.as_ref().map(|used| used.window));
        match misfit {
            Misfit::Algorithm => format!("is for {}", dsc.algorithm()),
            Misfit::Country => "is of another country".to_owned(),
            Misfit::Type(Forbids::Certificate) => "is not for that type".to_owned(),
            Misfit::Type(Forbids::Use) => "is not used for that type".to_owned(),
            Misfit::SignsFrom => window.map_or_else(String::new, |window| format!("signs from {} on", window.from)),
            Misfit::SignedUntil => window.map_or_else(String::new, |window| format!("signed until {}", window.to)),
            Misfit::NotYetValid => format!("begins at {}", dsc.not_before()),
            Misfit::EndsBefore => format!("ends at {}", dsc.not_after()),
        }
    }

    pub(super) const fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// The check of many signatures at once, which the first call makes, in some milliseconds; nothing where each is to be
    /// checked by itself.
    fn batch_check(&self) -> Option<&BatchCheck> {
        let make = || match BatchCheck::new(self.dsc.public_key()) {
            Ok(check) => Some(check),
            Err(NoBatchCheck::OtherAlgorithm) => None,
            Err(error) => {
                tracing::error!(kid = %self.dsc.kid(), %error, "the signatures of this DSC are checked one by one");
                None
            }
        };
        self.batch_check.get_or_init(make).as_ref()
    }

    /// Which of them are its signatures over their digests, in order.
    pub(super) fn accepts_each(&self, signed: &[(&Digest, &[u8])], pause: impl Fn()) -> Vec<bool> {
        let are_many = signed.len() >= BatchCheck::MIN_ITEMS;
        match are_many.then(|| self.batch_check()).flatten() {
            Some(check) => check.accepts_each(signed, pause),
            None => self.accepts_one_by_one(signed, pause),
        }
    }

    /// The same, each by itself.
    pub(super) fn accepts_one_by_one(&self, signed: &[(&Digest, &[u8])], pause: impl Fn()) -> Vec<bool> {
        let accepts = |(digest, signature): &(&Digest, &[u8])| {
            pause();
            self.check.accepts(digest, signature)
        };
        signed.iter().map(accepts).collect()
    }

    /// The tokens that its key is on.
    pub fn stations(&self) -> impl Iterator<Item = &Arc<Station>> {
        self.places.iter().map(|place| &place.station)
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }
}

/// Why a DSC does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    Algorithm,
    Country,
    Type(Forbids),
    SignsFrom,
    SignedUntil,
    NotYetValid,
    EndsBefore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbids {
    Certificate,
    Use,
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
    /// It is to sign what its certificate does not allow, or nothing.
    #[error("DSC {kid}: it is to sign {asked:?}; its certificate allows {allowed:?}, of which it is to sign one at least")]
    Types {
        /// The DSC.
        kid: Kid,
        /// What it is to sign.
        asked: CertificateTypes,
        /// What its certificate allows.
        allowed: CertificateTypes,
    },
    /// Its weight is out of range.
    #[error("DSC {kid}: its weight is {weight}; it is 1 to 1000")]
    Weight {
        /// The DSC.
        kid: Kid,
        /// Its weight.
        weight: u16,
    },
    /// Its window holds no instant.
    #[error("DSC {kid}: the window in which it signs is empty; it holds its first instant, and not its end")]
    EmptyWindow {
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
