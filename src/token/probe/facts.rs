//! What a token says of itself and of its keys.

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::{Slot, TokenInfo};
use serde::ser::{Serialize, Serializer};

use super::super::{KeyAttribute, TokenError, TokenKey, TokenSpec, WantedKey, key};
use crate::domain::{Algorithm, PublicKey};

/// Sessions of a token that stay free: the one that keeps the login, and one to spare.
const KEPT_FREE: u64 = 2;

/// A token, as `C_GetTokenInfo` and `C_GetMechanismInfo` tell of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TokenFacts {
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// The version of its hardware.
    pub hardware_version: String,
    /// The version of its firmware.
    pub firmware_version: String,
    /// The module: description and version. Nothing where it does not say.
    pub library: Option<String>,
    /// The most sessions; nothing where the token names no limit.
    pub max_sessions: Option<u64>,
    /// Sessions that were open before the probe opened any; nothing where the token does not say.
    pub open_sessions: Option<u64>,
    /// How its user PIN stands, before the login.
    pub pin: PinFacts,
    /// The mechanisms that Sceau signs with.
    pub mechanisms: Vec<MechanismFacts>,
}

/// The flags of the user PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PinFacts {
    /// There is one.
    pub initialized: bool,
    /// A wrong one was tried since the last login.
    pub count_low: bool,
    /// The next wrong one locks the token.
    pub final_try: bool,
    /// It is locked.
    pub locked: bool,
    /// It has expired, or is the one that the token came with.
    pub to_be_changed: bool,
}

/// A mechanism that signs a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MechanismFacts {
    /// Its name in PKCS#11.
    pub name: &'static str,
    /// What Sceau signs with it.
    pub algorithm: Algorithm,
    /// The smallest and the largest key, in bits; nothing where the token does not have the mechanism.
    pub key_bits: Option<(usize, usize)>,
}

/// A DSC's key.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyFacts {
    /// The kid of its DSC.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its kind and size, like `P-256` or `RSA-3072`.
    pub kind: String,
    /// `CKA_LABEL` of the private key.
    pub label: Option<String>,
    /// `CKA_ID` of it, in hex.
    pub id: Option<String>,
    /// How it is kept; empty where it was not found.
    #[serde(serialize_with = "as_map")]
    pub attributes: Vec<KeyFlag>,
    /// Its place for [`super::Probe::measure`]; or why no worker would sign with it.
    #[serde(rename = "problem", serialize_with = "as_problem")]
    pub key: Result<TokenKey, TokenError>,
}

/// One attribute of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFlag {
    /// Which one.
    pub attribute: KeyAttribute,
    /// What the token says; what it does not know is false.
    pub found: bool,
    /// What it has to be.
    pub wanted: bool,
}

fn as_map<S: Serializer>(flags: &[KeyFlag], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(flags.iter().map(|flag| (flag.attribute, flag.found)))
}

fn as_problem<S: Serializer>(key: &Result<TokenKey, TokenError>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().err().map(ToString::to_string).serialize(serializer)
}

impl TokenFacts {
    pub(super) fn read(module: &Pkcs11, slot: Slot, info: &TokenInfo) -> Result<Self, TokenError> {
        let library = module.get_library_info().ok();
        Ok(Self {
            label: info.label().to_owned(),
            serial: info.serial_number().to_owned(),
            manufacturer: info.manufacturer_id().to_owned(),
            model: info.model().to_owned(),
            hardware_version: info.hardware_version().to_string(),
            firmware_version: info.firmware_version().to_string(),
            library: library.map(|library| format!("{} {}", library.library_description(), library.library_version())),
            max_sessions: info.max_session_count().into(),
            open_sessions: info.session_count(),
            pin: PinFacts::read(info),
            mechanisms: Algorithm::ALL
                .into_iter()
                .map(|algorithm| MechanismFacts::read(module, slot, algorithm))
                .collect::<Result<_, _>>()?,
        })
    }

    /// How many sessions can sign, so that no other client of the token is refused one; nothing where it names no limit.
    #[must_use]
    pub fn most_sessions(&self) -> Option<usize> {
        let free = self.max_sessions?.saturating_sub(self.open_sessions.unwrap_or(0) + KEPT_FREE).max(1);
        Some(usize::try_from(free).unwrap_or(usize::MAX))
    }

    /// The mechanism of an algorithm.
    fn check(&self, algorithm: Algorithm) -> Result<(), TokenError> {
        let absent = self.mechanisms.iter().find(|facts| facts.algorithm == algorithm && facts.key_bits.is_none());
        absent.map_or(Ok(()), |facts| Err(TokenError::MechanismAbsent { mechanism: facts.name, algorithm }))
    }
}

