//! Who signs next: two queues, and a thread a session that takes from them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::login::Login;
use super::session::SigningSession;
use super::{Disposition, SignFuture, Token, TokenError, TokenKey, TokenSpec, WantedKey};
use crate::domain::{Digest, Lane, Signature};

/// A token behind PKCS#11: long-lived sessions, each on a thread of its own.
pub struct Pkcs11Token {
    name: String,
    sessions: usize,
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
    pub fn open(spec: &TokenSpec, wanted: Vec<WantedKey>) -> Result<(Self, Vec<TokenKey>), TokenError> {
        let login = Login::open(spec)?;
        let keys = (0..wanted.len()).map(TokenKey).collect();
        let sessions = spec.sessions.unwrap_or_else(super::cores).max(1);
        let first = SigningSession::open(&login, &wanted)?;
        first.check_keys(&spec.relaxed)?;
        let mut opened = vec![first];
        for _ in 1..sessions {
            opened.push(SigningSession::open(&login, &wanted)?);
        }
        let shared = Arc::new(Shared { queue: Mutex::default(), work: Condvar::new(), login, wanted });
        let threads = opened
            .into_iter()
            .enumerate()
            .map(|(number, session)| spawn(&shared, &spec.name, number, session))
            .collect::<Result<_, _>>()?;
        Ok((Self { name: spec.name.clone(), sessions, shared, threads }, keys))
    }

    /// How many sessions sign at the same time.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.sessions
    }
}

impl Token for Pkcs11Token {
    fn name(&self) -> &str {
        &self.name
    }

    fn sign(&self, key: TokenKey, lane: Lane, digests: Vec<Digest>) -> SignFuture {
        let count = digests.len();
        let (done, results) = oneshot::channel();
        let batch = Arc::new(Batch { key, digests, state: Mutex::new(BatchState::new(count, done)) });
        self.shared.enqueue(lane, &batch, piece_len(count, self.sessions));
        Box::pin(async move { results.await.unwrap_or_else(|_| vec![Err(TokenError::Closed); count]) })
    }
}

