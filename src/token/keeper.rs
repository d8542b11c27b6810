//! The life of one worker, again and again: started, fed, watched, buried and replaced.

use std::fmt;
use std::io::{self, BufReader};
use std::process::ChildStdout;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::lessons::Lesson;
use super::pause::{Backoff, Ending};
use super::pool::MEASURED;
use super::process::{LONGEST_END, Worker};
use super::queue::{Next, lock};
use super::supervisor::Shared;
use super::wire::{self, Ready, WorkerFrame, WorkerResult};
use super::{Disposition, SessionId, Signed, TokenError};
use crate::domain::Lane;

/// How often a piece may come back unsigned before it is failed: a piece that kills workers must not kill them for ever.
const MOST_RETURNS: u32 = 3;

/// Pieces in a worker's hands for each of its sessions: one that is signed and some that wait, so that no session idles while
/// this process is late. A lane has its own, so that bulk never fills the pipe before interactive work.
const PIECES_A_SESSION: usize = 4;

/// Frames are sent together as long as they are no more bytes than this: half of what a pipe holds.
const SENT_TOGETHER: usize = 32 * 1024;

/// A worker that lived so long was well; one that dies sooner again and again is started more and more slowly.
const SETTLED: Duration = Duration::from_secs(5);

/// How long a worker may take over each step to be ready that is no signature, where its hang timeout is not longer.
const LONGEST_OPENING: Duration = Duration::from_secs(30);

/// Steps of a start: it proves keys once, and opens sessions before and after.
const MOST_STAGES: u32 = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A worker process that has said it is ready.
struct Started {
    worker: Arc<Worker>,
    ready: Ready,
    /// What it has said of its standing since.
    standing: Vec<Option<String>>,
    output: BufReader<ChildStdout>,
}

impl Shared {
    /// Keeps one worker alive until the token ends. `on_start` hears what came of the first start.
    pub(super) fn keep(self: &Arc<Self>, on_start: impl FnOnce(Result<Ready, TokenError>)) {
        let mut on_start = Some(on_start);
        let mut tell = |outcome: Result<Ready, TokenError>| on_start.take().map_or((), |on_start| on_start(outcome));
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !self.ending.has_begun() {
            match self.start_worker() {
                Ok(started) => {
                    let since = Instant::now();
                    self.note_signing();
                    for trouble in started.standing.clone() {
                        self.note_standing(&started.worker, trouble);
                    }
                    tell(Ok(started.ready.clone()));
                    self.grow(&started.ready);
                    let reason = self.run_worker(started);
                    if self.ending.has_begun() {
                        return;
                    }
                    tracing::warn!(token = self.spec.name, reason, "a worker died and is replaced; what it held is signed again");
                    self.replaced.fetch_add(1, Ordering::Relaxed);
                    if since.elapsed() > SETTLED {
                        backoff.reset();
                    }
                }
                Err(error) => {
                    self.note_failed_start(&error);
                    tell(Err(error));
                }
            }
            if self.ending.wait(backoff.pause()) {
                return;
            }
        }
    }

    /// Starts a worker and waits until it is ready.
    fn start_worker(&self) -> Result<Started, TokenError> {
        let _starting = lock(&self.starting);
        // Another try could lock the token. An officer takes the latch off, and the next round starts a worker.
        self.spec.latch.check()?;
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let local = *lock(&self.local);
        let spawned = Worker::spawn(&self.spec, &self.command, number, local);
        let (worker, mut output) = spawned.map_err(|error| self.process_error(format_args!("cannot start: {error}")))?;
        let worker = Arc::new(worker);
        *lock(&self.newborn) = Some(Arc::clone(&worker));
        // The end kills what is noted, and may have come just before.
        let ready = if self.ending.has_begun() { Err(TokenError::Closed) } else { self.await_ready(&worker, &mut output) };
        let taught = ready.and_then(|ready| Ok((self.teach(&worker, &ready, &mut output)?, ready)));
        *lock(&self.newborn) = None;
        let (standing, ready) = taught.inspect_err(|_| {
            worker.asks.close();
            worker.kill();
            worker.reap();
        })?;
        Ok(Started { worker, ready, standing, output })
    }

