//! Worker processes from the outside: started one after another, fed, watched, killed and replaced.
//!
//! A PKCS#11 module is somebody else's C code with the keys behind it: it hangs, crashes, and cannot be cancelled. Only a
//! worker loads it. What a worker held when it died goes back to the front of the queue and is signed elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::queue::{Piece, WorkQueue, lock};
use super::wire::{self, Ready, SignFrame, WorkerFrame, key_hash};
use super::{SignFuture, Token, TokenError, TokenKey, TokenSpec, WantedKey};
use crate::domain::{Digest, Lane};

/// How a worker is started: a program and its arguments, which name configuration and token.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program: this one, as a rule.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A token behind worker processes. This process holds neither PIN nor key handle.
pub struct SupervisedToken {
    shared: Arc<Shared>,
    keepers: Vec<JoinHandle<()>>,
    watchdog: Option<JoinHandle<()>>,
}

/// How often a piece may come back unsigned before it is failed: a piece that kills workers must not kill them for ever.
const MOST_RETURNS: u32 = 3;

/// Pieces in a worker's pipe for each of its sessions: one that is signed and one that waits, so that no session idles. A
/// lane has its own, so that bulk never fills the pipe before interactive work.
const PIECES_A_SESSION: usize = 2;

/// A worker that lived so long was well; one that dies sooner again and again is started more and more slowly.
const SETTLED: Duration = Duration::from_secs(5);

/// How long a worker may take to be ready, where its hang timeout is not longer.
const LONGEST_START: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl SupervisedToken {
    /// Starts the first worker, which says whether the token computes here, then the others; one after another, for logins at
    /// the same time make some tokens fail.
    ///
    /// # Errors
    /// What the first worker says: the module, the token, the PIN's place, the key or the attribute that is wrong.
    pub fn start(spec: &TokenSpec, command: WorkerCommand, wanted: &[WantedKey]) -> Result<(Self, Vec<TokenKey>), TokenError> {
        let shared = Arc::new(Shared {
            spec: spec.clone(),
            command,
            keys: wanted.iter().map(|key| key_hash(&key.public_key)).collect(),
            queue: WorkQueue::default(),
            sessions: AtomicUsize::new(1),
            alive: AtomicUsize::new(0),
            last_failure: Mutex::default(),
            starting: Mutex::new(()),
            workers: Mutex::new(Vec::new()),
            ending: Ending::default(),
        });
        let first = shared.start_worker()?;
        let ready = first.ready.clone();
        let workers = spec.workers.unwrap_or(if ready.local { super::cores() } else { 1 }).max(1);
        shared.sessions.store(workers * usize::from(ready.sessions), Ordering::Relaxed);
        let mut token = Self { shared: Arc::clone(&shared), keepers: Vec::new(), watchdog: None };
        token.keepers.push(spawn("keeper-0", Arc::clone(&shared), |shared| shared.keep(Some(first)))?);
        for number in 1..workers {
            token.keepers.push(spawn(&format!("keeper-{number}"), Arc::clone(&shared), |shared| shared.keep(None))?);
        }
        token.watchdog = Some(spawn("watchdog", shared, |shared| shared.watch())?);
        tracing::info!(token = spec.name, workers, sessions = ready.sessions, local = ready.local, "token open");
        Ok((token, (0..wanted.len()).map(TokenKey).collect()))
    }
}

fn spawn(name: &str, shared: Arc<Shared>, work: impl FnOnce(&Shared) + Send + 'static) -> Result<JoinHandle<()>, TokenError> {
    let token = shared.spec.name.clone();
    let spawned = std::thread::Builder::new().name(format!("{token}-{name}")).spawn(move || work(&shared));
    spawned.map_err(|error| TokenError::Process { token, reason: format!("no thread: {error}") })
}

impl Token for SupervisedToken {
    fn name(&self) -> &str {
        &self.shared.spec.name
    }

    fn sign(&self, key: TokenKey, lane: Lane, digests: Vec<Digest>) -> SignFuture {
        if self.shared.is_down() {
            let error = self.shared.down();
            return Box::pin(std::future::ready(vec![Err(error); digests.len()]));
        }
        self.shared.queue.submit(key, lane, digests, self.shared.sessions.load(Ordering::Relaxed))
    }
}

