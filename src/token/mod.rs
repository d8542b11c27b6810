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
//! Two rules carry the recovery. **A session takes work only while its last signature was good**: after a failure it proves
//! itself, by a signature over a digest of our own that verifies, before it takes more. **A worker is ready only when each of
//! its keys has proven itself so.** A token that cannot sign therefore takes nothing, and nobody has to ask whether it is back.
//!
//! Reading order: this page, [`error`] (what a failure means), `queue` (who signs next), `module` and `login` (how a token is
//! reached), `key` (how a key is found and what it must be), `session`, `thread` and `pool` (signing), `wire` and `worker` (the
//! process that signs), `process`, `keeper`, `standing` and `supervisor` (the process that has it sign). [`manage`] is what
//! officers have a token do: `overseer` judges it in the worker, `memory` keeps what was done, `steward` does it and `keys` grow by
//! it; `initialise` makes the token itself, by `founding`; `custody`, `asks` and `lessons` pass it on in the supervisor. [`probe`] stands beside them: it measures a token for whoever
//! connects one. `frames` is `wire` as the fuzzer reaches it.

mod asks;
mod cpu;
mod custody;
mod denial;
pub mod error;
mod founding;
#[cfg(any(test, feature = "fuzzing"))]
pub mod frames;
mod initialise;
mod keeper;
mod key;
mod keygen;
mod keys;
mod latch;
mod lessons;
mod limit;
mod login;
pub mod manage;
mod memory;
mod module;
mod overseer;
mod pause;
pub mod pin;
mod pool;
pub mod probe;
mod process;
mod proof;
mod queue;
mod session;
#[cfg(any(test, feature = "software-token"))]
pub mod software;
mod standing;
mod steward;
mod supervisor;
mod thread;
mod wire;
mod worker;

use std::fmt;
use std::future::Future;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crate::domain::{Digest, Lane, PublicKey, Signature};

pub use denial::Denial;
pub use error::{Disposition, KeyAttribute, TokenError};
pub use initialise::run_initialiser;
pub use keygen::TokenAdmin;
pub use latch::PinLatch;
pub use manage::{Admission, Managed, Management, Stop, Task};
pub use module::finalize_modules;
pub use pin::{PinSource, TypedPin};
pub use pool::Pkcs11Token;
pub use process::WorkerCommand;
pub use standing::Readiness;
pub use supervisor::{Opened, Sessions, SupervisedToken, TokenStatus, WorkerStatus};
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
    /// [`TokenError::disposition`] says what may be tried again. One digest's failure leaves the others. Where the key cannot
    /// sign at all, the answer comes at once.
    ///
    /// # Source
    /// RFC 9053 section 2.1; PKCS#11 v2.40, `CKM_ECDSA` and `CKM_RSA_PKCS_PSS`.
    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture;

    /// Whether a key signs at present.
    fn readiness(&self, key: TokenKey) -> Readiness;

    /// Tells whether a signature verified. A session whose signature did not is replaced; two such in a row put the whole
    /// token out of use until it has proven itself.
    fn judge(&self, session: SessionId, verifies: bool);
}

/// The results of one batch, when the token has them all.
pub type SignFuture = Pin<Box<dyn Future<Output = Vec<Result<Signed, TokenError>>> + Send>>;

/// What a batch of digests is signed with, what for, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The key.
    pub key: TokenKey,
    /// What the signatures are for.
    pub purpose: Purpose,
    /// Before or behind others.
    pub lane: Lane,
}

/// What a signature is for. A worker signs with a key for the purpose that its own configuration gives it, and for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A health certificate: what the key of a `[[dsc]]` is for.
    Certificate,
    /// To prove that the key signs, over one digest that means nothing else. Every key may.
    Proof,
    /// The head of the ledger's chain, or an export of it: what the key of `[ledger.audit]` is for.
    Audit,
    /// A revocation list that is to be uploaded: what the key of `[revocation]` is for.
    Upload,
}

/// A signature, and the session that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// As the token gave it; whether it verifies is the caller's to check, and to tell by [`Token::judge`].
    pub signature: Signature,
    /// Where it was made.
    pub session: SessionId,
}

/// A session of one worker process; a worker that replaces another has a number of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(crate) worker: u32,
    pub(crate) session: u16,
}

/// A key of an open token, by its place among the keys that it was opened with.
///
/// It outlives sessions: each session finds its own handle for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey(pub(crate) usize);

impl TokenKey {
    /// The key that was wanted first.
    pub const FIRST: Self = Self(0);
}

/// How many cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A key that a token is to be opened with.
#[derive(Clone, Debug)]
pub struct WantedKey {
    /// What messages call it: the kid of its certificate.
    pub name: String,
    /// Its public half, from the certificate.
    pub public_key: PublicKey,
    /// What it may sign.
    pub purpose: Purpose,
}

/// How to reach a token.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Where officers put the PIN that the token is to get next.
    pub new_pin_file: Option<PathBuf>,
    /// Where the PIN of the token's security officer is, while officers have a slot initialised as this token.
    pub so_pin_file: Option<PathBuf>,
    /// Where it is kept on disk that a PIN was refused.
    pub latch: PinLatch,
    /// How many worker processes; `None` takes one a core where the token computes here, one where it is a device.
    pub workers: Option<usize>,
    /// How many sessions a worker, besides the one that is kept for interactive work and the one that never signs; `None`
    /// takes one where the token computes here, 16 where it is a device.
    pub sessions: Option<usize>,
    /// The most signatures a second, all workers together.
    pub max_signatures_per_second: Option<NonZeroU32>,
    /// A session that was idle for so long signs once, lest the token drop it; `None` for tokens that drop none.
    pub keep_alive: Option<Duration>,
    /// The user that workers run as; `None` for this process's own.
    pub user: Option<WorkerUser>,
    /// What a worker's environment has besides this process's: SoftHSM, for one, is configured by it.
    pub environment: Vec<(String, String)>,
    /// How long a worker may take over what it was given before it counts as hung.
    pub hang_timeout: Duration,
    /// Attributes that a key need not have, by name; each is warned of at every start.
    pub relaxed: Vec<KeyAttribute>,
}

/// Who a worker runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerUser {
    /// The user's name, for messages.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number; other groups are left behind.
    pub gid: u32,
}
