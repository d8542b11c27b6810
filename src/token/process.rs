//! One worker process as its supervisor sees it: pipes, what it holds, and whether it signs.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::asks::{Answering, Asks};
use super::queue::{Piece, lock};
use super::wire;
use super::{TokenError, TokenSpec};
use crate::domain::Lane;

/// How a worker is started: a program and its arguments, which name configuration and token.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program: this one, as a rule.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What is known of a worker that is alive.
#[derive(Debug)]
pub(super) struct Worker {
    /// Its number among all that ever were, which its sessions are known by.
    pub(super) number: u32,
    pub(super) started: Instant,
    /// Signatures that it has made.
    pub(super) signatures: AtomicU64,
    /// Its sessions that take work of either lane; 0 until it is ready.
    pub(super) sessions: AtomicUsize,
    pid: u32,
    child: Mutex<Process>,
    /// Frames that are no work: the feeder sends them before what is.
    outgoing: Mutex<Vec<u8>>,
    /// What officers want of it.
    pub(super) asks: Asks,
    /// Since when a write to it has not returned.
    sending: Mutex<Option<Instant>>,
    heard: Mutex<Heard>,
    input: Mutex<ChildStdin>,
    held: Mutex<HashMap<u64, Held>>,
    interactive: AtomicUsize,
    bulk: AtomicUsize,
    dead: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
    buried: AtomicBool,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// From then on its number may be another's.
    is_reaped: bool,
}

/// When it was heard last, and how long a call had not returned then.
#[derive(Debug)]
struct Heard {
    at: Instant,
    longest_call: Duration,
}

/// However it answers otherwise: by then nobody waits any more.
const LONGEST_HELD: Duration = Duration::from_secs(60);

/// How long the end of a process that was killed is waited for: one inside a driver may not end at all.
pub(super) const LONGEST_END: Duration = Duration::from_secs(1);

/// A piece in the worker's hands.
#[derive(Debug)]
struct Held {
    piece: Piece,
    since: Instant,
}

/// None of its sessions signs.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) since: Instant,
    pub(super) reason: String,
}

impl Worker {
    /// Starts the process; what it writes is read by the caller. Its log goes into this process's.
    pub(super) fn spawn(
        spec: &TokenSpec,
        command: &WorkerCommand,
        number: u32,
        local: Option<bool>,
    ) -> io::Result<(Self, BufReader<ChildStdout>)> {
        let local = local.map(|local| format!("--local={local}"));
        Self::spawn_with(spec, command, number, local.as_deref())
    }

