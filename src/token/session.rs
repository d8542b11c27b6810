//! One signing session: its own handles, used by one thread.

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::login::Login;
use super::{KeyAttribute, TokenError, TokenKey, WantedKey, key};
use crate::domain::{Algorithm, Digest, Signature};

/// A session with the handles of every key, found anew for it.
#[derive(Debug)]
pub(super) struct SigningSession {
    session: Session,
    keys: Vec<SessionKey>,
}

#[derive(Debug)]
struct SessionKey {
    name: String,
    handle: ObjectHandle,
    algorithm: Algorithm,
    signature_len: usize,
}

impl SigningSession {
    /// Opens a session and finds the keys.
    pub(super) fn open(login: &Login, keys: &[WantedKey]) -> Result<Self, TokenError> {
        let session = login.session()?;
        let keys = keys.iter().map(|key| SessionKey::find(&session, key)).collect::<Result<_, _>>()?;
        Ok(Self { session, keys })
    }

    /// Reads the keys' attributes back and refuses a key that is not kept as an issuer's key has to be.
    pub(super) fn check_keys(&self, relaxed: &[KeyAttribute]) -> Result<(), TokenError> {
        self.keys
            .iter()
            .try_for_each(|key| key::check_attributes(&self.session, key.handle, relaxed).map_err(|error| error.about(&key.name)))
    }

    /// How many keys there are.
    pub(super) const fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Signs one digest.
    pub(super) fn sign(&self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let key = self.keys.get(key.0).ok_or(TokenError::KeyAbsent { what: "key of that number" })?;
        let bytes =
            self.session.sign(&key::mechanism(key.algorithm), key.handle, digest.as_bytes()).map_err(TokenError::of_call)?;
        if bytes.len() == key.signature_len {
            Ok(Signature::new(bytes))
        } else {
            Err(TokenError::SignatureLength { found: bytes.len(), wanted: key.signature_len })
        }
    }
}

impl SessionKey {
    fn find(session: &Session, wanted: &WantedKey) -> Result<Self, TokenError> {
        let WantedKey { name, public_key, .. } = wanted;
        let handle = key::find_private_key(session, public_key).map_err(|error| error.about(name))?;
        Ok(Self { name: name.clone(), handle, algorithm: public_key.algorithm(), signature_len: public_key.signature_len() })
    }
}
