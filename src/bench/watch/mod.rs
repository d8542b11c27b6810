//! What a service says of itself while it is under load.

mod exposition;
mod reading;
mod totals;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval_at};

use super::result::ServiceResult;
use crate::service::monitoring::{MetricsReader, ReadError};
use reading::Reading;

/// Between two readings.
const EACH: Duration = Duration::from_secs(1);

/// Why a service cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It gives no metrics.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something else answers there.
    #[error("{0} gives no metrics of Sceau; [monitoring] in the service's configuration says where it does")]
    Stranger(String),
}

/// A service that answers with its metrics.
#[derive(Debug)]
pub(super) struct Watch {
    address: String,
    reader: MetricsReader,
}

/// A service that is asked once a second.
#[derive(Debug)]
pub(super) struct Watching {
    watch: Arc<Watch>,
    begin: Instant,
    readings: Arc<Mutex<Readings>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Readings {
    done: Vec<Reading>,
    failed: u64,
}

impl Watch {
    /// Asks once, so that a wrong address is known before the run.
    pub(super) async fn open(address: &str) -> Result<Self, WatchError> {
        let reader = MetricsReader::new(address)?;
        let reading = Reading::parse(&reader.read().await?, Duration::ZERO);
        if reading.version.is_empty() {
            return Err(WatchError::Stranger(address.to_owned()));
        }
        Ok(Self { address: address.to_owned(), reader })
    }

    /// Asks from `begin` on, for so long.
    pub(super) fn begin(self, begin: Instant, duration: Duration) -> Watching {
        let watch = Arc::new(self);
        let readings = Arc::<Mutex<Readings>>::default();
        let (asked, noted) = (Arc::clone(&watch), Arc::clone(&readings));
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(begin.into(), EACH);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks.tick().await;
            asked.read(begin, &noted).await;
            // The last one is whoever's who ends it.
            while begin.elapsed() + EACH * 3 / 2 < duration {
                ticks.tick().await;
                asked.read(begin, &noted).await;
            }
        });
        Watching { watch, begin, readings, task }
    }

    async fn read(&self, begin: Instant, readings: &Mutex<Readings>) {
        let read = self.reader.read().await;
        // The answer is of the moment at which it was made: nearer to its end than to its begin, where the service has much to do.
        let at = begin.elapsed();
        let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(text) => readings.done.push(Reading::parse(&text, at)),
            Err(error) => {
                tracing::debug!(%error, "a reading of the service's metrics failed");
                readings.failed += 1;
            }
        }
    }
}

impl Watching {
    /// Asks a last time.
    pub(super) async fn end(self) -> ServiceResult {
        self.task.abort();
        self.watch.read(self.begin, &self.readings).await;
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        totals::result(&self.watch.address, &readings.done, readings.failed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}
