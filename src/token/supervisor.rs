//! A token behind worker processes, which this process starts, feeds, kills and replaces.
//!
//! A PKCS#11 module is somebody else's C code with the keys behind it: it hangs, crashes, and cannot be cancelled. Only a
//! worker loads it, and only a worker reads the PIN.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::asks::LONGEST_WORK;
use super::lessons::Lessons;
use super::pause::{Backoff, Ending};
use super::process::{Worker, WorkerCommand};
use super::proof::{self, Proof};
use super::queue::{Answer, Results, Wake, WorkQueue, lock, piece_len};
use super::standing::{Readiness, Standing};
use super::wire::{Ready, key_hash};
use super::{Order, Purpose, SessionId, SignFuture, Token, TokenError, TokenKey, TokenSpec, WantedKey};
use crate::domain::{Digest, Lane};

/// A token behind worker processes. This process holds neither PIN nor key handle.
pub struct SupervisedToken {
    pub(super) shared: Arc<Shared>,
}

/// A token that has been started.
#[derive(Debug)]
pub struct Opened {
    /// It goes on trying where it did not open.
    pub token: SupervisedToken,
    /// Its keys, in the order in which they were wanted.
    pub keys: Vec<TokenKey>,
    /// What came of its first worker.
    pub outcome: Result<(), TokenError>,
}

/// A worker whose sessions do not sign for so long is replaced: some libraries recover in a new process only.
const REPLACE_AFTER: Duration = Duration::from_secs(1);

/// How often the watchdog looks.
const WATCH: Duration = Duration::from_millis(100);

/// So many signatures in a row that do not verify put the token out of use.
const BAD_IN_A_ROW: u32 = 2;

pub(super) struct Shared {
    pub(super) spec: TokenSpec,
    pub(super) command: WorkerCommand,
    /// What a worker has to say it can sign with.
    pub(super) keys: Vec<[u8; 32]>,
    pub(super) queue: WorkQueue,
    pub(super) workers: Mutex<Vec<Arc<Worker>>>,
    /// Held while a worker starts: SoftHSM's login rewrites its token file, and simultaneous starts miss the token.
    pub(super) starting: Mutex<()>,
    /// The worker that is being started.
    pub(super) newborn: Mutex<Option<Arc<Worker>>>,
    /// Workers that were ever started.
    pub(super) started: AtomicU32,
    /// Workers that died and were replaced.
    pub(super) replaced: AtomicU64,
    /// Whether the token computes on this machine; the first worker finds out.
    pub(super) local: Mutex<Option<bool>>,
    pub(super) ending: Ending,
    /// Keys that officers brought or stopped, and the proofs of all.
    pub(super) lessons: Mutex<Lessons>,
    standing: Mutex<Standing>,
    /// Sessions of all workers together: how finely a batch is cut.
    sessions: AtomicUsize,
    /// What a signature takes, in nanoseconds, smoothed.
    signature_nanos: AtomicU64,
    /// Signatures that its workers have made, those that are gone too.
    pub(super) signatures: AtomicU64,
    bad_signatures: AtomicU64,
    bad_in_a_row: AtomicU32,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SupervisedToken {
    /// Starts the first worker, which says whether the token computes here, then the others; one after another, for logins at
    /// the same time make some tokens fail. A token that does not open is tried again until it does.
    ///
    /// # Errors
    /// A public key is none, or no thread can be started. What the first worker says is in [`Opened::outcome`].
    pub fn start(spec: &TokenSpec, command: WorkerCommand, wanted: &[WantedKey]) -> Result<Opened, TokenError> {
        let now = Instant::now();
        let configured = wanted.iter().map(|key| Ok((key.name.clone(), Proof::of(&key.public_key)?)));
        let configured = configured.collect::<Result<_, TokenError>>()?;
        let shared = Arc::new(Shared {
            spec: spec.clone(),
            command,
            keys: wanted.iter().map(|key| key_hash(&key.public_key)).collect(),
            queue: WorkQueue::new(Wake::All),
            workers: Mutex::default(),
            starting: Mutex::default(),
            newborn: Mutex::default(),
            started: AtomicU32::new(0),
            replaced: AtomicU64::new(0),
            local: Mutex::default(),
            ending: Ending::default(),
            lessons: Mutex::new(Lessons::new(configured)),
            standing: Mutex::new(Standing::new(&spec.name, now)),
            sessions: AtomicUsize::new(1),
            signature_nanos: AtomicU64::new(0),
            signatures: AtomicU64::new(0),
            bad_signatures: AtomicU64::new(0),
            bad_in_a_row: AtomicU32::new(0),
            threads: Mutex::default(),
        });
        let token = Self { shared: Arc::clone(&shared) };
        if let Some(refusal) = lock(&shared.standing).refusal() {
            shared.queue.refuse(&refusal);
        }
        let (told, first_start) = mpsc::channel();
        shared.spawn("keeper-0", move |shared| {
            shared.keep(|outcome| {
                // Nobody listens where the start was given up.
                let _ = told.send(outcome.map(|_| ()));
            });
        })?;
        shared.spawn("watchdog", |shared| shared.watch())?;
        let outcome = first_start.recv().unwrap_or(Err(TokenError::Closed));
        Ok(Opened { token, keys: (0..wanted.len()).map(TokenKey).collect(), outcome })
    }

    /// How the token is.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        self.shared.status()
    }