impl Drop for SupervisedToken {
    /// Kills the workers: vendor libraries crash in their exit handlers, so they are not let run.
    fn drop(&mut self) {
        self.shared.ending.begin();
        self.shared.queue.close();
        for worker in lock(&self.shared.workers).iter() {
            worker.kill();
        }
        for thread in self.keepers.drain(..).chain(self.watchdog.take()) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SupervisedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisedToken").field("name", &self.shared.spec.name).finish_non_exhaustive()
    }
}

struct Shared {
    spec: TokenSpec,
    command: WorkerCommand,
    keys: Vec<[u8; 32]>,
    queue: WorkQueue,
    /// Sessions of all workers together: how finely a batch is cut.
    sessions: AtomicUsize,
    alive: AtomicUsize,
    /// Why the last start failed; nothing since a worker was ready.
    last_failure: Mutex<Option<String>>,
    /// Held while a worker starts: SoftHSM's login rewrites its token file, and simultaneous starts miss the token.
    starting: Mutex<()>,
    workers: Mutex<Vec<Arc<Worker>>>,
    ending: Ending,
}

/// The end of the token, which a pause can be woken by.
#[derive(Default)]
struct Ending {
    begun: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    fn begin(&self) {
        *lock(&self.begun) = true;
        self.changed.notify_all();
    }

    fn has_begun(&self) -> bool {
        *lock(&self.begun)
    }

    /// Waits, but not past the end; whether the end has come.
    fn wait(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.begun), pause, |begun| !*begun);
        waited.map_or(true, |(begun, _)| *begun)
    }
}

/// A worker process that has said it is ready.
struct Started {
    worker: Arc<Worker>,
    ready: Ready,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What is known of a worker that is alive.
struct Worker {
    child: Mutex<Child>,
    held: Mutex<HashMap<u64, Held>>,
    interactive: AtomicUsize,
    bulk: AtomicUsize,
    dead: AtomicBool,
}

/// A piece in the worker's hands.
struct Held {
    piece: Piece,
    since: Instant,
}

impl Worker {
    fn count(&self, lane: Lane) -> &AtomicUsize {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }

    fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        // It may have ended by itself.
        let _ = lock(&self.child).kill();
    }

    fn take(&self, id: u64) -> Option<Piece> {
        let held = lock(&self.held).remove(&id)?;
        self.count(held.piece.lane()).fetch_sub(1, Ordering::Relaxed);
        Some(held.piece)
    }

    fn has_hung(&self, timeout: Duration) -> bool {
        lock(&self.held).values().any(|held| held.since.elapsed() > timeout)
    }
}

impl Shared {
    /// Whether nothing can be signed until a worker starts, and the last one did not. A worker that has died and is being
    /// replaced for the first time is no reason to refuse: its work waits a moment.
    fn is_down(&self) -> bool {
        self.alive.load(Ordering::Relaxed) == 0 && lock(&self.last_failure).is_some()
    }

    fn down(&self) -> TokenError {
        TokenError::Down { token: self.spec.name.clone(), reason: lock(&self.last_failure).clone().unwrap_or_default() }
    }

    fn process_error(&self, reason: impl fmt::Display) -> TokenError {
        TokenError::Process { token: self.spec.name.clone(), reason: reason.to_string() }
    }

    /// Keeps one worker alive until the token ends: starts it, feeds it, and replaces it after a pause that grows.
    fn keep(&self, first: Option<Started>) {
        let mut next = first.map(Ok);
        let mut failures = 0;
        while !self.ending.has_begun() {
            match next.take().unwrap_or_else(|| self.start_worker()) {
                Ok(started) => {
                    let since = Instant::now();
                    let reason = self.run_worker(started);
                    if self.ending.has_begun() {
                        return;
                    }
                    tracing::warn!(token = self.spec.name, reason, "a worker died and is replaced; what it held is signed again");
                    failures = if since.elapsed() > SETTLED { 0 } else { failures + 1 };
                }
                Err(error) => {
                    failures += 1;
                    self.note_failure(&error, failures);
                }
            }
            if self.ending.wait(pause(failures)) {
                return;
            }
        }
    }

