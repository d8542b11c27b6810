//! A processor of the token's own, played: P-256 keys and signatures that this module computes, and the real module does not.
//!
//! An HSM in the network computes elsewhere. SoftHSM behind a delay computes on the machine that is measured: 60 µs of a core
//! a signature, more than a signer spends on a certificate. Here one costs 3 µs: nonces follow one another, so that the point
//! of each is that of the last and the generator, and inversions are shared.
//!
//! **Nothing of it is secret.** A key is its `CKA_ID`, which anybody may read, and two signatures by nonces in a row give the
//! key away.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE};
use p256::elliptic_curve::BatchNormalize;
use p256::elliptic_curve::ff::BatchInverter;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};

use crate::clock::now_ns;

/// Octets of a `CKA_ID` that is a key.
pub(crate) const ID_LEN: usize = 16;
/// Octets of a digest, and of each half of a signature.
pub(crate) const WORD_LEN: usize = 32;

/// Nonces that are made together.
const NONCES: usize = 256;

/// A private key.
#[derive(Clone, Copy)]
pub(crate) struct Key(Scalar);

/// Keys that sessions have used, operations that have begun, and nonces for the next signatures.
#[derive(Debug)]
pub(crate) struct Processor {
    /// With nothing for those of the real module. By session, for it is the session that may use a key.
    keys: Mutex<HashMap<(CK_SESSION_HANDLE, CK_OBJECT_HANDLE), Option<Key>>>,
    begun: Mutex<HashMap<CK_SESSION_HANDLE, Key>>,
    nonces: Mutex<Nonces>,
}

#[derive(Debug)]
struct Nonces {
    next: Scalar,
    made: Vec<Nonce>,
}

/// What a signature needs of a nonce.
#[derive(Clone, Copy, Debug)]
struct Nonce {
    /// The point's x, modulo the group's order.
    r: Scalar,
    inverse: Scalar,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key that an identifier is.
    pub(crate) fn of_id(id: [u8; ID_LEN]) -> Self {
        // Zero is no key.
        Self(Scalar::from(u128::from_be_bytes(id)) + Scalar::ONE)
    }

    /// `CKA_EC_POINT`: the public key, uncompressed, as a DER OCTET STRING.
    pub(crate) fn ec_point(self) -> Vec<u8> {
        let point = (ProjectivePoint::GENERATOR * self.0).to_affine().to_sec1_point(false);
        let bytes = point.as_bytes();
        [&[0x04, bytes.len() as u8], bytes].concat()
    }
}

impl Processor {
    pub(crate) fn new() -> Self {
        // Processes that begin at different instants have other nonces.
        let next = Scalar::from(u128::from(now_ns()) << 32 | u128::from(std::process::id()));
        let nonces = Mutex::new(Nonces { next, made: Vec::with_capacity(NONCES) });
        Self { keys: Mutex::default(), begun: Mutex::default(), nonces }
    }

    /// The key of an object, if it is one of this processor's; `read` reads what of it says so, once a session.
    ///
    /// # Errors
    /// Those of `read`, which is then asked again.
    pub(crate) fn key(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        read: impl FnOnce() -> Result<Option<Key>, CK_RV>,
    ) -> Result<Option<Key>, CK_RV> {
        if let Some(known) = lock(&self.keys).get(&(session, object)) {
            return Ok(*known);
        }
        let key = read()?; // without a lock: it may take its time
        lock(&self.keys).insert((session, object), key);
        Ok(key)
    }

    /// A signature begins on a session.
    pub(crate) fn begin(&self, session: CK_SESSION_HANDLE, key: Key) {
        lock(&self.begun).insert(session, key);
    }

    /// Whether one has begun.
    pub(crate) fn has_begun(&self, session: CK_SESSION_HANDLE) -> bool {
        lock(&self.begun).contains_key(&session)
    }

    /// It ends, with a signature of `r || s`; nothing where none has begun.
    pub(crate) fn end(&self, session: CK_SESSION_HANDLE, digest: &[u8; WORD_LEN]) -> Option<[u8; 2 * WORD_LEN]> {
        let key = lock(&self.begun).remove(&session)?;
        let Nonce { r, inverse } = lock(&self.nonces).next();
        let s = inverse * (reduce(&(*digest).into()) + r * key.0);
        let mut signature = [0; 2 * WORD_LEN];
        signature[..WORD_LEN].copy_from_slice(&r.to_bytes());
        signature[WORD_LEN..].copy_from_slice(&s.to_bytes());
        Some(signature)
    }

