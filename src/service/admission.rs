//! Who waits, and for how long: a bounded queue a lane, fair between callers.
//!
//! A lane works on so many items at a time as keep the tokens busy; the others wait here, where their order can still be chosen.
//! The caller with the least in work is next, so a caller with one batch does not wait behind another's thousand. Past the bound
//! of items, or of time, a call is refused at once, with the time after which it is worth coming again; a chunk of a stream is held
//! back before it counts. A caller has its share of a lane also where others have filled it.

mod lane;
mod pace;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use super::status;
use crate::domain::{CallerId, Lane};
pub(super) use lane::Waiting;
use lane::{LaneLimits, LaneQueue, Refusal};
pub(super) use streams::OpenStream;
use streams::{STREAMS_A_CALLER, Streams};

/// What one call may ask, and how much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most items of a batch.
    pub max_batch_items: usize,
    /// The largest message, in bytes.
    pub max_request_bytes: usize,
    /// The most interactive items that are being worked on or wait.
    pub max_waiting_items_interactive: usize,
    /// The same for bulk items.
    pub max_waiting_items_bulk: usize,
    /// How long what is before an interactive batch may take, at the pace of the last seconds.
    pub max_wait_interactive: Duration,
    /// The same for bulk.
    pub max_wait_bulk: Duration,
    /// The most connections at a time.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_batch_items: 1_000,
            max_request_bytes: 8 * 1024 * 1024,
            max_waiting_items_interactive: 4_000,
            max_waiting_items_bulk: 20_000,
            max_wait_interactive: Duration::from_millis(500),
            max_wait_bulk: Duration::from_secs(8),
            max_connections: 1_000,
        }
    }
}

/// The queues of both lanes.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    interactive: Arc<LaneQueue>,
    bulk: Arc<LaneQueue>,
    streams: Streams,
}

/// How much room an item has in the bounds of a lane, in bytes: ten times a payload. So they bound memory too: 80 MiB where
/// 20,000 items may wait.
const BYTES_AN_ITEM: usize = 4_096;

/// What a batch counts for in a lane: its items, or as many more as its bytes take the room of.
pub(super) fn load(items: usize, bytes: usize) -> usize {
    items.max(bytes.div_ceil(BYTES_AN_ITEM))
}

/// Items in work beyond which no token gets faster: a network HSM of 64 sessions has 2,000 in its pieces.
const WORK_AT_LEAST: usize = 4_096;

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            interactive: LaneQueue::new(Self::lane_limits(limits, Lane::Interactive)),
            bulk: LaneQueue::new(Self::lane_limits(limits, Lane::Bulk)),
            streams: Streams::default(),
        }
    }

    /// Other limits for the calls that come from now on.
    pub(super) fn set_limits(&self, limits: Limits) {
        self.interactive.set_limits(Self::lane_limits(limits, Lane::Interactive));
        self.bulk.set_limits(Self::lane_limits(limits, Lane::Bulk));
    }

    fn lane_limits(limits: Limits, lane: Lane) -> LaneLimits {
        let (max_items, max_wait) = match lane {
            Lane::Interactive => (limits.max_waiting_items_interactive, limits.max_wait_interactive),
            Lane::Bulk => (limits.max_waiting_items_bulk, limits.max_wait_bulk),
        };
        LaneLimits { max_items, max_wait, max_in_work: WORK_AT_LEAST.max(2 * limits.max_batch_items) }
    }

    /// Refuses a batch of such a [`load`] for which its lane has no room. `patience` is what is left of the caller's deadline.
    pub(super) fn check(&self, lane: Lane, caller: &CallerId, load: usize, patience: Option<Duration>) -> Result<(), Status> {
        self.queue(lane).check(caller, load, patience).map_err(|refusal| refused(&refusal))
    }

    /// Takes a batch into its lane's queue.
    pub(super) fn enter(&self, lane: Lane, caller: &CallerId, load: usize) -> Waiting {
        self.queue(lane).enter(caller, load)
    }

    /// The same for a chunk of a stream, when its caller has room for it: a stream is held back, not refused.
    pub(super) async fn enter_within_share(&self, lane: Lane, caller: &CallerId, load: usize) -> Waiting {
        self.queue(lane).enter_within_share(caller, load).await
    }

    /// One more stream of a caller, unless it has too many.
    pub(super) fn open_stream(&self, caller: &CallerId) -> Result<OpenStream, Status> {
        self.streams.open(caller).ok_or_else(|| status::too_many_streams(STREAMS_A_CALLER))
    }

    const fn queue(&self, lane: Lane) -> &Arc<LaneQueue> {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }
}

fn refused(refusal: &Refusal) -> Status {
    let Refusal { full, come_again } = refusal;
    let why = match full {
        lane::Full::Items => "the queue of this lane is full; come again after the delay",
        lane::Full::Time => "the queue of this lane would take longer than a batch may wait; come again after the delay",
        lane::Full::Deadline => "the queue of this lane would take longer than the call's deadline; come again after the delay",
    };
    status::exhausted(why, *come_again)
}
