//! How a writer is, for whoever is about to ask it, and for operators.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ledger::LedgerError;
use crate::ledger::intent::Abandon;
use crate::ledger::record::Head;

/// What a writer tells of itself, and what is told to it without waiting.
#[derive(Debug)]
pub struct WriterStatus {
    patience: Duration,
    state: Mutex<State>,
    loose: Mutex<Vec<Loose>>,
    wake: Notify,
    is_stopping: AtomicBool,
    commits: AtomicU64,
    records: AtomicU64,
}

/// An intent that nobody will settle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    pub(super) seq: u64,
    pub(super) end: End,
}

/// What is put down of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// None of its items was signed; there are so many.
    Unsigned(u32),
    /// Nobody knows.
    Doubt,
}

#[derive(Debug)]
struct State {
    trouble: Option<String>,
    head: Head,
    /// Since when the database has been writing.
    writing: Option<Instant>,
}

impl WriterStatus {
    pub(super) fn new(patience: Duration) -> Self {
        let state = State { trouble: None, head: Head::EMPTY, writing: None };
        Self {
            patience,
            state: Mutex::new(state),
            loose: Mutex::default(),
            wake: Notify::new(),
            is_stopping: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            records: AtomicU64::new(0),
        }
    }

    /// Why nothing can be written; nothing where it can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let state = self.state();
        if let Some(trouble) = &state.trouble {
            return Some(trouble.clone());
        }
        let late = state.writing.map(|since| since.elapsed()).filter(|elapsed| *elapsed > self.patience)?;
        Some(format!("the database has been writing for {} s", late.as_secs()))
    }

    /// The end of the chain.
    #[must_use]
    pub fn head(&self) -> Head {
        self.state().head
    }

    /// Commits, and the records in them, since the start.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.records.load(Ordering::Relaxed))
    }

    /// Fails where nothing can be written, so that nobody waits for it.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        self.trouble().map_or(Ok(()), |trouble| Err(LedgerError::new(trouble)))
    }

    pub(super) fn is_up(&self, head: Head) {
        let mut state = self.state();
        state.trouble = None;
        state.head = head;
    }

    pub(super) fn is_down(&self, trouble: &str) {
        self.state().trouble = Some(trouble.to_owned());
    }

    pub(super) fn begins(&self) {
        self.state().writing = Some(Instant::now());
    }

    pub(super) fn ends(&self, records: usize) {
        self.state().writing = None;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Of an intent something was signed, and that cannot be written.
    pub(super) fn doubt(&self, seq: u64) {
        self.loosen(Loose { seq, end: End::Doubt });
    }

    pub(super) fn take_loose(&self) -> Vec<Loose> {
        std::mem::take(&mut *self.loose.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn loosen(&self, loose: Loose) {
        self.loose.lock().unwrap_or_else(PoisonError::into_inner).push(loose);
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Abandon for WriterStatus {
    fn abandon(&self, seq: u64, count: u32) {
        self.loosen(Loose { seq, end: End::Unsigned(count) });
    }
}
