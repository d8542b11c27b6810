//! The HSM. The only room that names cryptoki.
//!
//! [`Token`] is all that the rest of the house sees: digests in, one result each out, in order.
//!
//! ```text
//! sceau serve                                    sceau token-worker, one or more a token
//! SupervisedToken: queue -> keeper, a thread a worker == frames over stdin and stdout ==> Pkcs11Token: queue -> sessions, a thread each
//! ```
//!
//! [`SupervisedToken`] is what a service uses: it starts workers, feeds them, kills and replaces them. [`Pkcs11Token`] is what
//! a worker holds: long-lived sessions that do nothing but sign. Both take from the same kind of queue, interactive work first.
//!
//! Reading order: this page, [`error`] (what a failure means), `queue` (who signs next), `module` and `login` (how a token is
//! reached), `key` (how a key is found and what it must be), `session` and `pool` (signing), `wire`, `worker` and `supervisor`
//! (the processes).

pub mod error;
mod key;
mod keygen;
mod latch;
mod login;
mod module;
pub mod pin;
mod pool;
mod queue;
mod session;
#[cfg(any(test, feature = "software-token"))]
pub mod software;
mod supervisor;
mod wire;
mod worker;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crate::domain::{Digest, Lane, PublicKey, Signature};

pub use error::{Disposition, KeyAttribute, TokenError};
pub use keygen::{KeyKind, TokenAdmin};
pub use latch::PinLatch;
pub use module::finalize_modules;
pub use pin::PinSource;
pub use pool::Pkcs11Token;
pub use supervisor::{SupervisedToken, WorkerCommand};
pub use worker::{WorkerEnd, run_worker};

/// A thing that holds keys and signs digests with them.
pub trait Token: Send + Sync + fmt::Debug {
    /// The name that the configuration gives it.
    fn name(&self) -> &str;

    /// Signs one batch of digests, one result each, in order.
    ///
    /// # Shapes and units
    /// `digests`: SHA-256, 32 bytes each. Signature: 64 bytes raw r‖s, big-endian (ES256), or as long as the modulus (PS256).
    /// Interactive work goes before bulk work, decided after each signature.
    ///
    /// # Errors
    /// [`TokenError::disposition`] says what may be tried again. One digest's failure leaves the others.
    ///
    /// # Source
    /// RFC 9053 section 2.1; PKCS#11 v2.40, `CKM_ECDSA` and `CKM_RSA_PKCS_PSS`.
    fn sign(&self, key: TokenKey, lane: Lane, digests: Vec<Digest>) -> SignFuture;
}

/// The results of one batch, when the token has them all.
pub type SignFuture = Pin<Box<dyn Future<Output = Vec<Result<Signature, TokenError>>> + Send>>;

/// A key of an open token, by its place among the keys that it was opened with.
///
/// It outlives sessions: each session finds its own handle for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey(pub(crate) usize);

/// How many cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A key that a token is to be opened with.
#[derive(Clone, Debug)]
pub struct WantedKey {
    /// What messages call it: the kid of its DSC.
    pub name: String,
    /// Its public half, from the certificate.
    pub public_key: PublicKey,
}

/// How to reach a token.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    /// A name for messages and metrics.
    pub name: String,
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// The token's label: slot numbers move, labels stay.
    pub label: String,
    /// Its serial number, where two tokens share a label.
    pub serial: Option<String>,
    /// Where the user's PIN is.
    pub pin: PinSource,
    /// Where it is kept on disk that a PIN was refused.
    pub latch: PinLatch,
    /// How many worker processes; `None` takes one a core where the token computes here, one where it is a device.
    pub workers: Option<usize>,
    /// How many sessions a worker; `None` takes one where the token computes here, 16 where it is a device.
    pub sessions: Option<usize>,
    /// What a worker's environment has besides this process's: SoftHSM, for one, is configured by it.
    pub environment: Vec<(String, String)>,
    /// How long a worker may take over what it was given before it counts as hung.
    pub hang_timeout: Duration,
    /// Attributes that a key need not have, by name; each is warned of at every start.
    pub relaxed: Vec<KeyAttribute>,
}
