//! The day's counts of a running service, written now and then.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::service::Live;
use crate::service::access::DayCounts;

/// How often the day's counts are written: as much is forgotten where the process is killed.
const KEPT_EACH: Duration = Duration::from_secs(5);

/// Writes the day's counts on a thread of its own: a disk that is slow holds up no call.
pub(crate) struct Counting {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Counting {
    pub(crate) fn begin(mut counts: DayCounts, live: Arc<Live>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let count = move || {
            while stopped.recv_timeout(KEPT_EACH) == Err(RecvTimeoutError::Timeout) {
                save(&mut counts, &live);
            }
            save(&mut counts, &live);
        };
        let thread = thread::Builder::new().name("day-counts".to_owned()).spawn(count)?;
        Ok(Self { stop, thread })
    }

    /// Writes them a last time.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes the day's counts has panicked");
        }
    }
}

fn save(counts: &mut DayCounts, live: &Live) {
    if let Err(error) = counts.save(&live.access()) {
        tracing::error!(%error, "the day's counts of the callers cannot be written; a restart would forget them");
    }
}
