//! The threads that encode and check.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::domain::Lane;

/// A pool a lane: rayon's queue is first in, first out, and one certificate would wait behind every bulk batch that came before
/// it. The system shares the cores between them.
pub(super) struct Pools {
    interactive: ThreadPool,
    bulk: ThreadPool,
}

/// So many certificates take 10 µs each to encode and 60 to check and put together: as long as a tokio worker may be busy.
const ITEMS_IN_PLACE: usize = 1;

impl Pools {
    pub(super) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self { interactive: pool(Lane::Interactive, threads)?, bulk: pool(Lane::Bulk, threads)? })
    }

    /// Runs the work on some items, and waits without blocking a tokio worker; nothing where it panicked. One certificate that
    /// somebody waits for is worked on where it is: to change threads, there and back, takes as long as the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        items: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if lane == Lane::Interactive && items <= ITEMS_IN_PLACE {
            return catch_unwind(AssertUnwindSafe(work)).inspect_err(|_| has_panicked()).ok();
        }
        let (done, result) = oneshot::channel();
        let pool = match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        };
        pool.spawn(move || {
            // The caller may have gone, and its place in the lane with it: nothing is worked off for nobody.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        result.await.ok()
    }
}

/// How many threads work at once on what runs within [`Pools::run`].
pub(super) fn threads() -> usize {
    // Outside of a pool rayon would start one of its own to tell.
    rayon::current_thread_index().map_or(1, |_| rayon::current_num_threads())
}

/// Does something with each item, in order: on all threads of the pool within [`Pools::run`], where there is more than one for
/// each of them.
pub(super) fn map_each<T: Send, U: Send>(
    items: Vec<T>,
    min_items_a_thread: usize,
    work: impl Fn(T) -> U + Send + Sync,
) -> Vec<U> {
    if items.len() <= min_items_a_thread {
        return items.into_iter().map(work).collect();
    }
    items.into_par_iter().with_min_len(min_items_a_thread).map(work).collect()
}

fn pool(lane: Lane, threads: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = lane.name();
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("{name}-{number}"))
        .start_handler(move |_| {
            if lane == Lane::Bulk {
                give_way();
            }
        })
        // A panic there would be a defect; it costs one batch and not the process.
        .panic_handler(|_| has_panicked())
        .build()
}

fn has_panicked() {
    tracing::error!("a batch's work panicked; its items are answered with UNAVAILABLE");
}

/// How far a thread of the bulk pool stands behind, in the system's own measure: as far as can be.
const BULK_NICE: i32 = 19;

/// Bulk work never makes a session wait that has just signed, or a certificate that somebody waits for: on a full machine it
/// takes the time that they leave.
fn give_way() {
    // Without it bulk work is merely less polite.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), BULK_NICE);
}

/// Every 40 µs or so of bulk work, a session that has become ready takes the core at once: the system alone would let a thread
/// that runs go on to the end of its time slice, as long as many signatures. On a tokio worker it stands between the steps of a
/// bulk slice, each of which is some hundred microseconds of hashes, tables and copies.
pub(crate) fn pause(lane: Lane) {
    if lane == Lane::Bulk {
        std::thread::yield_now();
    }
}

/// So many items take about as long as lies between two pauses: a pause takes half a microsecond and more, and an item eight.
const ITEMS_A_PAUSE: u32 = 4;

/// What stands between two items.
pub(super) fn between_items(lane: Lane) {
    thread_local! {
        static ITEMS: Cell<u32> = const { Cell::new(0) };
    }
    let items = ITEMS.get().wrapping_add(1);
    ITEMS.set(items);
    if items.is_multiple_of(ITEMS_A_PAUSE) {
        pause(lane);
    }
}
