//! Builds the index behind the writer, on a thread that gives way to everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::IndexStore;
use super::segment::{Draft, Enough, Told};
use crate::ledger::record::{Body, Intent, Record};
use crate::ledger::store::{Row, Store, StoreError};
use crate::ledger::writer::Recent;

/// How often it is looked whether there is enough for a segment.
const PAUSE: Duration = Duration::from_secs(1);

/// Rows that are read together.
pub(super) const ROWS_AT_ONCE: usize = 256;

/// As far behind as can be, in the system's own measure.
const NICE: i32 = 19;

/// Builds the index of one chain.
#[derive(Debug)]
pub struct Indexer {
    store: Arc<dyn Store>,
    index: Arc<dyn IndexStore>,
    chain: i64,
    enough: Enough,
    /// Where rows come from that were just written; nothing where all are read from the store.
    recent: Option<Arc<Recent>>,
    draft: Option<(Draft, u64)>,
    progress: Arc<IndexProgress>,
}

/// How far a chain is indexed, for whoever watches.
#[derive(Debug)]
pub struct IndexProgress(AtomicU64);

impl IndexProgress {
    /// Up to which place; past every place as long as that was not read.
    #[must_use]
    pub fn indexed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn is_at(&self, place: u64) {
        self.0.store(place, Ordering::Relaxed);
    }
}

impl Indexer {
    /// An indexer of a chain.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn IndexStore>, chain: i64, enough: Enough) -> Self {
        let progress = Arc::new(IndexProgress(AtomicU64::new(u64::MAX)));
        Self { store, index, chain, enough, recent: None, draft: None, progress }
    }

    /// The same, behind the chain's writer in this process: what is in its hands is not read back from the store.
    #[must_use]
    pub fn behind(mut self, recent: &Arc<Recent>) -> Self {
        recent.is_wanted();
        self.recent = Some(Arc::clone(recent));
        self
    }

    /// Reads what has been written since, and writes each segment that is full. Says up to where the chain was read.
    ///
    /// # Errors
    /// Where the store does not answer; the next call begins anew from the last segment.
    pub async fn catch_up(&mut self) -> Result<u64, StoreError> {
        let (mut draft, mut read) = match self.draft.take() {
            Some(begun) => begun,
            None => {
                let indexed = self.index.indexed(self.chain).await?;
                self.progress.is_at(indexed);
                (Draft::new(self.chain), indexed)
            }
        };
        loop {
            let recent = self.recent.as_ref().map(|recent| recent.take(read + 1)).unwrap_or_default();
            let are_all = !recent.is_empty();
            let rows = if are_all { recent } else { self.store.rows(self.chain, read + 1, ROWS_AT_ONCE).await? };
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for row in &rows {
                let told = read_row(&*self.store, &mut draft, self.chain, row).await?;
                draft.take(row, told);
                if draft.has(self.enough) {
                    self.index.add(&draft.finish()).await?;
                    self.progress.is_at(row.seq);
                }
            }
            read = last;
            if are_all {
                break;
            }
        }
        self.draft = Some((draft, read));
        Ok(read)
    }

    /// Does so from time to time, on a thread of its own. Called within the runtime of the store.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(mut self) -> std::io::Result<IndexTask> {
        let (read, is_stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        // The store's connections belong to this runtime, and are looked after by it.
        let runtime = tokio::runtime::Handle::current();
        let (place, stop, progress) = (Arc::clone(&read), Arc::clone(&is_stopping), Arc::clone(&self.progress));
        let work = move || {
            // Without it the index is merely less polite.
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
            while !stop.load(Ordering::Acquire) {
                match runtime.block_on(self.catch_up()) {
                    Ok(read) => place.store(read, Ordering::Release),
                    Err(error) => tracing::warn!(%error, "the ledger's index waits; answers take longer"),
                }
                std::thread::park_timeout(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("ledger-index".to_owned()).spawn(work)?;
        Ok(IndexTask { read, is_stopping, progress, thread })
    }
}

/// Reads a row; an intent that stands before what was read is looked up.
pub(super) async fn read_row(store: &dyn Store, draft: &mut Draft, chain: i64, row: &Row) -> Result<Option<Told>, StoreError> {
    match draft.read(row) {
        Ok(told) => Ok(told),
        Err(missing) => {
            let Some(intent) = intent(store, chain, missing.intent).await? else { return Ok(None) };
            draft.supply(missing.intent, intent);
            Ok(draft.read(row)?)
        }
    }
}

/// An intent by its place; nothing where it is forgotten.
pub(super) async fn intent(store: &dyn Store, chain: i64, seq: u64) -> Result<Option<Intent>, StoreError> {
    let row = store.rows(chain, seq, 1).await?.into_iter().find(|row| row.seq == seq);
    let record = row.and_then(|row| row.record).and_then(|record| Record::from_cbor(&record).ok());
    Ok(record.and_then(|record| if let Body::Intent(intent) = record.body { Some(intent) } else { None }))
}

/// An indexer at work.
#[derive(Debug)]
pub struct IndexTask {
    read: Arc<AtomicU64>,
    is_stopping: Arc<AtomicBool>,
    progress: Arc<IndexProgress>,
    thread: JoinHandle<()>,
}

impl IndexTask {
    /// Up to where the chain was read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// How far the index is.
    #[must_use]
    pub const fn progress(&self) -> &Arc<IndexProgress> {
        &self.progress
    }

    /// Ends it, after the segment that it is at.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }
}
