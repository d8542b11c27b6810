//! How a writer is, for whoever is about to ask it, and for operators.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::draft::Chain;
use crate::domain::NumericDate;
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
    /// The place of the head, for whoever waits for it.
    place: watch::Sender<u64>,
    commits: AtomicU64,
    records: AtomicU64,
    certificates: AtomicU64,
    doubts: AtomicU64,
}

/// What was written since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Transactions with records in them.
    pub commits: u64,
    /// Records, without those with which the chain was taken.
    pub records: u64,
    /// Certificates in them.
    pub certificates: u64,
    /// Intents that were put in doubt, those that were found at the start among them.
    pub doubts: u64,
}

/// How far the chain has grown since it was sealed; since the start where it has not been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Records that no seal of this process vouches for.
    pub records: u64,
    /// Since the last seal.
    pub age: Duration,
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
    /// The time of the last record, in milliseconds since 1970.
    at: i64,
    /// Up to where the chain is sealed, and since when.
    sealed: Option<(u64, Instant)>,
    /// Since when the database has been writing.
    writing: Option<Instant>,
}

impl WriterStatus {
    pub(super) fn new(patience: Duration) -> Self {
        let state = State { trouble: None, head: Head::EMPTY, at: i64::MIN, sealed: None, writing: None };
        Self {
            patience,
            state: Mutex::new(state),
            loose: Mutex::default(),
            wake: Notify::new(),
            is_stopping: AtomicBool::new(false),
            place: watch::Sender::new(0),
            commits: AtomicU64::new(0),
            records: AtomicU64::new(0),
            certificates: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
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

    /// The end of the chain, and the time of whoever vouches for it now, in milliseconds since 1970: no earlier than that of the
    /// last record, whatever the clock says.
    #[must_use]
    pub fn head_at(&self, now: NumericDate) -> (Head, i64) {
        let state = self.state();
        (state.head, state.at.max(now.millis()))
    }

    /// Waits until the chain has come to a place.
    pub async fn reaches(&self, seq: u64) {
        // The sender lives as long as this.
        let _ = self.place.subscribe().wait_for(|place| *place >= seq).await;
    }

    /// The chain is sealed up to there.
    pub fn is_sealed(&self, head: Head) {
        self.state().sealed = Some((head.seq, Instant::now()));
    }

    /// How far it has grown since.
    #[must_use]
    pub fn unsealed(&self) -> Unsealed {
        let state = self.state();
        let (seq, since) = state.sealed.unwrap_or((state.head.seq, Instant::now()));
        Unsealed { records: state.head.seq.saturating_sub(seq), age: since.elapsed() }
    }

    /// What was written since the start.
    #[must_use]
    pub fn written(&self) -> Tally {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            commits: count(&self.commits),
            records: count(&self.records),
            certificates: count(&self.certificates),
            doubts: count(&self.doubts),
        }
    }

    /// Fails where nothing can be written, so that nobody waits for it.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        self.trouble().map_or(Ok(()), |trouble| Err(LedgerError::new(trouble)))
    }

    pub(super) fn is_up(&self, chain: &Chain) {
        let mut state = self.state();
        state.trouble = None;
        (state.head, state.at) = (chain.head, chain.at);
        // What an earlier process wrote is what it sealed at its end, or is sealed with what comes first.
        state.sealed.get_or_insert((chain.head.seq, Instant::now()));
        drop(state);
        self.place.send_replace(chain.head.seq);
    }

    pub(super) fn is_down(&self, trouble: &str) {
        self.state().trouble = Some(trouble.to_owned());
    }

    pub(super) fn begins(&self) {
        self.state().writing = Some(Instant::now());
    }

    /// Says how long it took.
    pub(super) fn ends(&self) -> Duration {
        self.state().writing.take().map(|since| since.elapsed()).unwrap_or_default()
    }

    pub(super) fn count(&self, tally: Tally) {
        self.commits.fetch_add(tally.commits, Ordering::Relaxed);
        self.records.fetch_add(tally.records, Ordering::Relaxed);
        self.certificates.fetch_add(tally.certificates, Ordering::Relaxed);
        self.doubts.fetch_add(tally.doubts, Ordering::Relaxed);
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