impl Drop for Pkcs11Token {
    /// Lets the sessions finish what they hold; what is still queued is answered with [`TokenError::Closed`].
    fn drop(&mut self) {
        self.shared.close();
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

/// The largest piece of a batch that a session takes at once.
const MAX_PIECE: usize = 32;

/// Pieces small enough that every session has some of a small batch, and large enough that the queue is seldom touched.
const fn piece_len(digests: usize, sessions: usize) -> usize {
    let share = digests.div_ceil(sessions * 2);
    if share > MAX_PIECE {
        MAX_PIECE
    } else if share == 0 {
        1
    } else {
        share
    }
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    login: Login,
    wanted: Vec<WantedKey>,
}

#[derive(Default)]
struct Queue {
    interactive: VecDeque<Piece>,
    bulk: VecDeque<Piece>,
    closed: bool,
}

/// A part of a batch that one session signs.
struct Piece {
    batch: Arc<Batch>,
    range: std::ops::Range<usize>,
}

struct Batch {
    key: TokenKey,
    digests: Vec<Digest>,
    state: Mutex<BatchState>,
}

struct BatchState {
    results: Vec<Result<Signature, TokenError>>,
    missing: usize,
    done: Option<oneshot::Sender<Vec<Result<Signature, TokenError>>>>,
}

impl BatchState {
    fn new(count: usize, done: oneshot::Sender<Vec<Result<Signature, TokenError>>>) -> Self {
        let mut state = Self { results: vec![Err(TokenError::Closed); count], missing: count, done: Some(done) };
        state.send_if_complete();
        state
    }

    fn send_if_complete(&mut self) {
        if self.missing == 0
            && let Some(done) = self.done.take()
        {
            // Nobody waits any more where the caller has gone; the signatures are dropped with the batch.
            let _ = done.send(std::mem::take(&mut self.results));
        }
    }
}

impl Batch {
    /// Puts the results of a piece in their places, and answers when they are all there.
    fn complete(&self, start: usize, results: Vec<Result<Signature, TokenError>>) {
        let mut state = lock(&self.state);
        state.missing -= results.len();
        for (place, result) in state.results[start..].iter_mut().zip(results) {
            *place = result;
        }
        state.send_if_complete();
    }

    fn is_abandoned(&self) -> bool {
        lock(&self.state).done.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl Shared {
    fn enqueue(&self, lane: Lane, batch: &Arc<Batch>, piece_len: usize) {
        let count = batch.digests.len();
        let mut queue = lock(&self.queue);
        if queue.closed {
            return;
        }
        let lane = match lane {
            Lane::Interactive => &mut queue.interactive,
            Lane::Bulk => &mut queue.bulk,
        };
        for start in (0..count).step_by(piece_len) {
            lane.push_back(Piece { batch: Arc::clone(batch), range: start..(start + piece_len).min(count) });
        }
        drop(queue);
        self.work.notify_all();
    }

    /// The next piece, interactive before bulk; nothing when the token is closed.
    fn next(&self) -> Option<(Lane, Piece)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if let Some(piece) = queue.interactive.pop_front() {
                return Some((Lane::Interactive, piece));
            }
            if let Some(piece) = queue.bulk.pop_front() {
                return Some((Lane::Bulk, piece));
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes back the rest of a bulk piece where somebody waits at a counter.
    fn yields(&self, lane: Lane, rest: &Piece) -> bool {
        if lane == Lane::Interactive {
            return false;
        }
        let mut queue = lock(&self.queue);
        if queue.interactive.is_empty() {
            return false;
        }
        queue.bulk.push_front(Piece { batch: Arc::clone(&rest.batch), range: rest.range.clone() });
        true
    }

    /// Dropping the pieces drops their batches, whose callers then hear that the token is closed.
    fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        queue.interactive.clear();
        queue.bulk.clear();
        drop(queue);
        self.work.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(shared: &Arc<Shared>, token: &str, number: usize, session: SigningSession) -> Result<JoinHandle<()>, TokenError> {
    let shared = Arc::clone(shared);
    let signer = SessionThread { shared, token: token.to_owned(), session: Some(session) };
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
}

impl SessionThread {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some((lane, piece)) = shared.next() {
            self.sign_piece(lane, piece);
        }
    }

    /// Signs a piece one by one; after each signature interactive work may take the rest's place.
    fn sign_piece(&mut self, lane: Lane, piece: Piece) {
        let Piece { batch, range } = piece;
        if batch.is_abandoned() {
            return;
        }
        let start = range.start;
        let mut results = Vec::with_capacity(range.len());
        for index in range.clone() {
            let rest = Piece { batch: Arc::clone(&batch), range: index..range.end };
            if index > start && self.shared.yields(lane, &rest) {
                break;
            }
            results.push(self.sign(batch.key, &batch.digests[index]));
        }
        batch.complete(start, results);
    }

    /// One signature; where the session is at fault, once more on a new one.
    fn sign(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let error = match self.try_sign(key, digest) {
            Ok(signature) => return Ok(signature),
            Err(error) => error,
        };
        tracing::warn!(token = self.token, %error, "a signature failed");
        match error.disposition() {
            Disposition::ReplaceSession => self.try_sign(key, digest),
            Disposition::LogInAgain => self.shared.login.renew().and_then(|()| self.try_sign(key, digest)),
            _ => Err(error),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_every_session_some_and_stay_small() {
        assert_eq!(piece_len(1, 2), 1);
        assert_eq!(piece_len(32, 32), 1);
        assert_eq!(piece_len(500, 2), 32);
        assert_eq!(piece_len(100, 2), 25);
        assert_eq!(piece_len(0, 2), 1);
    }
}
