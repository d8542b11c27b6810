//! Prunes behind the writer, on a thread that gives way to everything else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Pruned, Pruner, PruningError};
use crate::domain::Clock;
use crate::ledger::writer::ChainWriter;

/// Between two runs.
const EACH: Duration = Duration::from_secs(3_600);

/// Before one is tried again that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// As far behind as can be, in the system's own measure.
const NICE: i32 = 19;

/// A pruner at work. It ends with this value, after the step that it is at.
#[derive(Debug)]
pub struct PruneTask {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl PruneTask {
    /// Prunes now and once an hour what expired longer ago than `keep`. Called within the runtime of the store. Without `keep` it
    /// only goes on with what was begun.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(pruner: Pruner, writer: ChainWriter, clock: Arc<dyn Clock>, keep: Option<Duration>) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        // The store's connections belong to this runtime, and are looked after by it.
        let runtime = tokio::runtime::Handle::current();
        let stop = Arc::clone(&is_stopping);
        let work = move || {
            // Without it pruning is merely less polite.
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
            while !stop.load(Ordering::Acquire) {
                let done = runtime.block_on(run(&pruner, &writer, &*clock, keep, &stop));
                if let Err(error) = &done {
                    tracing::warn!(%error, "the ledger is not pruned; it is tried again");
                }
                if done.is_ok() && keep.is_none() {
                    break;
                }
                std::thread::park_timeout(if done.is_ok() { EACH } else { AGAIN });
            }
        };
        let thread = std::thread::Builder::new().name("ledger-prune".to_owned()).spawn(work)?;
        Ok(Self { is_stopping, thread })
    }

    /// Ends it, after the step that it is at.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }
}

async fn run(
    pruner: &Pruner,
    writer: &ChainWriter,
    clock: &dyn Clock,
    keep: Option<Duration>,
    stop: &AtomicBool,
) -> Result<(), PruningError> {
    pruner.resume().await?;
    let Some(keep) = keep else { return Ok(()) };
    // By a clock that nobody trusts nothing is forgotten.
    let Ok(now) = clock.signing_time() else { return Ok(()) };
    let before = now.plus_seconds(-i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
    let Pruned { groups, certificates } = pruner.run(writer, before, stop).await?;
    if groups > 0 {
        tracing::info!(certificates, groups, %before, "the ledger was pruned: these certificates had expired before then");
    }
    Ok(())
}
