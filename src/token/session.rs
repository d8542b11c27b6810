//! One signing session: its own handles, used by one thread.

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::login::Login;
use super::{KeyAttribute, TokenError, TokenKey, key};
use crate::domain::{Algorithm, Digest, PublicKey, Signature};

/// A session with the handles of every key, found anew for it.
#[derive(Debug)]
pub(super) struct SigningSession {
    session: Session,
    keys: Vec<SessionKey>,
}

#[derive(Debug)]
struct SessionKey {
    handle: ObjectHandle,
    algorithm: Algorithm,
    signature_len: usize,
}

impl SigningSession {
    /// Opens a session and finds the keys.
    pub(super) fn open(login: &Login, keys: &[PublicKey]) -> Result<Self, TokenError> {
        let session = login.session()?;
        let keys = keys.iter().map(|public_key| SessionKey::find(&session, public_key)).collect::<Result<_, _>>()?;
        Ok(Self { session, keys })
    }

    /// Reads the keys' attributes back and refuses a key that is not kept as an issuer's key has to be.
    pub(super) fn check_keys(&self, relaxed: &[KeyAttribute]) -> Result<(), TokenError> {
        self.keys.iter().try_for_each(|key| key::check_attributes(&self.session, key.handle, relaxed))
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
    fn find(session: &Session, public_key: &PublicKey) -> Result<Self, TokenError> {
        let handle = key::find_private_key(session, public_key)?;
        Ok(Self { handle, algorithm: public_key.algorithm(), signature_len: public_key.signature_len() })
    }
}
