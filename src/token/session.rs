//! One signing session: its own handles, used by one thread.

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::keys::{Keys, OpenKey};
use super::login::Login;
use super::{KeyAttribute, TokenError, TokenKey, WantedKey, key};
use crate::domain::{Algorithm, Digest, Signature};

/// A session with the handles of keys, found anew for it: those that the token is opened with at once, others when they are
/// first needed.
#[derive(Debug)]
pub(super) struct SigningSession {
    session: Session,
    keys: Vec<Option<SessionKey>>,
}

#[derive(Debug)]
struct SessionKey {
    name: String,
    handle: ObjectHandle,
    algorithm: Algorithm,
    signature_len: usize,
}

impl SigningSession {
    /// Opens a session and finds the keys that the token is opened with.
    pub(super) fn open(login: &Login, keys: &Keys) -> Result<Self, TokenError> {
        let live = keys.live();
        Self::open_with(login, live.iter().filter(|(_, key)| !key.is_admitted).map(|(number, key)| (*number, &key.wanted)))
    }

    /// Opens a session and finds some keys.
    pub(super) fn open_with<'k>(
        login: &Login,
        keys: impl Iterator<Item = (TokenKey, &'k WantedKey)>,
    ) -> Result<Self, TokenError> {
        let mut opened = Self { session: login.session()?, keys: Vec::new() };
        for (number, key) in keys {
            opened.find(number, key)?;
        }
        Ok(opened)
    }

    /// Reads the keys' attributes back and refuses a key that is not kept as an issuer's key has to be.
    pub(super) fn check_keys(&self, relaxed: &[KeyAttribute]) -> Result<(), TokenError> {
        self.keys
            .iter()
            .flatten()
            .try_for_each(|key| key::check_attributes(&self.session, key.handle, relaxed).map_err(|error| error.about(&key.name)))
    }

    /// Has the token work without a key: it makes some random bytes.
    pub(super) fn stir(&self) -> Result<(), TokenError> {
        self.session.generate_random_vec(32).map(drop).map_err(TokenError::of_call)
    }

    /// Signs one digest with the key of a number, which is looked for where it has not been yet.
    pub(super) fn sign(&mut self, number: TokenKey, key: &OpenKey, digest: &Digest) -> Result<Signature, TokenError> {
        self.find(number, &key.wanted)?;
        self.sign_with(number, digest)
    }

    /// Signs one digest with a key that has been found.
    pub(super) fn sign_with(&self, number: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let key = self.keys.get(number.0).and_then(Option::as_ref).ok_or(TokenError::KeyAbsent { what: "key of that number" })?;
        let bytes =
            self.session.sign(&key::mechanism(key.algorithm), key.handle, digest.as_bytes()).map_err(TokenError::of_call)?;
        if bytes.len() == key.signature_len {
            Ok(Signature::new(bytes))
        } else {
            Err(TokenError::SignatureLength { found: bytes.len(), wanted: key.signature_len })
        }
    }

    /// The key's handle, looked for where it has none yet.
    fn find(&mut self, number: TokenKey, wanted: &WantedKey) -> Result<(), TokenError> {
        if self.keys.len() <= number.0 {
            self.keys.resize_with(number.0 + 1, || None);
        }
        let place = &mut self.keys[number.0];
        if place.is_none() {
            *place = Some(SessionKey::find(&self.session, wanted)?);
        }
        Ok(())
    }
}

impl SessionKey {
    fn find(session: &Session, wanted: &WantedKey) -> Result<Self, TokenError> {
        let WantedKey { name, public_key, .. } = wanted;
        let handle = key::find_private_key(session, public_key).map_err(|error| error.about(name))?;
        Ok(Self { name: name.clone(), handle, algorithm: public_key.algorithm(), signature_len: public_key.signature_len() })
    }
}