    /// Tells a worker of every key that officers brought or stopped, and takes it in among the others; what it says meanwhile
    /// of its standing. There is no moment in which a key could be brought and the worker not hear of it.
    fn teach(
        &self,
        worker: &Arc<Worker>,
        ready: &Ready,
        output: &mut BufReader<ChildStdout>,
    ) -> Result<Vec<Option<String>>, TokenError> {
        let (mut standing, mut next) = (Vec::new(), 0);
        loop {
            let lessons = lock(&self.lessons);
            let Some((number, lesson)) = lessons.from(next) else {
                worker.sessions.store(usize::from(ready.sessions), Ordering::Relaxed);
                lock(&self.workers).push(Arc::clone(worker));
                return Ok(standing);
            };
            drop(lessons);
            next = number + 1;
            let guard = Patience::new(Arc::clone(worker), self.spec.hang_timeout.max(LONGEST_OPENING));
            let answer = self.teach_one(worker, &lesson, output, &mut standing);
            guard.end();
            if let Err(error) = answer? {
                // It goes on without: a key that is gone from the token must not keep the others from signing.
                tracing::warn!(
                    token = self.spec.name,
                    error = error.message,
                    "a new worker does not take a key of the custody chain"
                );
            }
        }
    }

    fn teach_one(
        &self,
        worker: &Worker,
        lesson: &Lesson,
        output: &mut BufReader<ChildStdout>,
        standing: &mut Vec<Option<String>>,
    ) -> Result<wire::Answer, TokenError> {
        let mut frame = Vec::new();
        // Those that are asked later have their numbers from 1 on.
        lesson.encode(0, &mut frame);
        worker.send(&frame).map_err(|error| self.process_error(error))?;
        loop {
            match WorkerFrame::read(output) {
                Ok(Some(WorkerFrame::Answered { id: 0, answer })) => return Ok(answer),
                Ok(Some(WorkerFrame::Standing(trouble))) => standing.push(trouble),
                Ok(Some(WorkerFrame::Pulse(_))) => {}
                Ok(_) => return Err(self.process_error("it ended, or hung, before it knew all its keys")),
                Err(error) => return Err(self.process_error(error)),
            }
        }
    }

