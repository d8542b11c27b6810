//! A session's thread: it takes from the queue and does nothing but sign.
//!
//! It takes work only while its last signature was good. After a failure it pauses and proves itself first, so that a session
//! that cannot sign takes nothing from those that can, and an overloaded token has fewer sessions for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::cpu::Stretch;
use super::keys::{Keys, OpenKey};
use super::limit::RateLimit;
use super::login::Login;
use super::pause::{Backoff, Ending};
use super::proof;
use super::queue::{Next, Piece, WorkQueue, lock};
use super::session::SigningSession;
use super::{Disposition, Order, Purpose, SessionId, Signed, TokenError, TokenKey};
use crate::domain::{Digest, Lane, Signature};

/// What the sessions of a token share.
pub(super) struct Sessions {
    pub(super) token: String,
    pub(super) queue: WorkQueue,
    pub(super) login: Login,
    pub(super) keys: Keys,
    pub(super) limit: Option<RateLimit>,
    pub(super) keep_alive: Option<Duration>,
    /// Sessions for all work whose last signature was good.
    pub(super) sound: Mutex<usize>,
    /// By session: a signature of it did not verify, so that it is to be given up.
    pub(super) discarded: Vec<AtomicBool>,
    /// By session: since when it is in the module.
    pub(super) busy: Vec<Mutex<Option<Instant>>>,
    pub(super) ending: Ending,
    pub(super) on_event: OnEvent,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Hears how a token comes up, and whether it signs.
pub(super) type OnEvent = Box<dyn Fn(Event<'_>) + Send + Sync>;

/// What there is to hear of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'e> {
    /// It logs in, finds keys, opens sessions: how long that takes is the device's own affair.
    Opening,
    /// Its keys prove themselves: that takes as long as signatures do.
    Proving,
    /// No session signs any more.
    Silent(&'e TokenError),
    /// A session signs again, after a silence.
    Signing,
}

/// The first pause of a session that failed: an overloaded token is given a moment, and one that merely stumbled not much more.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest: so late a session finds out that its token is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Sessions {
    /// How long the oldest call into the module has not returned.
    pub(super) fn longest_call(&self) -> Duration {
        self.busy.iter().filter_map(|since| *lock(since)).map(|since| since.elapsed()).max().unwrap_or_default()
    }

    /// A session less; with the last of them the queue answers at once, until one has proven itself.
    fn lose_one(&self, error: &TokenError) {
        let mut sound = lock(&self.sound);
        *sound -= 1;
        if *sound == 0 {
            self.queue.refuse(error);
            (self.on_event)(Event::Silent(error));
        }
    }

    /// A key to prove a session with: the one that is meant, or another where that one signs no more.
    fn proof_key(&self, wanted: TokenKey) -> Option<(TokenKey, Arc<OpenKey>)> {
        match self.keys.of(wanted) {
            Ok(key) if !key.is_stopped() => Some((wanted, key)),
            _ => self.keys.live().into_iter().next(),
        }
    }

    fn regain_one(&self) {
        let mut sound = lock(&self.sound);
        *sound += 1;
        if *sound == 1 {
            self.queue.accept();
            (self.on_event)(Event::Signing);
        }
    }
}

/// Whether a key may sign for a purpose: what the configuration says, or officers, whoever asks. A proof signs its one digest
/// only.
fn permit(keys: &Keys, order: Order, digests: &[Digest]) -> Result<(), TokenError> {
    let key = keys.of(order.key)?;
    if key.is_stopped() {
        return Err(TokenError::KeyStopped { name: key.wanted.name.clone() });
    }
    match order.purpose {
        Purpose::Proof if digests.iter().all(|digest| digest == proof::digest()) => Ok(()),
        Purpose::Proof => Err(TokenError::Purpose { purpose: "another digest than a proof's" }),
        purpose if purpose == key.wanted.purpose => Ok(()),
        Purpose::Certificate => Err(TokenError::Purpose { purpose: "certificates" }),
        Purpose::Audit => Err(TokenError::Purpose { purpose: "the ledger" }),
        Purpose::Upload => Err(TokenError::Purpose { purpose: "revocation lists" }),
    }
}

/// What a session's thread owns.
pub(super) struct SessionThread {
    sessions: Arc<Sessions>,
    number: u16,
    /// Kept for those who wait at a counter.
    interactive_only: bool,
    session: Option<SigningSession>,
    /// The key that failed, until the session has proven itself.
    failed: Option<TokenKey>,
    backoff: Backoff,
    place: Place,
}

/// Where signatures are computed, as the last piece that was looked at has shown.
struct Place {
    is_here: bool,
    seen: Instant,
}

/// So often it is looked at: the system's account of a thread is a file, and costs some microseconds.
const LOOK_EACH: Duration = Duration::from_millis(200);

impl Place {
    fn unknown() -> Self {
        Self { is_here: true, seen: Instant::now() }
    }

