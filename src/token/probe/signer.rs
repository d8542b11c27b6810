//! One session on a thread of its own, which signs when it is told to.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::cpu::{Spent, Stretch};
use super::super::session::SigningSession;
use super::super::{TokenError, TokenKey};
use crate::domain::{Digest, Signature};

/// What every session of a step is told.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) key: TokenKey,
    pub(super) digest: Digest,
    pub(super) time: Duration,
    /// Lets all of them begin at once.
    pub(super) start: Arc<Barrier>,
    pub(super) done: Sender<Run>,
}

/// What one session did in a step.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) signer: usize,
    pub(super) signatures: Vec<Signature>,
    /// How long each took.
    pub(super) latencies: Vec<Duration>,
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// How long it could have run, and other threads had the cores.
    pub(super) core_wait: Duration,
    /// Why it ended before its time.
    pub(super) failure: Option<TokenError>,
}

/// A thread that owns a session. It ends with this value, or at its first failure: a failed call discards the session.
#[derive(Debug)]
pub(super) struct Signer {
    number: usize,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Signer {
    pub(super) fn start(number: usize, session: SigningSession) -> Result<Self, TokenError> {
        let (orders, received) = mpsc::channel();
        let spawned =
            std::thread::Builder::new().name(format!("probe-{number}")).spawn(move || work(number, &session, &received));
        let thread = spawned.map_err(|error| TokenError::Binding { reason: format!("no thread for a session: {error}") })?;
        Ok(Self { number, orders: Some(orders), thread: Some(thread) })
    }

    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// A thread that has died answers nothing, which whoever waits for it finds out.
    pub(super) fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Leaves the thread to itself.
    pub(super) fn abandon(mut self) {
        self.thread = None;
    }
}

impl Drop for Signer {
    /// Waits for the session's end: the module is finalized after it.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(signer: usize, session: &SigningSession, orders: &Receiver<Order>) {
    while let Ok(Order { key, digest, time, start, done }) = orders.recv() {
        let run = run(signer, &start, time, || session.sign_with(key, &digest));
        let failed = run.failure.is_some();
        // Nobody waits for it any more where another session hangs.
        let _ = done.send(run);
        if failed {
            return;
        }
    }
}

/// Signs once for nothing, as the first call on a session may make a connection; then for the time.
fn run(signer: usize, start: &Barrier, time: Duration, sign: impl Fn() -> Result<Signature, TokenError>) -> Run {
    let mut failure = sign().err();
    start.wait();
    let (mut signatures, mut latencies) = (Vec::new(), Vec::new());
    let stretch = Stretch::begin();
    while failure.is_none() && stretch.elapsed() < time {
        let before = Instant::now();
        match sign() {
            Ok(signature) => {
                latencies.push(before.elapsed());
                signatures.push(signature);
            }
            Err(error) => failure = Some(error),
        }
    }
    let Spent { wall, cpu, core_wait } = stretch.end();
    Run { signer, signatures, latencies, wall, cpu, core_wait, failure }
}
