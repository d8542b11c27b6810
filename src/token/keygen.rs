//! Making tokens and keys: what `sceau dev` needs, and custody later.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use secrecy::SecretString;

use super::login::log_in;
use super::{TokenError, TokenSpec, key, module};
use crate::domain::{Digest, PublicKey, Signature};

/// A logged-in session for an officer's work: it makes keys and signs with them.
#[derive(Debug)]
pub struct TokenAdmin {
    session: Session,
}

/// The kinds of key that a DSC may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256, for ES256.
    P256,
    /// RSA 2048 with exponent 65537, for PS256.
    Rsa2048,
}

/// The DER of `1.2.840.10045.3.1.7`, as CKA_EC_PARAMS wants it.
const PRIME256V1_DER: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

impl TokenAdmin {
    /// Initialises a free slot as a new token with a label and a user PIN, where no token has the label yet.
    ///
    /// # Errors
    /// [`TokenError`] of the call that failed; a token that has the label already is left alone and is no error.
    pub fn init_token(spec: &TokenSpec, so_pin: &SecretString) -> Result<(), TokenError> {
        let module = module::load(&spec.module)?;
        if module::find_token(&module, spec).is_ok() {
            return Ok(());
        }
        let slots = module.get_slots_with_token().map_err(TokenError::of_call)?;
        let is_free = |slot| module.get_token_info(slot).is_ok_and(|info| !info.token_initialized());
        let free = slots.into_iter().find(|slot| is_free(*slot)).ok_or(TokenError::NoFreeSlot)?;
        module.init_token(free, so_pin, &spec.label).map_err(TokenError::of_call)?;
        let (slot, _) = module::find_token(&module, spec)?;
        let session = module.open_rw_session(slot).map_err(TokenError::of_call)?;
        session.login(UserType::So, Some(so_pin)).map_err(TokenError::of_call)?;
        session.init_pin(&spec.pin.read()?).map_err(TokenError::of_call)?;
        session.logout().map_err(TokenError::of_call)
    }

    /// Logs in for key management.
    ///
    /// # Errors
    /// As [`super::Pkcs11Token::open`].
    pub fn open(spec: &TokenSpec) -> Result<Self, TokenError> {
        let module = module::load(&spec.module)?;
        let (slot, info) = module::find_token(&module, spec)?;
        let session = module.open_rw_session(slot).map_err(TokenError::of_call)?;
        log_in(&session, &info, spec)?;
        Ok(Self { session })
    }

    /// Makes a key pair that never leaves the token, under a label of its own.
    ///
    /// # Errors
    /// [`TokenError::KeyExists`] where the label is taken; [`TokenError::Call`] where the token refuses.
    pub fn generate(&self, kind: KeyKind, label: &str) -> Result<PublicKey, TokenError> {
        let taken = self.session.find_objects(&[Attribute::Label(label.into())]).map_err(TokenError::of_call)?;
        if !taken.is_empty() {
            return Err(TokenError::KeyExists { label: label.to_owned() });
        }
        let id = self.session.generate_random_vec(16).map_err(TokenError::of_call)?;
        let (mechanism, kind_attributes) = match kind {
            KeyKind::P256 => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(PRIME256V1_DER.to_vec())]),
            KeyKind::Rsa2048 => (
                Mechanism::RsaPkcsKeyPairGen,
                vec![Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![0x01, 0x00, 0x01])],
            ),
        };
        let public_template = [public_template(label, &id), kind_attributes].concat();
        let (public, _) = self
            .session
            .generate_key_pair(&mechanism, &public_template, &private_template(label, &id))
            .map_err(TokenError::of_call)?;
        self.public_key(kind, public)
    }

    /// The public key of a pair that was made under a label, where there is one.
    ///
    /// # Errors
    /// [`TokenError`] where the token cannot be asked or the object cannot be read.
    pub fn find(&self, kind: KeyKind, label: &str) -> Result<Option<PublicKey>, TokenError> {
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.into())];
        let found = self.session.find_objects(&template).map_err(TokenError::of_call)?;
        found.first().map(|handle| self.public_key(kind, *handle)).transpose()
    }

    /// Signs one digest with the key of a public key.
    ///
    /// # Errors
    /// [`TokenError`] where the key is not there or the call fails.
    pub fn sign(&self, public_key: &PublicKey, digest: &Digest) -> Result<Signature, TokenError> {
        let handle = key::find_private_key(&self.session, public_key)?;
        let bytes =
            self.session.sign(&key::mechanism(public_key.algorithm()), handle, digest.as_bytes()).map_err(TokenError::of_call)?;
        Ok(Signature::new(bytes))
    }

    fn public_key(&self, kind: KeyKind, handle: ObjectHandle) -> Result<PublicKey, TokenError> {
        let wanted = [AttributeType::EcPoint, AttributeType::Modulus, AttributeType::PublicExponent];
        let wanted = if kind == KeyKind::P256 { &wanted[..1] } else { &wanted[1..] };
        let attributes = self.session.get_attributes(handle, wanted).map_err(TokenError::of_call)?;
        read_public_key(&attributes).ok_or(TokenError::KeyAbsent { what: "readable public key of that label" })
    }
}

fn read_public_key(attributes: &[Attribute]) -> Option<PublicKey> {
    match attributes {
        [Attribute::EcPoint(point)] => {
            let raw = if point.len() == 67 { &point[2..] } else { point };
            Some(PublicKey::P256 { point: raw.try_into().ok()? })
        }
        [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] => PublicKey::from_rsa_parts(modulus, exponent),
        _ => None,
    }
}

fn public_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Label(label.into()),
        Attribute::Id(id.to_vec()),
    ]
}

fn private_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Label(label.into()),
        Attribute::Id(id.to_vec()),
    ]
}