impl PinFacts {
    fn read(info: &TokenInfo) -> Self {
        Self {
            initialized: info.user_pin_initialized(),
            count_low: info.user_pin_count_low(),
            final_try: info.user_pin_final_try(),
            locked: info.user_pin_locked(),
            to_be_changed: info.user_pin_to_be_changed(),
        }
    }
}

impl MechanismFacts {
    fn read(module: &Pkcs11, slot: Slot, algorithm: Algorithm) -> Result<Self, TokenError> {
        let (name, mechanism) = match algorithm {
            Algorithm::Es256 => ("CKM_ECDSA", MechanismType::ECDSA),
            Algorithm::Ps256 => ("CKM_RSA_PKCS_PSS", MechanismType::RSA_PKCS_PSS),
        };
        let key_bits = match module.get_mechanism_info(slot, mechanism) {
            Ok(info) => Some((info.min_key_size(), info.max_key_size())),
            Err(Error::Pkcs11(RvError::MechanismInvalid, _)) => None,
            Err(error) => return Err(TokenError::of_call(error)),
        };
        Ok(Self { name, algorithm, key_bits })
    }
}

impl KeyFacts {
    /// Finds a key and reads it; `place` is its number, should it be usable.
    pub(super) fn read(session: &Session, wanted: &WantedKey, spec: &TokenSpec, token: &TokenFacts, place: TokenKey) -> Self {
        let algorithm = wanted.public_key.algorithm();
        let mut facts = Self {
            kid: wanted.name.clone(),
            algorithm,
            kind: kind(&wanted.public_key),
            label: None,
            id: None,
            attributes: Vec::new(),
            key: Ok(place),
        };
        let read = facts.read_from(session, &wanted.public_key, spec).and_then(|()| token.check(algorithm));
        facts.key = read.map(|()| place);
        facts
    }

    fn read_from(&mut self, session: &Session, public_key: &PublicKey, spec: &TokenSpec) -> Result<(), TokenError> {
        let handle = key::find_private_key(session, public_key)?;
        self.read_names(session, handle)?;
        self.attributes = key::read_attributes(session, handle)?
            .into_iter()
            .map(|(attribute, found, wanted)| KeyFlag { attribute, found, wanted })
            .collect();
        key::check_attributes(session, handle, &spec.relaxed)
    }

    fn read_names(&mut self, session: &Session, handle: ObjectHandle) -> Result<(), TokenError> {
        let names = session.get_attributes(handle, &[AttributeType::Label, AttributeType::Id]).map_err(TokenError::of_call)?;
        for name in names {
            match name {
                Attribute::Label(label) => self.label = Some(String::from_utf8_lossy(&label).into_owned()),
                Attribute::Id(id) => self.id = Some(hex::encode(id)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn kind(key: &PublicKey) -> String {
    match key {
        PublicKey::P256 { .. } => "P-256".to_owned(),
        PublicKey::Rsa { modulus, .. } => format!("RSA-{}", modulus.len() * 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(max_sessions: Option<u64>, open_sessions: Option<u64>) -> TokenFacts {
        let text = String::new;
        TokenFacts {
            label: text(),
            serial: text(),
            manufacturer: text(),
            model: text(),
            hardware_version: text(),
            firmware_version: text(),
            library: None,
            max_sessions,
            open_sessions,
            pin: PinFacts { initialized: true, count_low: false, final_try: false, locked: false, to_be_changed: false },
            mechanisms: vec![MechanismFacts { name: "CKM_ECDSA", algorithm: Algorithm::Es256, key_bits: None }],
        }
    }

    #[test]
    fn two_sessions_stay_free_besides_those_of_others() {
        assert_eq!(token(None, Some(3)).most_sessions(), None);
        assert_eq!(token(Some(16), None).most_sessions(), Some(14));
        assert_eq!(token(Some(16), Some(5)).most_sessions(), Some(9));
        assert_eq!(token(Some(2), Some(2)).most_sessions(), Some(1), "where none is free, the token says so");
    }

    #[test]
    fn a_mechanism_that_is_not_there_is_told_with_what_it_is_for() {
        let error = token(None, None).check(Algorithm::Es256).unwrap_err().to_string();
        assert!(error.contains("CKM_ECDSA") && error.contains("ES256"), "{error}");
        assert!(token(None, None).check(Algorithm::Ps256).is_ok());
    }
}
