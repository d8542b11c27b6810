//! Keys in memory, and a token that does nothing, for tests and benches. Never part of a release binary: the feature `software-token` is not a default,
//! and nothing in the binary names this module.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::queue::{Answer, Next, Wake, WorkQueue, piece_len};
use super::wire::{Ready, WorkerFrame, key_hash};
use super::worker::{Output, Signatory, serve};
use super::{Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};
use crate::domain::{Digest, PublicKey, Signature};

/// A token of P-256 keys in memory.
pub struct SoftwareToken {
    keys: Vec<EcdsaKeyPair>,
}

impl SoftwareToken {
    /// So many new keys.
    ///
    /// # Panics
    /// Where the random generator fails.
    #[must_use]
    pub fn with_keys(count: usize) -> Self {
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the random generator works");
        Self { keys: (0..count).map(|_| key()).collect() }
    }

    /// The key of a number, and its public half.
    ///
    /// # Panics
    /// Where there is no key of that number.
    #[must_use]
    pub fn key(&self, number: usize) -> (TokenKey, PublicKey) {
        let point = self.keys[number].public_key().as_ref().try_into().expect("an uncompressed point has 65 bytes");
        (TokenKey(number), PublicKey::P256 { point })
    }

    /// One signature, at once.
    ///
    /// # Errors
    /// There is no key of that number.
    pub fn sign_now(&self, key: TokenKey, digest: &Digest) -> Result<Signed, TokenError> {
        let key = self.keys.get(key.0).ok_or(TokenError::KeyAbsent { what: "key of that number" })?;
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256)
            .map_err(|_| TokenError::Closed)?;
        let signature = key.sign_digest(&digest).map_err(|_| TokenError::Closed)?;
        Ok(Signed { signature: Signature::new(signature.as_ref().to_vec()), session: SessionId::default() })
    }
}

impl Token for SoftwareToken {
    fn name(&self) -> &'static str {
        "software"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let results = digests.iter().map(|digest| self.sign_now(order.key, digest)).collect();
        Box::pin(std::future::ready(results))
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

impl fmt::Debug for SoftwareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareToken({} keys)", self.keys.len())
    }
}

/// Sessions that sign by copying 64 bytes: what is left is the cost of queues, threads and pipes.
pub struct StandIn {
    queue: Arc<WorkQueue>,
    sessions: usize,
}

impl StandIn {
    /// So many sessions, which live as long as the process.
    #[must_use]
    pub fn with_sessions(sessions: usize) -> Self {
        let queue = Arc::new(WorkQueue::new(Wake::OneEach));
        for _ in 0..sessions {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                while let Next::Piece(piece) = queue.next_where(|_| true, || false, None) {
                    let signed = || Signed { signature: Signature::new(vec![7; 64]), session: SessionId::default() };
                    let results = piece.digests().iter().map(|_| Ok(signed())).collect();
                    piece.complete(results, Duration::ZERO);
                }
            });
        }
        Self { queue, sessions }
    }

    /// Serves a supervisor over stdin and stdout, as a worker does, with a key whose public half this is.
    ///
    /// # Errors
    /// The pipes break.
    pub fn run_worker(self, key: &PublicKey) -> io::Result<()> {
        let output = Arc::new(Output::stdout()?);
        let sessions = u16::try_from(self.sessions).unwrap_or(u16::MAX);
        output.send(&WorkerFrame::Ready(Ready { sessions, local: true, keys: vec![key_hash(key)] }));
        serve(&self, None, &output)
    }
}

impl Signatory for StandIn {
    fn submit(&self, order: Order, digests: Vec<Digest>, answer: Answer) {
        let len = digests.len();
        self.queue.submit_for(order, digests, len, answer);
    }

    fn discard(&self, _session: u16) {}
}

impl Token for StandIn {
    fn name(&self) -> &'static str {
        "stand-in"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let len = piece_len(digests.len(), self.sessions, Duration::ZERO);
        self.queue.submit(order, digests, len)
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StandIn({} sessions)", self.sessions)
    }
}