    /// Whether any of its workers signs.
    #[must_use]
    pub fn signs(&self) -> bool {
        lock(&self.shared.standing).refusal().is_none()
    }

    /// Signatures that its workers have made since the service started, those that are gone too.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.shared.signatures.load(Ordering::Relaxed)
    }

    /// The sessions of the workers that sign, and how many of them have work, as far as this process knows: an idle one may still
    /// be proving itself, and a busy one may just have finished.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        let mut sessions = Sessions::default();
        for worker in lock(&self.shared.workers).iter().filter(|worker| !worker.is_dead() && worker.signs()) {
            sessions.open += worker.sessions.load(Ordering::Relaxed);
            sessions.busy += worker.busy();
        }
        sessions
    }

    /// How many keys are stopped: the token has refused them, and they are asked for nothing until they have proven themselves.
    #[must_use]
    pub fn stopped_keys(&self) -> usize {
        lock(&self.shared.standing).stopped().len()
    }

    /// Takes the PIN latch off, so that the next worker logs in; whether it was on.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn unlatch(&self) -> io::Result<bool> {
        self.shared.spec.latch.take_off()
    }
}

/// Sessions of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Of workers that sign.
    pub open: usize,
    /// Those of them that have work.
    pub busy: usize,
}

/// How a token is, for those who look after it.
#[derive(Clone, Debug)]
pub struct TokenStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Why it does not sign; nothing where it does.
    pub trouble: Option<String>,
    /// Its workers that are alive.
    pub workers: Vec<WorkerStatus>,
    /// Workers that died and were replaced, since the service started.
    pub replaced: u64,
    /// Signatures that did not verify.
    pub bad_signatures: u64,
    /// What a signature takes on a session, of late; zero before the first.
    pub signature_time: Duration,
    /// Whether a refused PIN keeps its workers from logging in.
    pub is_latched: bool,
}

/// How one worker is.
#[derive(Clone, Debug)]
pub struct WorkerStatus {
    /// Its process.
    pub pid: u32,
    /// How long it lives.
    pub age: Duration,
    /// Signatures that it has made.
    pub signatures: u64,
    /// Why none of its sessions signs; nothing where one does.
    pub trouble: Option<String>,
}

impl Token for SupervisedToken {
    fn name(&self) -> &str {
        &self.shared.spec.name
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let shared = &self.shared;
        let signature = Duration::from_nanos(shared.signature_nanos.load(Ordering::Relaxed));
        let len = piece_len(digests.len(), shared.sessions.load(Ordering::Relaxed), signature);
        shared.queue.submit(order, digests, len)
    }

    fn readiness(&self, key: TokenKey) -> Readiness {
        lock(&self.shared.standing).readiness(key, Instant::now())
    }

    fn judge(&self, session: SessionId, verifies: bool) {
        self.shared.judge(session, verifies);
    }
}