    /// With no worker alive nothing that waits is signed soon: its callers hear so at once.
    fn note_failure(&self, error: &TokenError, failures: u32) {
        let is_news = lock(&self.last_failure).replace(error.to_string()).is_none_or(|last| last != error.to_string());
        if self.is_down() && is_news {
            tracing::error!(token = self.spec.name, %error, failures, "no worker of the token starts; nothing is signed on it");
        } else if is_news {
            tracing::warn!(token = self.spec.name, %error, failures, "a worker did not start; others sign");
        }
        if self.is_down() {
            self.queue.fail_waiting(&self.down());
        }
    }

    /// Starts a worker and waits until it is ready.
    fn start_worker(&self) -> Result<Started, TokenError> {
        let _starting = lock(&self.starting);
        // Another try could lock the token. An officer takes the latch off, and the next round starts a worker.
        self.spec.latch.check()?;
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.arguments).envs(self.spec.environment.iter().map(|(name, value)| (name, value)));
        // A group of its own: Ctrl-C at the terminal is for the service, which drains first.
        command.process_group(0);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| self.process_error(format_args!("cannot start: {error}")))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(log)) = pipes else { return Err(self.process_error("it has no pipes")) };
        let token = self.spec.name.clone();
        // A thread that cannot be started costs the worker's log lines, nothing else.
        let _ = std::thread::Builder::new().name(format!("{token}-log")).spawn(move || relay_log(&token, log));
        let worker = Arc::new(Worker {
            child: Mutex::new(child),
            held: Mutex::default(),
            interactive: AtomicUsize::new(0),
            bulk: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
        });
        let mut output = BufReader::with_capacity(64 * 1024, output);
        let ready = self.await_ready(&worker, &mut output).inspect_err(|_| {
            worker.kill();
            let _ = lock(&worker.child).wait();
        })?;
        Ok(Started { worker, ready, input, output })
    }

    fn await_ready(&self, worker: &Arc<Worker>, output: &mut BufReader<ChildStdout>) -> Result<Ready, TokenError> {
        // A module that hangs at its start is killed like one that hangs later; reading then ends. A start takes longer than a
        // signature: killing one that is merely slow would cost a login each time.
        let patience = Patience::new(Arc::clone(worker), self.spec.hang_timeout.max(LONGEST_START));
        let frame = WorkerFrame::read(output);
        patience.end();
        match frame {
            Ok(Some(WorkerFrame::Ready(ready))) if ready.keys == self.keys => Ok(ready),
            Ok(Some(WorkerFrame::Ready(_))) => {
                Err(self.process_error("its configuration has other keys; start the service again"))
            }
            Ok(Some(WorkerFrame::Failed(error))) => Err(error.into()),
            Ok(_) => Err(self.process_error("it ended, or hung, before it was ready")),
            Err(error) => Err(self.process_error(error)),
        }
    }

    /// Feeds a worker until it dies; what it held goes back to the queue.
    fn run_worker(&self, started: Started) -> String {
        let Started { worker, ready, mut input, mut output } = started;
        lock(&self.workers).push(Arc::clone(&worker));
        self.alive.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_failure) = None;
        let window = usize::from(ready.sessions) * PIECES_A_SESSION;
        let reason = std::thread::scope(|scope| {
            let reader = scope.spawn(|| self.read_results(&worker, &mut output));
            let written = self.feed(&worker, &mut input, window);
            worker.kill();
            let read = reader.join().unwrap_or(Ok(()));
            written.and(read).err().map_or_else(|| "it ended, or was killed".to_owned(), |error| error.to_string())
        });
        self.bury(&worker);
        reason
    }

    fn feed(&self, worker: &Worker, input: &mut ChildStdin, window: usize) -> io::Result<()> {
        let open = |lane| worker.count(lane).load(Ordering::Relaxed) < window;
        let mut bytes = Vec::with_capacity(4096);
        let mut id = 0;
        while let Some(piece) = self.queue.next_where(open, || worker.dead.load(Ordering::Relaxed)) {
            if piece.is_abandoned() {
                continue;
            }
            id += 1;
            bytes.clear();
            let key = u16::try_from(piece.key().0).unwrap_or(u16::MAX);
            SignFrame::encode(id, key, piece.lane(), piece.digests(), &mut bytes);
            worker.count(piece.lane()).fetch_add(1, Ordering::Relaxed);
            lock(&worker.held).insert(id, Held { piece, since: Instant::now() });
            wire::send(input, &bytes)?;
        }
        Ok(())
    }

    fn read_results(&self, worker: &Worker, output: &mut BufReader<ChildStdout>) -> io::Result<()> {
        let ended = loop {
            match WorkerFrame::read(output) {
                Ok(Some(WorkerFrame::Signed { id, results })) => self.complete(worker, id, results),
                Ok(Some(_)) => break Err(io::Error::new(io::ErrorKind::InvalidData, "a frame out of place")),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        worker.dead.store(true, Ordering::Relaxed);
        self.queue.wake();
        ended
    }

    fn complete(&self, worker: &Worker, id: u64, results: Vec<Result<crate::domain::Signature, wire::WorkerError>>) {
        let Some(piece) = worker.take(id) else { return };
        let results = results.into_iter().map(|result| result.map_err(TokenError::from)).collect();
        if let Some(rest) = piece.complete(results) {
            // Fewer results than digests: the worker broke its protocol over them.
            rest.fail(&self.process_error("it answered a part of what it was given"));
        }
        self.queue.wake();
    }

    /// Takes a dead worker out, and puts what it held back in front; what has come back too often is failed.
    fn bury(&self, worker: &Arc<Worker>) {
        let _ = lock(&worker.child).wait();
        self.alive.fetch_sub(1, Ordering::Relaxed);
        lock(&self.workers).retain(|other| !Arc::ptr_eq(other, worker));
        let held = std::mem::take(&mut *lock(&worker.held));
        for Held { mut piece, .. } in held.into_values() {
            piece.returns += 1;
            if piece.returns > MOST_RETURNS {
                piece.fail(&self.process_error("it died over this piece again and again"));
            } else {
                self.queue.put_back(piece);
            }
        }
    }

    /// Kills workers that hang.
    fn watch(&self) {
        while !self.ending.wait(self.spec.hang_timeout / 8) {
            let workers = lock(&self.workers).clone();
            for worker in workers.iter().filter(|worker| worker.has_hung(self.spec.hang_timeout)) {
                tracing::error!(token = self.spec.name, "a worker hangs and is killed");
                worker.kill();
            }
        }
    }
}

/// A pause before a worker is started again: it doubles, and a random part keeps replicas from coming together.
fn pause(failures: u32) -> Duration {
    let longest = LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(failures.min(10)));
    let mut byte = [0; 1];
    // Without randomness the pause is merely the same for all.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    longest / 2 + longest / 2 * u32::from(byte[0]) / 255
}

/// Kills a worker that is not ready in time.
struct Patience {
    done: Arc<Ending>,
}

impl Patience {
    fn new(worker: Arc<Worker>, timeout: Duration) -> Self {
        let done = Arc::new(Ending::default());
        let waited = Arc::clone(&done);
        // Without the thread a module that hangs at its start holds up that worker alone.
        let _ = std::thread::Builder::new().name("patience".to_owned()).spawn(move || {
            if !waited.wait(timeout) {
                worker.kill();
            }
        });
        Self { done }
    }

    fn end(&self) {
        self.done.begin();
    }
}

/// Puts a worker's log lines into this process's log. It reads whatever comes: a full pipe would stop the worker.
fn relay_log(token: &str, log: impl io::Read) {
    for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        match line.trim().split_once(' ') {
            Some(("ERROR", text)) => tracing::error!(token, "worker: {}", text.trim_start()),
            Some(("WARN", text)) => tracing::warn!(token, "worker: {}", text.trim_start()),
            Some(("INFO", text)) => tracing::info!(token, "worker: {}", text.trim_start()),
            _ => tracing::debug!(token, "worker: {line}"),
        }
    }
}