    /// Ends without a signature.
    pub(crate) fn give_up(&self, session: CK_SESSION_HANDLE) {
        lock(&self.begun).remove(&session);
    }

    /// The session is closed.
    pub(crate) fn forget(&self, session: CK_SESSION_HANDLE) {
        self.give_up(session);
        lock(&self.keys).retain(|(user, _), _| *user != session);
    }

    /// Sessions are over, a login, or an object.
    pub(crate) fn forget_keys(&self) {
        lock(&self.keys).clear();
    }

    /// All sessions are over.
    pub(crate) fn forget_all(&self) {
        lock(&self.begun).clear();
        self.forget_keys();
    }
}

impl Nonces {
    fn next(&mut self) -> Nonce {
        loop {
            match self.made.pop() {
                Some(nonce) => return nonce,
                None => self.make(),
            }
        }
    }

    fn make(&mut self) {
        let (mut points, mut scalars) = (Vec::with_capacity(NONCES), Vec::with_capacity(NONCES));
        let mut point = ProjectivePoint::GENERATOR * self.next;
        for _ in 0..NONCES {
            points.push(point);
            scalars.push(self.next);
            point += AffinePoint::GENERATOR;
            self.next += Scalar::ONE;
        }
        let points = ProjectivePoint::batch_normalize_vartime(points.as_slice());
        BatchInverter::invert_with_external_scratch(&mut scalars, &mut [Scalar::ZERO; NONCES]);
        let made = points.iter().zip(scalars);
        self.made.extend(made.map(|(point, inverse)| Nonce { r: reduce(&point.x()), inverse }));
    }
}

fn reduce(bytes: &FieldBytes) -> Scalar {
    Scalar::reduce(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use cryptoki_sys::CKR_DEVICE_ERROR;
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use p256::ecdsa::{Signature, VerifyingKey};

    use super::*;

    #[test]
    fn what_is_signed_verifies_and_no_two_have_the_same_nonce() {
        let (processor, key) = (Processor::new(), Key::of_id([7; ID_LEN]));
        let public = VerifyingKey::from_sec1_bytes(&key.ec_point()[2..]).unwrap();
        let mut points = std::collections::HashSet::new();
        for number in 0..3 * NONCES as u64 {
            let mut digest = [0xff; WORD_LEN];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            processor.begin(1, key);
            let signature = processor.end(1, &digest).unwrap();
            public.verify_prehash(&digest, &Signature::from_slice(&signature).unwrap()).unwrap();
            assert!(points.insert(signature[..WORD_LEN].to_vec()));
        }
    }

    #[test]
    fn an_operation_ends_once_and_with_its_session() {
        let (processor, key) = (Processor::new(), Key::of_id([0; ID_LEN]));
        processor.begin(1, key);
        assert!(processor.has_begun(1) && !processor.has_begun(2));
        assert!(processor.end(1, &[1; WORD_LEN]).is_some() && processor.end(1, &[1; WORD_LEN]).is_none());
        let ways: [fn(&Processor); 3] =
            [|processor| processor.forget(2), |processor| processor.give_up(2), Processor::forget_all];
        for over in ways {
            processor.begin(2, key);
            over(&processor);
            assert!(!processor.has_begun(2));
        }
    }

    #[test]
    fn a_key_is_read_once_a_session_and_again_after_an_error() {
        let processor = Processor::new();
        let key = |session, object, read: Result<Option<Key>, CK_RV>| processor.key(session, object, || read);
        let own = Ok(Some(Key::of_id([1; ID_LEN])));
        assert_eq!(key(1, 5, Err(CKR_DEVICE_ERROR)).unwrap_err(), CKR_DEVICE_ERROR);
        assert!(key(1, 5, own).unwrap().is_some() && key(1, 6, Ok(None)).unwrap().is_none());
        let is_known = |session, object| key(session, object, Err(CKR_DEVICE_ERROR)).is_ok();
        assert!(is_known(1, 5) && is_known(1, 6) && !is_known(2, 5));
        key(2, 5, own).unwrap();
        processor.forget(1);
        assert!(!is_known(1, 5) && is_known(2, 5));
        processor.forget_keys();
        assert!(!is_known(2, 5));
    }
}
