//! An open token: logged in once, its keys found and proven, its sessions each on a thread of its own.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cpu::Stretch;
use super::keys::Keys;
use super::limit::RateLimit;
use super::login::Login;
use super::memory::Memory;
use super::pause::Ending;
use super::proof;
use super::queue::{Answer, Wake, WorkQueue, lock, piece_len};
use super::session::SigningSession;
use super::standing::Readiness;
use super::thread::{Event, OnEvent, SessionThread, Sessions};
use super::{Order, SessionId, SignFuture, Token, TokenError, TokenKey, TokenSpec, WantedKey};
use crate::domain::Digest;

/// A token behind PKCS#11: long-lived sessions, each on a thread of its own.
pub struct Pkcs11Token {
    name: String,
    count: usize,
    local: bool,
    sessions: Arc<Sessions>,
    threads: Vec<JoinHandle<()>>,
}

/// What a supervisor that has started a worker before lets the next one know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// Whether the token computes on this machine, found out by the worker before.
    pub(super) local: Option<bool>,
    /// Whether officers may have it do things, for which [`Self::OF_OFFICERS`] sessions are left free.
    pub(super) has_officers: bool,
}

impl Hints {
    /// Sessions for officers' work: one acts, and one takes keys in.
    const OF_OFFICERS: u64 = 2;

    const fn left_free(self) -> u64 {
        if self.has_officers { Self::OF_OFFICERS } else { 0 }
    }
}

impl Pkcs11Token {
    /// Loads the module, logs in, finds the keys, checks them, has each prove itself, opens the sessions; in that order, and
    /// stops at the first failure. Sessions are opened one after another: what hurts tokens is opening sessions, not using
    /// them.
    ///
    /// The [`TokenKey`]s stand in the order of `wanted`.
    ///
    /// # Errors
    /// [`TokenError`] names the module, the token, the PIN's place, the key or the attribute that is wrong.
    pub fn open(spec: &TokenSpec, wanted: Vec<WantedKey>) -> Result<Self, TokenError> {
        Self::open_for(spec, wanted, Hints::default(), Box::new(|_| {}))
    }

    /// The same, telling `on_event` how it goes.
    pub(super) fn open_for(spec: &TokenSpec, keys: Vec<WantedKey>, hints: Hints, on_event: OnEvent) -> Result<Self, TokenError> {
        let keys = Keys::new(keys)?;
        let memory = Memory::beside(&spec.latch).read()?;
        keys.stop(|key| memory.is_stopped(&key.name));
        let login = Login::open(spec)?;
        let mut first = SigningSession::open(&login, &keys)?;
        first.check_keys(&spec.relaxed)?;
        on_event(Event::Proving);
        prove_all(&mut first, &keys)?;
        // Nobody asks where both numbers are set.
        let is_asked = spec.workers.is_none() || spec.sessions.is_none();
        let local = match hints.local {
            Some(local) => local,
            None => is_asked && measure_local(&mut first, &keys)?,
        };
        let wanted_sessions = spec.sessions.unwrap_or(if local { 1 } else { DEVICE_SESSIONS });
        let (count, has_reserved) =
            fit(wanted_sessions, login.most_sessions()?.map(|most| most.saturating_sub(hints.left_free())));
        if count < wanted_sessions {
            tracing::warn!(token = spec.name, wanted = wanted_sessions, sessions = count, "the token allows no more sessions");
        }
        on_event(Event::Opening);
        let mut opened = vec![first];
        for _ in 1..count + usize::from(has_reserved) {
            opened.push(SigningSession::open(&login, &keys)?);
        }
        let workers = spec.workers.unwrap_or(if local { super::cores() } else { 1 });
        let sessions = Arc::new(Sessions {
            token: spec.name.clone(),
            queue: WorkQueue::new(Wake::OneEach),
            login,
            keys,
            limit: spec.max_signatures_per_second.map(|rate| RateLimit::share_of(rate, workers)),
            keep_alive: spec.keep_alive,
            sound: Mutex::new(count),
            discarded: opened.iter().map(|_| AtomicBool::new(false)).collect(),
            busy: opened.iter().map(|_| Mutex::default()).collect(),
            ending: Ending::default(),
            on_event,
        });
        let threads = opened.into_iter().enumerate().map(|(number, session)| {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            spawn(SessionThread::new(Arc::clone(&sessions), number, usize::from(number) >= count, session), &spec.name, number)
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok(Self { name: spec.name.clone(), count, local, sessions, threads })
    }

    /// How many sessions sign all kinds of work at the same time; one more may be kept for interactive work.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.count
    }

    /// Whether the token computes on this machine (SoftHSM does), so that a core bounds a session; not found out, and false,
    /// where the numbers of workers and sessions are both set.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.local
    }