    /// The same with one more argument.
    pub(super) fn spawn_with(
        spec: &TokenSpec,
        command: &WorkerCommand,
        number: u32,
        argument: Option<&str>,
    ) -> io::Result<(Self, BufReader<ChildStdout>)> {
        let mut process = Command::new(&command.program);
        process.args(&command.arguments).args(argument).envs(spec.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = &spec.user {
            process.uid(user.uid).gid(user.gid);
        }
        // A group of its own: Ctrl-C at the terminal is for the service, which drains first.
        process.process_group(0);
        let mut child = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(log)) = pipes else { return Err(io::Error::other("it has no pipes")) };
        let token = spec.name.clone();
        // A thread that cannot be started costs the worker's log lines, nothing else.
        let _ = std::thread::Builder::new().name(format!("{token}-log")).spawn(move || relay_log(&token, log));
        let worker = Self {
            number,
            started: Instant::now(),
            signatures: AtomicU64::new(0),
            sessions: AtomicUsize::new(0),
            pid: child.id(),
            child: Mutex::new(Process { child, is_reaped: false }),
            outgoing: Mutex::default(),
            asks: Asks::new(),
            sending: Mutex::default(),
            heard: Mutex::new(Heard { at: Instant::now(), longest_call: Duration::ZERO }),
            input: Mutex::new(input),
            held: Mutex::default(),
            interactive: AtomicUsize::new(0),
            bulk: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            trouble: Mutex::default(),
            buried: AtomicBool::new(false),
        };
        Ok((worker, BufReader::with_capacity(64 * 1024, output)))
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// How many pieces of a lane it holds.
    pub(super) fn held(&self, lane: Lane) -> usize {
        self.count(lane).load(Ordering::Relaxed)
    }

    /// Sessions that have a piece: a session works on one at a time, and what is held beyond that waits.
    pub(super) fn busy(&self) -> usize {
        (self.held(Lane::Interactive) + self.held(Lane::Bulk)).min(self.sessions.load(Ordering::Relaxed))
    }

    /// Appends a piece's frame to what is sent next. It is held until its results come or the worker is buried.
    pub(super) fn hold(&self, id: u64, piece: Piece, frames: &mut Vec<u8>) {
        wire::encode_sign(id, piece.order(), piece.digests(), frames);
        self.count(piece.lane()).fetch_add(1, Ordering::Relaxed);
        lock(&self.held).insert(id, Held { piece, since: Instant::now() });
    }

    /// Has a session given up, when the feeder looks next: whoever judges does not wait for the worker.
    pub(super) fn discard(&self, session: u16) {
        wire::encode_discard(session, &mut lock(&self.outgoing));
    }

    /// Has it asked something for officers, when the feeder looks next; nothing where it is gone.
    pub(super) fn ask(
        &self,
        patience: Duration,
        is_work: bool,
        encode: impl FnOnce(u64, &mut Vec<u8>),
    ) -> Result<Option<Answering>, TokenError> {
        let Some((id, answering)) = self.asks.begin(patience, is_work) else { return Ok(None) };
        let mut frame = Vec::new();
        encode(id, &mut frame);
        wire::check_size(&frame).inspect_err(|error| self.asks.end(id, Err(error.into())))?;
        lock(&self.outgoing).extend(frame);
        Ok(Some(answering))
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !lock(&self.outgoing).is_empty()
    }

    /// Moves them to what is sent next.
    pub(super) fn take_outgoing(&self, frames: &mut Vec<u8>) {
        frames.append(&mut lock(&self.outgoing));
    }

    /// Sends whole frames.
    pub(super) fn send(&self, frames: &[u8]) -> io::Result<()> {
        let mut input = lock(&self.input);
        *lock(&self.sending) = Some(Instant::now());
        let sent = input.write_all(frames);
        *lock(&self.sending) = None;
        sent
    }

    /// Takes back a piece whose results have come.
    pub(super) fn take(&self, id: u64) -> Option<Piece> {
        let held = lock(&self.held).remove(&id)?;
        self.count(held.piece.lane()).fetch_sub(1, Ordering::Relaxed);
        Some(held.piece)
    }

    /// Takes back everything.
    pub(super) fn take_all(&self) -> Vec<Piece> {
        std::mem::take(&mut *lock(&self.held)).into_values().map(|held| held.piece).collect()
    }

    /// It lives; a call into the module has not returned for so long.
    pub(super) fn hear(&self, longest_call: Option<Duration>) {
        let mut heard = lock(&self.heard);
        heard.at = Instant::now();
        heard.longest_call = longest_call.unwrap_or(heard.longest_call);
    }

    /// Whether a call into the module, or the process, gives no answer. What merely waits for its turn in the worker is no
    /// sign of that. `longest_call`: how long a call into the module may take.
    pub(super) fn has_hung(&self, timeout: Duration, longest_call: Duration) -> bool {
        if lock(&self.sending).is_some_and(|since| since.elapsed() > timeout) {
            return true;
        }
        let (held, asked) = (lock(&self.held).values().map(|held| held.since).min(), self.asks.oldest());
        let heard = lock(&self.heard);
        let is_silent = held.into_iter().chain(asked).min().is_some_and(|oldest| heard.at.max(oldest).elapsed() > timeout);
        let holds_too_long =
            |oldest: Instant| heard.longest_call > longest_call || oldest.elapsed() > LONGEST_HELD.max(longest_call);
        is_silent || held.is_some_and(holds_too_long)
    }

    /// Notes why no session signs, or that one does; whether that is a change.
    pub(super) fn note_trouble(&self, reason: Option<String>) -> bool {
        let mut trouble = lock(&self.trouble);
        if self.buried.load(Ordering::Relaxed) {
            return false;
        }
        let is_change = trouble.is_some() != reason.is_some();
        if is_change {
            *trouble = reason.map(|reason| Trouble { since: Instant::now(), reason });
        }
        is_change
    }

    /// Whether any of its sessions signs.
    pub(super) fn signs(&self) -> bool {
        lock(&self.trouble).is_none()
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        lock(&self.trouble).clone()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// From now on it is given nothing.
    pub(super) fn mark_dead(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(super) fn kill(&self) {
        self.mark_dead();
        lock(&self.child).kill();
    }

    /// Whether it has ended, though others may keep its pipes open.
    pub(super) fn has_ended(&self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let process = lock(&self.child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        process.is_reaped || matches!(waitid(WaitId::Pid(rustix::process::Pid::from_child(&process.child)), options), Ok(Some(_)))
    }

    /// Notes that nothing counts any more that it says; whether it signed until now.
    pub(super) fn bury(&self) -> bool {
        self.asks.close();
        let trouble = lock(&self.trouble);
        self.buried.store(true, Ordering::Relaxed);
        trouble.is_none()
    }

    /// Waits for its end, so that it does not stay as a zombie, but not for ever.
    pub(super) fn reap(&self) {
        let until = Instant::now() + LONGEST_END;
        while !lock(&self.child).try_reap() {
            if Instant::now() >= until {
                tracing::error!(pid = self.pid, "a worker does not end although it was killed: it hangs in the kernel");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    const fn count(&self, lane: Lane) -> &AtomicUsize {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl Process {
    /// With whatever the module has started, which would keep the pipes open.
    fn kill(&self) {
        if !self.is_reaped {
            // It may have ended by itself.
            let _ =
                rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::KILL);
        }
    }

    fn try_reap(&mut self) -> bool {
        self.is_reaped = self.is_reaped || !matches!(self.child.try_wait(), Ok(None));
        self.is_reaped
    }
}

/// The longest piece of a log line that is taken at once, in bytes: a worker that writes no line end must not fill the memory.
const LONGEST_LINE: u64 = 8 * 1024;

/// Puts a worker's log lines into this process's log. It reads whatever comes: a full pipe would stop the worker.
fn relay_log(token: &str, log: impl Read) {
    let (mut log, mut line) = (BufReader::new(log), Vec::new());
    while matches!(log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line).into_owned();
        line.clear();
        let line = text;
        match line.trim().split_once(' ') {
            Some(("ERROR", text)) => tracing::error!(token, "worker: {}", text.trim_start()),
            Some(("WARN", text)) => tracing::warn!(token, "worker: {}", text.trim_start()),
            Some(("INFO", text)) => tracing::info!(token, "worker: {}", text.trim_start()),
            _ => tracing::debug!(token, "worker: {line}"),
        }
    }
}
