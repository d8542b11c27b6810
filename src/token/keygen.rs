//! Making tokens and keys, and taking them away: what `sceau dev` and officers need.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use secrecy::SecretString;

use super::founding::Founding;
use super::login::log_in;
use super::{KeyAttribute, TokenError, TokenSpec, key, module};
use crate::domain::officers::KeyKind;
use crate::domain::{Digest, PublicKey, Signature};

/// A logged-in session for an officer's work: it makes keys and signs with them.
#[derive(Debug)]
pub struct TokenAdmin {
    session: Session,
}

/// The DER of `1.2.840.10045.3.1.7`, as CKA_EC_PARAMS wants it.
const PRIME256V1_DER: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

impl TokenAdmin {
    /// Initialises a free slot as a new token with a label and a user PIN, where no token has the label yet.
    ///
    /// # Errors
    /// [`TokenError`] of the call that failed; a token that has the label already is left alone and is no error.
    pub fn init_token(spec: &TokenSpec, so_pin: &SecretString) -> Result<(), TokenError> {
        match module::find_token(&module::load(&spec.module)?, spec) {
            Ok(_) => Ok(()),
            Err(TokenError::Absent { .. }) => Founding::new(spec, so_pin, &spec.pin.read()?)?.begin(),
            Err(error) => Err(error),
        }
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

    /// On a session that is logged in already.
    pub(super) const fn on(session: Session) -> Self {
        Self { session }
    }

    /// Whether no object on the token has a label.
    pub(super) fn is_free(&self, label: &str) -> Result<bool, TokenError> {
        Ok(self.session.find_objects(&[Attribute::Label(label.into())]).map_err(TokenError::of_call)?.is_empty())
    }

    /// Makes a key pair that never leaves the token, under a label and a CKA_ID of its own.
    ///
    /// It takes what the token takes: an RSA key on a small device a minute or more.
    ///
    /// # Errors
    /// [`TokenError::KeyExists`] where the label is taken; [`TokenError::Call`] where the token refuses.
    pub fn generate(&self, kind: KeyKind, label: &str) -> Result<PublicKey, TokenError> {
        if !self.is_free(label)? {
            return Err(TokenError::KeyExists { label: label.to_owned() });
        }
        let id = self.session.generate_random_vec(16).map_err(TokenError::of_call)?;
        let (mechanism, kind_attributes) = match kind {
            KeyKind::P256 => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(PRIME256V1_DER.to_vec())]),
            KeyKind::Rsa2048 => (Mechanism::RsaPkcsKeyPairGen, rsa_attributes(2048)),
            KeyKind::Rsa3072 => (Mechanism::RsaPkcsKeyPairGen, rsa_attributes(3072)),
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

    /// The public key of the one key pair with a label; nothing where no object has it.
    ///
    /// # Errors
    /// [`TokenError::KeyAbsent`] where there is only a half of it, [`TokenError::KeyAmbiguous`] where there are two.
    pub fn find_pair(&self, label: &str) -> Result<Option<PublicKey>, TokenError> {
        if self.is_free(label)? {
            return Ok(None);
        }
        let (public, private) = self.halves(label)?;
        match (public.as_slice(), private.as_slice()) {
            ([public], [_]) => self.public_key_of(*public).map(Some),
            ([], _) => Err(TokenError::KeyAbsent { what: "public key of that label" }),
            (_, []) => Err(TokenError::KeyAbsent { what: "private key of that label" }),
            _ => Err(TokenError::KeyAmbiguous { what: "key pairs with that label", count: public.len().max(private.len()) }),
        }
    }

    /// The public key of the one public half with a label, whether its private half is there or not.
    pub(super) fn find_public_half(&self, label: &str) -> Result<Option<PublicKey>, TokenError> {
        match self.halves(label)?.0[..] {
            [] => Ok(None),
            [public] => self.public_key_of(public).map(Some),
            ref more => Err(TokenError::KeyAmbiguous { what: "public keys with that label", count: more.len() }),
        }
    }

    /// Destroys the one key pair with a label and a public key, the private half first. Where a destruction was cut off and
    /// the public half alone is left, that is destroyed.
    ///
    /// # Errors
    /// [`TokenError::KeyAbsent`] where there is no such key, [`TokenError::KeyAmbiguous`] where there are several; nothing is
    /// destroyed then.
    pub fn destroy(&self, label: &str, public_key: &PublicKey) -> Result<(), TokenError> {
        let (public, private) = self.halves(label)?;
        let [public] = public[..] else {
            return Err(match public.len() {
                0 => TokenError::KeyAbsent { what: "public key of that label" },
                count => TokenError::KeyAmbiguous { what: "public keys with that label", count },
            });
        };
        if private.len() > 1 {
            return Err(TokenError::KeyAmbiguous { what: "private keys with that label", count: private.len() });
        }
        if self.public_key_of(public)? != *public_key {
            return Err(TokenError::KeyAbsent { what: "key of that label with that public key" });
        }
        if let [private] = private[..] {
            if key::find_private_key(&self.session, public_key)? != private {
                return Err(TokenError::KeyAbsent { what: "private key of that label with the public key's CKA_ID" });
            }
            self.session.destroy_object(private).map_err(TokenError::of_call)?;
        }
        self.session.destroy_object(public).map_err(TokenError::of_call)
    }

    /// Changes the user PIN of the token. The caller sees to it that the next login finds the new one.
    ///
    /// # Errors
    /// [`TokenError::Call`]: `PinIncorrect` where the old one is wrong, `PinInvalid` and `PinLenRange` where the new one has not
    /// the token's form.
    pub fn change_pin(&self, old: &SecretString, new: &SecretString) -> Result<(), TokenError> {
        self.session.set_pin(old, new).map_err(TokenError::of_call)
    }

    /// Refuses a key that is not kept as an issuer's key has to be.
    pub(super) fn check_attributes(&self, public_key: &PublicKey, relaxed: &[KeyAttribute]) -> Result<(), TokenError> {
        key::check_attributes(&self.session, key::find_private_key(&self.session, public_key)?, relaxed)
    }

    fn halves(&self, label: &str) -> Result<(Vec<ObjectHandle>, Vec<ObjectHandle>), TokenError> {
        let find = |class| {
            let template = [Attribute::Class(class), Attribute::Token(true), Attribute::Label(label.into())];
            let found = self.session.find_objects(&template).map_err(TokenError::of_call)?;
            // Read back, for some modules search by less than they are asked.
            found
                .into_iter()
                .filter_map(|object| self.has_label(object, label).map(|has| has.then_some(object)).transpose())
                .collect::<Result<Vec<_>, TokenError>>()
        };
        Ok((find(ObjectClass::PUBLIC_KEY)?, find(ObjectClass::PRIVATE_KEY)?))
    }

    fn has_label(&self, object: ObjectHandle, label: &str) -> Result<bool, TokenError> {
        let read = self.session.get_attributes(object, &[AttributeType::Label]).map_err(TokenError::of_call)?;
        Ok(matches!(read.first(), Some(Attribute::Label(found)) if found == label.as_bytes()))
    }

    fn public_key_of(&self, handle: ObjectHandle) -> Result<PublicKey, TokenError> {
        let read = self.session.get_attributes(handle, &[AttributeType::KeyType]).map_err(TokenError::of_call)?;
        let kind = match read.first() {
            Some(Attribute::KeyType(KeyType::EC)) => KeyKind::P256,
            _ => KeyKind::Rsa2048,
        };
        self.public_key(kind, handle)
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

fn rsa_attributes(bits: u64) -> Vec<Attribute> {
    vec![Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(vec![0x01, 0x00, 0x01])]
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