    /// Signs what is a piece already, and answers by a call from the session's thread.
    pub(super) fn submit(&self, order: Order, digests: Vec<Digest>, answer: Answer) {
        let len = digests.len();
        self.sessions.queue.submit_for(order, digests, len, answer);
    }

    /// What its sessions share, for officers' work beside them.
    pub(super) const fn shared(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Tells how long the oldest call into the module has not returned.
    pub(super) fn longest_call(&self) -> impl Fn() -> Duration + Send + 'static + use<> {
        let sessions = Arc::clone(&self.sessions);
        move || sessions.longest_call()
    }

    /// Gives a session up before its next signature.
    pub(super) fn discard(&self, session: u16) {
        if let Some(discarded) = self.sessions.discarded.get(usize::from(session)) {
            discarded.store(true, Ordering::Relaxed);
        }
    }
}

/// Sessions of a device whose number nobody set: what the vendors of network HSMs hint at as a beginning.
const DEVICE_SESSIONS: usize = 16;

/// How many sessions for all work, and whether one more is kept for interactive work; beside them is one that never signs.
fn fit(wanted: usize, most: Option<u64>) -> (usize, bool) {
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let signing = most.saturating_sub(1).max(1);
    match wanted.max(1) {
        wanted if wanted < signing => (wanted, true),
        _ if signing >= 3 => (signing - 1, true),
        wanted => (wanted.min(signing), false),
    }
}

/// How long the first session signs to find out where the token computes.
pub(super) const MEASURED: Duration = Duration::from_millis(100);

/// Whether signing is work for this machine's cores: where CPU time is more than half of wall time, the token is software.
/// A token without keys makes random bytes.
fn measure_local(session: &mut SigningSession, keys: &Keys) -> Result<bool, TokenError> {
    let key = keys.live().into_iter().next();
    let stretch = Stretch::begin();
    while stretch.elapsed() < MEASURED {
        match &key {
            Some((number, key)) => drop(session.sign(*number, key, proof::digest())?),
            None => session.stir()?,
        }
    }
    Ok(stretch.end().is_computing())
}

/// Each key signs once, and its public half verifies it.
fn prove_all(session: &mut SigningSession, keys: &Keys) -> Result<(), TokenError> {
    for (number, key) in keys.live() {
        let proven = session.sign(number, &key, proof::digest()).and_then(|signature| key.proof.accept(&signature));
        proven.map_err(|error| error.about(&key.wanted.name))?;
    }
    Ok(())
}

fn spawn(thread: SessionThread, token: &str, number: u16) -> Result<JoinHandle<()>, TokenError> {
    std::thread::Builder::new()
        .name(format!("{token}-{number}"))
        .spawn(move || thread.run())
        .map_err(|error| TokenError::Binding { reason: format!("no thread for a session: {error}") })
}

impl Token for Pkcs11Token {
    fn name(&self) -> &str {
        &self.name
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let len = piece_len(digests.len(), self.count, Duration::ZERO);
        self.sessions.queue.submit(order, digests, len)
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        if *lock(&self.sessions.sound) > 0 { Readiness::Ready } else { Readiness::Unsettled }
    }

    fn judge(&self, session: SessionId, verifies: bool) {
        if !verifies {
            self.discard(session.session);
        }
    }
}

impl Drop for Pkcs11Token {
    /// Lets the sessions finish what they hold; what is still queued is answered with [`TokenError::Closed`].
    fn drop(&mut self) {
        self.sessions.ending.begin();
        self.sessions.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(token = self.name, "a session's thread had panicked");
            }
        }
    }
}

impl fmt::Debug for Pkcs11Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Token").field("name", &self.name).field("sessions", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_never_signs_and_one_is_kept_where_there_is_room() {
        assert_eq!(fit(32, None), (32, true));
        assert_eq!(fit(14, Some(16)), (14, true));
        assert_eq!(fit(32, Some(16)), (14, true));
        assert_eq!(fit(1, Some(3)), (1, true));
        assert_eq!(fit(8, Some(3)), (2, false));
        assert_eq!(fit(8, Some(2)), (1, false));
        assert_eq!(fit(0, Some(0)), (1, false));
    }
}
