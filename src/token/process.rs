//! One worker process as its supervisor sees it: pipes, what it holds, and whether it signs.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::TokenSpec;
use super::queue::{Piece, lock};
use super::wire;
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
    child: Mutex<Child>,
    input: Mutex<ChildStdin>,
    held: Mutex<HashMap<u64, Held>>,
    interactive: AtomicUsize,
    bulk: AtomicUsize,
    dead: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

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
        let mut process = Command::new(&command.program);
        process.args(&command.arguments).envs(spec.environment.iter().map(|(name, value)| (name, value)));
        if let Some(local) = local {
            process.arg(format!("--local={local}"));
        }
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
            child: Mutex::new(child),
            input: Mutex::new(input),
            held: Mutex::default(),
            interactive: AtomicUsize::new(0),
            bulk: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            trouble: Mutex::default(),
        };
        Ok((worker, BufReader::with_capacity(64 * 1024, output)))
    }

    pub(super) fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// How many pieces of a lane it holds.
    pub(super) fn held(&self, lane: Lane) -> usize {
        self.count(lane).load(Ordering::Relaxed)
    }

    /// Appends a piece's frame to what is sent next. It is held until its results come or the worker is buried.
    pub(super) fn hold(&self, id: u64, piece: Piece, frames: &mut Vec<u8>) {
        wire::encode_sign(id, piece.order(), piece.digests(), frames);
        self.count(piece.lane()).fetch_add(1, Ordering::Relaxed);
        lock(&self.held).insert(id, Held { piece, since: Instant::now() });
    }

    /// Has a session given up.
    pub(super) fn discard(&self, session: u16) -> io::Result<()> {
        let mut frame = Vec::new();
        wire::encode_discard(session, &mut frame);
        self.send(&frame)
    }

    /// Sends whole frames.
    pub(super) fn send(&self, frames: &[u8]) -> io::Result<()> {
        lock(&self.input).write_all(frames)
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

    pub(super) fn has_hung(&self, timeout: Duration) -> bool {
        lock(&self.held).values().any(|held| held.since.elapsed() > timeout)
    }

    /// Notes why no session signs, or that one does; whether that is a change.
    pub(super) fn note_trouble(&self, reason: Option<String>) -> bool {
        let mut trouble = lock(&self.trouble);
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
        // It may have ended by itself.
        let _ = lock(&self.child).kill();
    }

    /// Waits for its end, so that it does not stay as a zombie.
    pub(super) fn reap(&self) {
        let _ = lock(&self.child).wait();
    }

    const fn count(&self, lane: Lane) -> &AtomicUsize {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }
}

/// Puts a worker's log lines into this process's log. It reads whatever comes: a full pipe would stop the worker.
fn relay_log(token: &str, log: impl Read) {
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
