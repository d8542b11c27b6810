//! What waits in a lane and what is in work.

use metrics::{Gauge, counter, gauge, histogram};

use super::catalogue::{BATCH_ITEMS, ITEMS_IN_WORK, ITEMS_WAITING, QUEUE_FULL};
use crate::domain::Lane;
use crate::sign::Stage;
use crate::sign::stage::Running;

/// A batch that waits for its place in its lane.
#[derive(Debug)]
pub(in crate::service) struct Waiting {
    lane: Lane,
    items: usize,
    _queue: (Running, Counted),
}

/// A batch in work, until this is dropped.
#[derive(Debug)]
pub(in crate::service) struct InWork(#[expect(dead_code, reason = "what counts is when it is dropped")] Counted);

impl Waiting {
    pub(in crate::service) fn begin(lane: Lane, items: usize) -> Self {
        Self { lane, items, _queue: (Stage::Queue.begin(lane, items), Counted::new(ITEMS_WAITING, lane, items)) }
    }

    /// It has its place.
    pub(in crate::service) fn admitted(self) -> InWork {
        InWork(Counted::new(ITEMS_IN_WORK, self.lane, self.items))
    }
}

/// A batch is refused because its lane is full.
pub(in crate::service) fn queue_full(lane: Lane, items: usize) {
    counter!(QUEUE_FULL, "lane" => lane.name()).increment(items as u64);
}

/// Counts what a batch asks for, whatever becomes of it.
pub(in crate::service) fn note_size(lane: Lane, items: usize) {
    histogram!(BATCH_ITEMS, "lane" => lane.name()).record(items as f64);
}

/// So much more in a gauge as long as it lives.
struct Counted {
    gauge: Gauge,
    items: f64,
}

impl Counted {
    fn new(name: &'static str, lane: Lane, items: usize) -> Self {
        let (gauge, items) = (gauge!(name, "lane" => lane.name()), items as f64);
        gauge.increment(items);
        Self { gauge, items }
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").field("items", &self.items).finish_non_exhaustive()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.decrement(self.items);
    }
}