    fn await_ready(&self, worker: &Arc<Worker>, output: &mut BufReader<ChildStdout>) -> Result<Ready, TokenError> {
        // A module that hangs at its start is killed like one that hangs later; reading then ends. To open takes longer than to
        // sign: killing a worker that is merely slow would cost a login each time.
        let mut patience = self.spec.hang_timeout.max(LONGEST_OPENING);
        let mut stages = 0;
        let frame = loop {
            let guard = Patience::new(Arc::clone(worker), patience);
            let frame = WorkerFrame::read(output);
            guard.end();
            match frame {
                Ok(Some(WorkerFrame::Stage { .. })) if stages == MOST_STAGES => break Ok(None),
                Ok(Some(WorkerFrame::Stage { is_proving: true })) => patience = self.spec.hang_timeout + MEASURED,
                Ok(Some(WorkerFrame::Stage { is_proving: false })) => patience = self.spec.hang_timeout.max(LONGEST_OPENING),
                other => break other,
            }
            stages += 1;
        };
        match frame {
            Ok(Some(WorkerFrame::Ready(ready))) if ready.sessions == 0 => {
                Err(self.process_error(format_args!("it has {} sessions", ready.sessions)))
            }
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
    fn run_worker(self: &Arc<Self>, started: Started) -> String {
        let Started { worker, ready, mut output, .. } = started;
        let window = usize::from(ready.sessions) * PIECES_A_SESSION;
        let (done, ended) = mpsc::channel();
        let (shared, read) = (Arc::clone(self), Arc::clone(&worker));
        worker.hear(None);
        // It is not waited for without end: whoever has the worker's pipes from it may outlive it.
        let reader = std::thread::Builder::new().name(format!("{}-results", self.spec.name));
        let reader = reader.spawn(move || drop(done.send(shared.read_results(&read, window, &mut output))));
        let written = reader.and_then(|_| self.feed(&worker, window));
        worker.kill();
        let read = ended.recv_timeout(LONGEST_END).unwrap_or(Ok(()));
        let reason = written.and(read).err().map_or_else(|| "it ended, or was killed".to_owned(), |error| error.to_string());
        self.bury(&worker, &reason);
        reason
    }

    /// Gives a worker what is in the queue, as long as its sessions sign, and never more than they need in reach.
    fn feed(&self, worker: &Worker, window: usize) -> io::Result<()> {
        let open = |lane| worker.held(lane) < window && worker.signs();
        let mut frames = Vec::with_capacity(2 * SENT_TOGETHER);
        let mut id = 0;
        loop {
            frames.clear();
            let mut next = match self.queue.next_where(open, || worker.is_dead() || worker.has_outgoing(), None) {
                Next::Piece(first) => Some(first),
                _ if worker.has_outgoing() && !worker.is_dead() => None,
                _ => return Ok(()),
            };
            worker.take_outgoing(&mut frames);
            while let Some(piece) = next {
                if !piece.is_abandoned() {
                    id += 1;
                    worker.hold(id, piece, &mut frames);
                }
                next = if frames.len() < SENT_TOGETHER { self.queue.try_next_where(open) } else { None };
            }
            worker.send(&frames)?;
        }
    }

    fn read_results(&self, worker: &Worker, window: usize, output: &mut BufReader<ChildStdout>) -> io::Result<()> {
        let ended = loop {
            let frame = WorkerFrame::read(output);
            worker.hear(None);
            match frame {
                Ok(Some(WorkerFrame::Pulse(longest_call))) => worker.hear(Some(longest_call)),
                Ok(Some(WorkerFrame::Signed { id, spent, results })) => {
                    // The feeder sends some pieces together, rather than wake for each.
                    let lane = self.complete(worker, id, spent, results);
                    if lane.is_some_and(|lane| worker.held(lane) <= window - window.div_ceil(4)) {
                        self.queue.wake();
                    }
                }
                Ok(Some(WorkerFrame::Answered { id, answer })) => worker.asks.end(id, answer),
                Ok(Some(WorkerFrame::Standing(trouble))) => self.note_standing(worker, trouble),
                Ok(Some(_)) => break Err(io::Error::new(io::ErrorKind::InvalidData, "a frame out of place")),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        worker.mark_dead();
        self.queue.wake();
        ended
    }

    fn note_standing(&self, worker: &Worker, trouble: Option<String>) {
        if !worker.is_dead() && worker.note_trouble(trouble.clone()) {
            match trouble {
                Some(reason) => self.note_silence(&reason),
                None => self.note_signing(),
            }
        }
        self.queue.wake();
    }

    /// Hands out the results of a piece; its lane, where it was held.
    fn complete(&self, worker: &Worker, id: u64, spent: Duration, results: Vec<WorkerResult>) -> Option<Lane> {
        let piece = worker.take(id)?;
        let (key, lane) = (piece.order().key, piece.lane());
        let signed = results.iter().filter(|result| result.is_ok()).count();
        worker.signatures.fetch_add(signed as u64, Ordering::Relaxed);
        self.signatures.fetch_add(signed as u64, Ordering::Relaxed);
        if signed == results.len() && signed > 0 {
            self.learn_signature_time(spent / signed as u32);
        }
        let result = |result: WorkerResult| match result {
            Ok((session, signature)) => Ok(Signed { signature, session: SessionId { worker: worker.number, session } }),
            Err(error) => {
                let error = TokenError::from(error);
                if error.disposition() == Disposition::StopKey {
                    self.stop_key(key, &error);
                }
                Err(error)
            }
        };
        let results = results.into_iter().map(result).collect();
        if let Some(rest) = piece.complete(results, spent) {
            // Fewer results than digests: the worker broke its protocol over them.
            rest.fail(&self.process_error("it answered a part of what it was given"));
        }
        Some(lane)
    }

    /// Takes a dead worker out. What it held goes back in front for the other workers; where there is none, its callers hear
    /// so, and look for another token. What has come back too often is failed.
    fn bury(&self, worker: &Arc<Worker>, reason: &str) {
        lock(&self.workers).retain(|other| !Arc::ptr_eq(other, worker));
        if worker.bury() {
            self.note_silence(&format!("its worker died ({reason}) and is being replaced"));
        }
        for mut piece in worker.take_all() {
            piece.returns += 1;
            if piece.returns > MOST_RETURNS {
                piece.fail(&self.process_error("it died over this piece again and again"));
            } else {
                self.queue.put_back(piece);
            }
        }
        worker.reap();
    }

    pub(super) fn process_error(&self, reason: impl fmt::Display) -> TokenError {
        TokenError::Process { token: self.spec.name.clone(), reason: reason.to_string() }
    }
}

/// Kills a worker that is not ready in time.
pub(super) struct Patience {
    done: Arc<Ending>,
}

impl Patience {
    pub(super) fn new(worker: Arc<Worker>, timeout: Duration) -> Self {
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

    pub(super) fn end(&self) {
        self.done.begin();
    }
}