    fn look(&self) -> Option<Stretch> {
        (self.seen.elapsed() >= LOOK_EACH).then(Stretch::begin)
    }

    fn see(&mut self, stretch: Stretch) {
        *self = Self { is_here: stretch.end().is_computing(), seen: Instant::now() };
    }
}

impl SessionThread {
    pub(super) fn new(sessions: Arc<Sessions>, number: u16, interactive_only: bool, session: SigningSession) -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { sessions, number, interactive_only, session: Some(session), failed: None, backoff, place: Place::unknown() }
    }

    /// Signs until the queue is closed.
    pub(super) fn run(mut self) {
        let sessions = Arc::clone(&self.sessions);
        let interactive_only = self.interactive_only;
        let open = |lane| lane == Lane::Interactive || !interactive_only;
        let mut idle_key = TokenKey(0);
        loop {
            if let Some(key) = self.failed {
                if sessions.ending.wait(self.backoff.pause()) {
                    return;
                }
                self.recover(key);
                continue;
            }
            match sessions.queue.next_where(open, || false, sessions.keep_alive) {
                Next::Piece(piece) => {
                    idle_key = piece.order().key;
                    self.sign_piece(piece);
                }
                Next::Idle => self.keep_alive(idle_key),
                Next::Stopped => return,
            }
        }
    }

    /// Signs a piece one by one; after each signature interactive work may take the rest's place. After a failure the rest is
    /// left to others.
    fn sign_piece(&mut self, piece: Piece) {
        if piece.is_abandoned() {
            return;
        }
        let order = piece.order();
        if let Err(error) = permit(&self.sessions.keys, order, piece.digests()) {
            return piece.fail(&error);
        }
        // To wait for the rate is no sign of where it computes.
        let look = if self.sessions.limit.is_none() { self.place.look() } else { None };
        let stint = self.stint(order.lane);
        let started = Instant::now();
        let mut results = Vec::with_capacity(piece.digests().len());
        let mut failure = None;
        for digest in piece.digests() {
            if !results.is_empty() && order.lane == Lane::Bulk && self.sessions.queue.has_interactive() {
                break;
            }
            let result = self.sign(order.key, digest);
            failure = result.as_ref().err().filter(|error| spoils_the_session(error)).cloned();
            results.push(result.map(|signature| Signed { signature, session: self.id() }));
            if stint.is_some_and(|stint| results.len().is_multiple_of(stint)) {
                give_way();
            }
            if failure.is_some() {
                break;
            }
        }
        if let Some(stretch) = look {
            self.place.see(stretch);
        }
        if let Some(rest) = piece.complete(results, started.elapsed()) {
            self.sessions.queue.put_back(rest);
        }
        if let Some(error) = failure {
            self.fail(order.key, &error);
        }
    }

    /// After how many signatures of a piece the session gives way; nothing where it need not.
    fn stint(&self, lane: Lane) -> Option<usize> {
        let gives_way = lane == Lane::Bulk && self.place.is_here;
        gives_way.then(|| if self.sessions.queue.had_interactive_in(URGENT_FOR) { 1 } else { STINT })
    }