impl Drop for SupervisedToken {
    /// Kills the workers: vendor libraries crash in their exit handlers, so they are not let run.
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.ending.begin();
        shared.queue.close();
        lock(&shared.workers).iter().chain(&*lock(&shared.newborn)).for_each(|worker| worker.kill());
        shared.queue.wake();
        let threads = std::mem::take(&mut *lock(&shared.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SupervisedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisedToken").field("name", &self.shared.spec.name).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn spawn(self: &Arc<Self>, name: &str, work: impl FnOnce(&Arc<Self>) + Send + 'static) -> Result<(), TokenError> {
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new().name(format!("{}-{name}", self.spec.name)).spawn(move || work(&shared));
        let thread = spawned.map_err(|error| self.process_error(format_args!("no thread: {error}")))?;
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// With the first worker it is known how many the token wants; the others are kept from then on.
    pub(super) fn grow(self: &Arc<Self>, ready: &Ready) {
        let is_first = lock(&self.local).replace(ready.local).is_none();
        if !is_first {
            return;
        }
        let workers = self.spec.workers.unwrap_or(if ready.local { super::cores() } else { 1 }).max(1);
        self.sessions.store(workers * usize::from(ready.sessions), Ordering::Relaxed);
        tracing::info!(token = self.spec.name, workers, sessions = ready.sessions, local = ready.local, "token open");
        for number in 1..workers {
            if let Err(error) = self.spawn(&format!("keeper-{number}"), |shared| shared.keep(|_| {})) {
                tracing::error!(token = self.spec.name, %error, "fewer workers than wanted");
            }
        }
    }

    /// One more worker signs.
    pub(super) fn note_signing(&self) {
        let mut standing = lock(&self.standing);
        if standing.gain() {
            self.queue.accept();
            tracing::debug!(token = self.spec.name, "the token signs");
        }
    }

    /// One worker fewer signs; with the last of them all that waits is answered, for another token may sign it.
    pub(super) fn note_silence(&self, reason: &str) {
        let mut standing = lock(&self.standing);
        if standing.lose(reason, Instant::now())
            && let Some(refusal) = standing.refusal()
        {
            self.queue.refuse(&refusal);
        }
    }

    pub(super) fn note_failed_start(&self, error: &TokenError) {
        let mut standing = lock(&self.standing);
        if standing.note_failed_start(&error.to_string())
            && let Some(refusal) = standing.refusal()
        {
            self.queue.refuse(&refusal);
        } else {
            tracing::warn!(token = self.spec.name, %error, "a worker did not start");
        }
    }

    /// The token refuses a key: our configuration, or its own. Others sign meanwhile.
    pub(super) fn stop_key(&self, key: TokenKey, error: &TokenError) {
        if lock(&self.standing).stop(key, error, Instant::now()) {
            tracing::error!(token = self.spec.name, key = key.0, %error, "ALARM: the token refuses a key; it is stopped until it signs");
        }
    }

    /// Officers stopped a key, or had it destroyed.
    pub(super) fn stop_for_good(&self, key: TokenKey, error: &TokenError) {
        lock(&self.standing).stop_for_good(key, error, Instant::now());
    }

    /// Why nothing is signed, as long as no worker signs.
    pub(super) fn refusal(&self) -> Option<TokenError> {
        lock(&self.standing).refusal()
    }

    pub(super) fn learn_signature_time(&self, signature: Duration) {
        let nanos = u64::try_from(signature.as_nanos()).unwrap_or(u64::MAX);
        let before = self.signature_nanos.load(Ordering::Relaxed);
        let now = if before == 0 { nanos } else { before - before / 8 + nanos / 8 };
        self.signature_nanos.store(now, Ordering::Relaxed);
    }

    fn judge(&self, session: SessionId, verifies: bool) {
        if verifies {
            if self.bad_in_a_row.load(Ordering::Relaxed) > 0 {
                self.bad_in_a_row.store(0, Ordering::Relaxed);
            }
            return;
        }
        self.bad_signatures.fetch_add(1, Ordering::Relaxed);
        let workers = lock(&self.workers).clone();
        tracing::error!(
            token = self.spec.name,
            worker = session.worker,
            session = session.session,
            "ALARM: a signature does not verify; it is not released, and its session is given up"
        );
        // A worker that is gone took its sessions with it, and says nothing about those that came after it.
        let Some(worker) = workers.iter().find(|worker| worker.number == session.worker && !worker.is_dead()) else { return };
        worker.discard(session.session);
        let in_a_row = self.bad_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        self.queue.wake();
        if in_a_row >= BAD_IN_A_ROW {
            self.bad_in_a_row.store(0, Ordering::Relaxed);
            tracing::error!(
                token = self.spec.name,
                in_a_row,
                "ALARM: the token is out of use until its keys have proven themselves in new workers"
            );
            workers.iter().for_each(|worker| worker.kill());
            self.queue.wake();
        }
    }

    /// Kills workers that hang or cannot sign any more, has stopped keys prove themselves, and raises the one alarm of an
    /// outage.
    fn watch(&self) {
        let mut proving = Proving::default();
        while !self.ending.wait(WATCH) {
            let workers = lock(&self.workers).clone();
            for worker in workers.iter().filter(|worker| !worker.is_dead() && worker.has_ended()) {
                worker.kill();
            }
            // A device that makes a key may sign nothing until it has.
            let is_at_work = workers.iter().any(|worker| worker.asks.is_at_work());
            let longest_call = if is_at_work { self.spec.hang_timeout.max(LONGEST_WORK) } else { self.spec.hang_timeout };
            let has_hung = |worker: &Worker| worker.has_hung(self.spec.hang_timeout, longest_call) || worker.asks.is_overdue();
            for worker in workers.iter().filter(|worker| !worker.is_dead() && has_hung(worker)) {
                tracing::error!(token = self.spec.name, pid = worker.pid(), "a worker hangs and is killed");
                worker.kill();
            }
            for worker in &workers {
                if let Some(trouble) = worker.trouble().filter(|trouble| trouble.since.elapsed() > REPLACE_AFTER) {
                    tracing::warn!(
                        token = self.spec.name,
                        pid = worker.pid(),
                        reason = trouble.reason,
                        "a worker does not sign any more and is replaced"
                    );
                    worker.kill();
                }
            }
            if workers.iter().any(|worker| worker.is_dead()) {
                // Its feeder may wait for work, and the reader for an end that does not come.
                self.queue.wake();
            }
            self.resume_keys(&mut proving);
            self.raise_alarm();
        }
    }

    fn raise_alarm(&self) {
        let change = lock(&self.standing).outage(Instant::now());
        match change {
            Some(Ok(lasted)) => tracing::info!(token = self.spec.name, ?lasted, "the token signs again"),
            Some(Err(reason)) => {
                tracing::error!(token = self.spec.name, reason, "ALARM: the token is down; nothing is signed on it")
            }
            None => {}
        }
    }

    /// Has each stopped key sign a proof now and then, without waiting for it here: a proof may hang too.
    fn resume_keys(&self, proving: &mut Proving) {
        let stopped = lock(&self.standing).stopped();
        proving.keys.retain(|key, _| stopped.contains(key));
        for key in stopped {
            let trial = proving.keys.entry(key).or_insert_with(Trial::new);
            match &mut trial.answer {
                Some(answer) => match answer.try_recv() {
                    Ok(results) if self.is_proven(key, &results) => self.resume_key(key),
                    Err(oneshot::error::TryRecvError::Empty) => {}
                    _ => trial.answer = None,
                },
                None if Instant::now() >= trial.next => {
                    trial.next = Instant::now() + trial.backoff.pause();
                    trial.answer = Some(self.ask_for_proof(key));
                }
                None => {}
            }
        }
    }

    fn ask_for_proof(&self, key: TokenKey) -> oneshot::Receiver<Results> {
        let (done, answer) = oneshot::channel();
        let order = Order { key, purpose: Purpose::Proof, lane: Lane::Interactive };
        self.queue.submit_for(order, vec![*proof::digest()], 1, Answer::Waiter(done));
        answer
    }

    fn resume_key(&self, key: TokenKey) {
        if lock(&self.standing).resume(key) {
            tracing::info!(token = self.spec.name, key = key.0, "the token signs with the key again");
        }
    }

    fn is_proven(&self, key: TokenKey, results: &Results) -> bool {
        let signed = results.first().and_then(|result| result.as_ref().ok());
        let lessons = lock(&self.lessons);
        signed.zip(lessons.proof(key)).is_some_and(|(signed, proof)| proof.accept(&signed.signature).is_ok())
    }

    fn status(&self) -> TokenStatus {
        let worker = |worker: &Arc<Worker>| WorkerStatus {
            pid: worker.pid(),
            age: worker.started.elapsed(),
            signatures: worker.signatures.load(Ordering::Relaxed),
            trouble: worker.trouble().map(|trouble| trouble.reason),
        };
        TokenStatus {
            name: self.spec.name.clone(),
            trouble: lock(&self.standing).trouble(),
            workers: lock(&self.workers).iter().map(worker).collect(),
            replaced: self.replaced.load(Ordering::Relaxed),
            bad_signatures: self.bad_signatures.load(Ordering::Relaxed),
            signature_time: Duration::from_nanos(self.signature_nanos.load(Ordering::Relaxed)),
            is_latched: self.spec.latch.check().is_err(),
        }
    }
}

/// Stopped keys that are being proven.
#[derive(Default)]
struct Proving {
    keys: HashMap<TokenKey, Trial>,
}

struct Trial {
    next: Instant,
    answer: Option<oneshot::Receiver<Results>>,
    backoff: Backoff,
}

impl Trial {
    fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        Self { next: Instant::now(), answer: None, backoff }
    }
}
