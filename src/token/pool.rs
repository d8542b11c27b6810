//! Long-lived sessions, each on a thread of its own that takes from the queue and does nothing but sign.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::login::Login;
use super::queue::{Piece, WorkQueue};
use super::session::SigningSession;
use super::{Disposition, SignFuture, Token, TokenError, TokenKey, TokenSpec, WantedKey};
use crate::domain::{Digest, Lane, Signature};

/// A token behind PKCS#11: long-lived sessions, each on a thread of its own.
pub struct Pkcs11Token {
    name: String,
    sessions: usize,
    local: bool,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pkcs11Token {
    /// Loads the module, logs in, finds the keys, checks them, opens the sessions; in that order, and stops at the first
    /// failure. Sessions are opened one after another: what hurts tokens is opening sessions, not using them.
    ///
    /// The [`TokenKey`]s stand in the order of `wanted`.
    ///
    /// # Errors
    /// [`TokenError`] names the module, the token, the PIN's place, the key or the attribute that is wrong.
    pub fn open(spec: &TokenSpec, wanted: Vec<WantedKey>) -> Result<Self, TokenError> {
        let login = Login::open(spec)?;
        let first = SigningSession::open(&login, &wanted)?;
        first.check_keys(&spec.relaxed)?;
        // Nobody asks where both numbers are set, and every worker that is replaced would sign for it again.
        let is_asked = spec.workers.is_none() || spec.sessions.is_none();
        let local = is_asked && measure_local(&first)?;
        let sessions = spec.sessions.unwrap_or(if local { 1 } else { DEVICE_SESSIONS }).max(1);
        let mut opened = vec![first];
        for _ in 1..sessions {
            opened.push(SigningSession::open(&login, &wanted)?);
        }
        let shared = Arc::new(Shared { queue: WorkQueue::default(), login, wanted });
        let threads = opened
            .into_iter()
            .enumerate()
            .map(|(number, session)| spawn(&shared, &spec.name, number, session))
            .collect::<Result<_, _>>()?;
        Ok(Self { name: spec.name.clone(), sessions, local, shared, threads })
    }

    /// How many sessions sign at the same time.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.sessions
    }

    /// Whether the token computes on this machine (SoftHSM does), so that a core bounds a session; not found out, and false,
    /// where the numbers of workers and sessions are both set.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.local
    }
}

/// Sessions of a device whose number nobody set: what the vendors of network HSMs hint at as a beginning.
const DEVICE_SESSIONS: usize = 16;

/// How long the first session signs to find out where the token computes.
const MEASURED: Duration = Duration::from_millis(100);

/// Whether signing is work for this machine's cores: where CPU time is more than half of wall time, the token is software.
fn measure_local(session: &SigningSession) -> Result<bool, TokenError> {
    let digest = Digest::of(b"sceau measures where the token computes");
    let (wall, cpu) = (Instant::now(), thread_cpu_time());
    while session.key_count() > 0 && wall.elapsed() < MEASURED {
        session.sign(TokenKey(0), &digest)?;
    }
    Ok((thread_cpu_time() - cpu) * 2 > wall.elapsed())
}

fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

impl Token for Pkcs11Token {
    fn name(&self) -> &str {
        &self.name
    }

    fn sign(&self, key: TokenKey, lane: Lane, digests: Vec<Digest>) -> SignFuture {
        self.shared.queue.submit(key, lane, digests, self.sessions)
    }
}

impl Drop for Pkcs11Token {
    /// Lets the sessions finish what they hold; what is still queued is answered with [`TokenError::Closed`].
    fn drop(&mut self) {
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(token = self.name, "a session's thread had panicked");
            }
        }
    }
}

impl fmt::Debug for Pkcs11Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Token").field("name", &self.name).field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

struct Shared {
    queue: WorkQueue,
    login: Login,
    wanted: Vec<WantedKey>,
}

fn spawn(shared: &Arc<Shared>, token: &str, number: usize, session: SigningSession) -> Result<JoinHandle<()>, TokenError> {
    let shared = Arc::clone(shared);
    let signer = SessionThread { shared, token: token.to_owned(), session: Some(session), failing: false };
    std::thread::Builder::new()
        .name(format!("{token}-{number}"))
        .spawn(move || signer.run())
        .map_err(|error| TokenError::Binding { reason: format!("no thread for a session: {error}") })
}

/// What a session's thread owns.
struct SessionThread {
    shared: Arc<Shared>,
    token: String,
    session: Option<SigningSession>,
    /// Whether the last signature failed: an outage is one line in the log, not one a digest.
    failing: bool,
}

impl SessionThread {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some(piece) = shared.queue.next() {
            self.sign_piece(piece);
        }
    }

    /// Signs a piece one by one; after each signature interactive work may take the rest's place.
    fn sign_piece(&mut self, piece: Piece) {
        if piece.is_abandoned() {
            return;
        }
        let mut results = Vec::with_capacity(piece.digests().len());
        for digest in piece.digests() {
            if !results.is_empty() && piece.lane() == Lane::Bulk && self.shared.queue.has_interactive() {
                break;
            }
            results.push(self.sign(piece.key(), digest));
        }
        if let Some(rest) = piece.complete(results) {
            self.shared.queue.put_back(rest);
        }
    }

    /// One signature; where the session is at fault, once more on a new one.
    fn sign(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let error = match self.try_sign(key, digest) {
            Ok(signature) => {
                self.note(None);
                return Ok(signature);
            }
            Err(error) => error,
        };
        self.note(Some(&error));
        match error.disposition() {
            Disposition::ReplaceSession => self.try_sign(key, digest),
            Disposition::LogInAgain => self.shared.login.renew().and_then(|()| self.try_sign(key, digest)),
            _ => Err(error),
        }
    }

    fn note(&mut self, error: Option<&TokenError>) {
        match (error, self.failing) {
            (Some(error), false) => tracing::warn!(token = self.token, %error, "signatures fail on a session"),
            (None, true) => tracing::info!(token = self.token, "a session signs again"),
            _ => {}
        }
        self.failing = error.is_some();
    }

    /// Signs on the session, opening one where there is none. Any failed call discards it.
    fn try_sign(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => SigningSession::open(&self.shared.login, &self.shared.wanted)?,
        };
        let signature = session.sign(key, digest)?;
        self.session = Some(session);
        Ok(signature)
    }
}