    const fn id(&self) -> SessionId {
        SessionId { worker: 0, session: self.number }
    }

    /// From now on the session takes no work. An outage is one line in the log, not one a digest.
    fn fail(&mut self, key: TokenKey, error: &TokenError) {
        tracing::warn!(token = self.sessions.token, session = self.number, %error, "a session does not sign; it takes no work until it does");
        self.failed = Some(key);
        if !self.interactive_only {
            self.sessions.lose_one(error);
        }
    }

    /// Takes work again where the session proves itself. A key that the token refuses is not the session's fault.
    fn recover(&mut self, key: TokenKey) {
        match self.prove(key) {
            Err(error) if spoils_the_session(&error) => {
                tracing::debug!(token = self.sessions.token, session = self.number, %error, "a session does not sign yet");
            }
            _ => {
                tracing::info!(token = self.sessions.token, session = self.number, "a session signs again");
                self.failed = None;
                self.backoff.reset();
                if !self.interactive_only {
                    self.sessions.regain_one();
                }
            }
        }
    }

    /// Tokens drop idle sessions: a rare signature keeps this one, or finds out early.
    fn keep_alive(&mut self, key: TokenKey) {
        if let Err(error) = self.prove(key)
            && spoils_the_session(&error)
        {
            self.fail(key, &error);
        }
    }

    /// Signs the proof's digest and checks the signature.
    fn prove(&mut self, key: TokenKey) -> Result<(), TokenError> {
        let sessions = Arc::clone(&self.sessions);
        let Some((key, open)) = sessions.proof_key(key) else { return Ok(()) };
        let signature = self.sign(key, proof::digest())?;
        let accepted = open.proof.accept(&signature);
        if accepted.is_err() {
            self.session = None;
        }
        accepted
    }

    /// One signature; where the session is at fault, once more on a new one.
    fn sign(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        if let Some(limit) = &self.sessions.limit {
            limit.wait();
        }
        let error = match self.try_sign(key, digest) {
            Ok(signature) => return Ok(signature),
            Err(error) => error,
        };
        match error.disposition() {
            Disposition::ReplaceSession => self.try_sign(key, digest),
            Disposition::LogInAgain => self.timed(|this| this.sessions.login.renew()).and_then(|()| self.try_sign(key, digest)),
            _ => Err(error),
        }
    }

    /// A call into the module, which may hang: what waits before it, for its turn or for the rate, is no hang.
    fn timed<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        let (sessions, number) = (Arc::clone(&self.sessions), usize::from(self.number));
        *lock(&sessions.busy[number]) = Some(Instant::now());
        let done = call(self);
        *lock(&sessions.busy[number]) = None;
        done
    }

    fn try_sign(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        self.timed(|this| this.attempt(key, digest))
    }

    /// Signs on the session, opening one where there is none. Any failed call discards it.
    fn attempt(&mut self, key: TokenKey, digest: &Digest) -> Result<Signature, TokenError> {
        let sessions = Arc::clone(&self.sessions);
        let open = sessions.keys.of(key)?;
        if open.is_stopped() {
            return Err(TokenError::KeyStopped { name: open.wanted.name.clone() });
        }
        if sessions.discarded[usize::from(self.number)].swap(false, Ordering::Relaxed) {
            self.session = None;
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => SigningSession::open(&sessions.login, &sessions.keys)?,
        };
        let signature = session.sign(key, &open, digest)?;
        self.session = Some(session);
        Ok(signature)
    }
}

/// Signatures of a bulk piece between two moments in which a session gives way, as long as nobody waits at a counter.
const STINT: usize = 8;

/// So long after an interactive signature the next one is expected, and a session gives way after each.
const URGENT_FOR: Duration = Duration::from_secs(10);

