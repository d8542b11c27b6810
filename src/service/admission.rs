//! Who gets in: limits of a call, and bounded queues by lane.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::status;
use crate::domain::Lane;

/// What one call may ask, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most items of a batch.
    pub max_batch_items: usize,
    /// The largest message, in bytes.
    pub max_request_bytes: usize,
    /// The most interactive items that are being worked on or wait.
    pub max_waiting_items_interactive: usize,
    /// The same for bulk items.
    pub max_waiting_items_bulk: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_batch_items: 1_000,
            max_request_bytes: 8 * 1024 * 1024,
            max_waiting_items_interactive: 4_000,
            max_waiting_items_bulk: 20_000,
        }
    }
}

/// Places for items, by lane.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    limits: Limits,
    interactive: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// When to come again: a full queue is worked off in about a second.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            interactive: Arc::new(Semaphore::new(limits.max_waiting_items_interactive)),
            bulk: Arc::new(Semaphore::new(limits.max_waiting_items_bulk)),
        }
    }

    /// Refuses a batch that no waiting would help.
    pub(super) fn check_size(&self, items: usize) -> Result<(), Status> {
        let max = self.limits.max_batch_items;
        match items {
            0 => Err(status::invalid("items", "the batch is empty; it has 1 item or more")),
            items if items > max => Err(status::invalid("items", &format!("the batch has {items} items; it has at most {max}"))),
            _ => Ok(()),
        }
    }

    /// Places for a batch, or a refusal at once.
    pub(super) fn try_admit(&self, lane: Lane, items: usize) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(self.places(lane))
            .try_acquire_many_owned(permits(items))
            .map_err(|_| status::exhausted("the queue of this lane is full; come again after the delay", RETRY_DELAY))
    }

    /// Places for a chunk of a stream, when there are some: the stream is held back, not refused.
    pub(super) async fn admit(&self, lane: Lane, items: usize) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(self.places(lane)).acquire_many_owned(permits(items)).await.map_err(|_| status::closing())
    }

    const fn places(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }
}

fn permits(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