/// Where the token computes on this machine, a session that signs bulk keeps a core to the end of its time slice, as long as many
/// signatures, while somebody's certificate waits for that core at each of its steps. To give way costs a system call and mostly a
/// change of threads, both ways, with cold caches: a twentieth of the rate where it is done after each signature.
///
/// A session whose token computes elsewhere gives its core away in each signature, and one that gives way on top of that is woken
/// behind all others: on a device of a millisecond a signature and a machine that is half busy, a tenth of the rate.
fn give_way() {
    std::thread::yield_now();
}

/// Whether after this failure a session has to prove itself: not where the token refuses the key, or the request.
fn spoils_the_session(error: &TokenError) -> bool {
    error.disposition() != Disposition::StopKey || matches!(error, TokenError::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::super::WantedKey;
    use super::super::software::SoftwareToken;
    use super::*;

    fn keys() -> Keys {
        let token = SoftwareToken::with_keys(3);
        let of = |(number, purpose)| WantedKey { name: format!("key {number}"), public_key: token.key(number).1, purpose };
        let purposes = [Purpose::Certificate, Purpose::Proof, Purpose::Upload];
        Keys::new(purposes.into_iter().enumerate().map(of).collect()).unwrap()
    }

    fn asked_of(keys: &Keys, key: usize, purpose: Purpose, digest: &Digest) -> Result<(), TokenError> {
        permit(keys, Order { key: TokenKey(key), purpose, lane: Lane::Bulk }, &[*digest])
    }

    #[test]
    fn a_key_signs_for_its_purpose_and_a_proof_its_one_digest() {
        let (keys, other) = (keys(), Digest::of(b"a certificate"));
        let asked = |key, purpose, digest: &Digest| asked_of(&keys, key, purpose, digest);
        assert!(asked(0, Purpose::Certificate, &other).is_ok());
        assert!(asked(0, Purpose::Proof, proof::digest()).is_ok());
        assert!(matches!(asked(0, Purpose::Proof, &other), Err(TokenError::Purpose { .. })));
        assert!(matches!(asked(1, Purpose::Certificate, &other), Err(TokenError::Purpose { .. })));
        assert!(asked(2, Purpose::Upload, &other).is_ok());
        for (key, purpose) in [(0, Purpose::Upload), (2, Purpose::Certificate), (2, Purpose::Audit)] {
            assert!(matches!(asked(key, purpose, &other), Err(TokenError::Purpose { .. })), "{key} {purpose:?}");
        }
        assert!(matches!(asked(3, Purpose::Certificate, &other), Err(TokenError::KeyAbsent { .. })));
    }

    #[test]
    fn a_stopped_key_signs_nothing_not_even_a_proof() {
        let keys = keys();
        keys.stop(|key| key.name == "key 0");
        for (purpose, digest) in [(Purpose::Certificate, Digest::of(b"a certificate")), (Purpose::Proof, *proof::digest())] {
            assert!(matches!(asked_of(&keys, 0, purpose, &digest), Err(TokenError::KeyStopped { .. })), "{purpose:?}");
        }
        assert!(asked_of(&keys, 2, Purpose::Upload, &Digest::of(b"a list")).is_ok(), "others go on");
    }

    #[test]
    fn where_signatures_are_computed_is_seen_now_and_then() {
        assert!(Place::unknown().look().is_none(), "not yet");
        let long_ago = || Place { is_here: true, seen: Instant::now().checked_sub(2 * LOOK_EACH).unwrap() };
        let mut place = long_ago();
        let look = place.look().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        place.see(look);
        assert!(!place.is_here && place.look().is_none());
        let (mut place, began) = (long_ago(), Instant::now());
        let look = place.look().unwrap();
        while began.elapsed() < Duration::from_millis(20) {}
        place.see(look);
        assert!(place.is_here);
    }

    #[test]
    fn a_proof_that_does_not_verify_spoils_the_session() {
        assert!(spoils_the_session(&TokenError::BadSignature));
    }
}
