//! One lane's queue.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::pace::Pace;
use crate::domain::CallerId;

/// What a lane bears.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneLimits {
    /// Items that wait or are in work.
    pub(super) max_items: usize,
    /// How long what is before a batch may take.
    pub(super) max_wait: Duration,
    /// Items in work at a time; a batch that is larger works alone.
    pub(super) max_in_work: usize,
}

/// Why a batch is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many items are there.
    Items,
    /// They take too long.
    Time,
    /// They take longer than the caller waits.
    Deadline,
}

/// A refusal, and when it is worth coming again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) full: Full,
    pub(super) come_again: Duration,
}

/// What callers hear where the pace is not known, and the bounds of what they hear where it is.
const UNKNOWN_DELAY: Duration = Duration::from_secs(1);
const SHORTEST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct LaneQueue {
    state: Mutex<State>,
    /// A batch has left: chunks that were held back look again.
    has_left: Notify,
}

#[derive(Debug)]
struct State {
    limits: LaneLimits,
    callers: HashMap<CallerId, Share>,
    waiting: usize,
    in_work: usize,
    arrivals: u64,
    turns: u64,
    pace: Pace,
}

/// What one caller has here.
#[derive(Debug, Default)]
struct Share {
    in_work: usize,
    waiting: usize,
    /// When it was last its turn, in turns of the lane; 0 before the first.
    last_turn: u64,
    queue: VecDeque<Waiter>,
}

impl Share {
    fn items(&self) -> usize {
        self.waiting + self.in_work
    }
}

/// Of what a caller has no more than its share.
#[derive(Clone, Copy, Debug)]
struct WithinShare {
    has_items: bool,
    has_time: bool,
}

#[derive(Debug)]
struct Waiter {
    items: usize,
    arrival: u64,
    turn: oneshot::Sender<Place>,
}

/// A batch on its way into work.
#[derive(Debug)]
pub(crate) struct Waiting(oneshot::Receiver<Place>);

impl Waiting {
    /// The place, when it is the batch's turn; nothing where the lane is gone.
    pub(crate) async fn place(self) -> Option<Place> {
        self.0.await.ok()
    }
}

/// A batch's place in work, as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    lane: Arc<LaneQueue>,
    caller: CallerId,
    items: usize,
    signed: usize,
}

impl Place {
    /// The batch is done, and so many of its items took a signature: they are what the lane's pace is known by. What was
    /// cancelled, failed, or signed before says nothing of it.
    pub(crate) fn done(mut self, signed: usize) {
        self.signed = signed;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.lock().leave(self, Instant::now());
        self.lane.start();
        self.lane.has_left.notify_waiters();
    }
}

impl LaneQueue {
    pub(super) fn new(limits: LaneLimits) -> Arc<Self> {
        let state =
            State { limits, callers: HashMap::new(), waiting: 0, in_work: 0, arrivals: 0, turns: 0, pace: Pace::default() };
        Arc::new(Self { state: Mutex::new(state), has_left: Notify::new() })
    }

    pub(super) fn set_limits(&self, limits: LaneLimits) {
        self.lock().limits = limits;
    }

    /// Whether there is room for a batch. Between this and [`Self::enter`] another may come, so the bounds are overrun by as many
    /// batches as there are threads.
    pub(super) fn check(&self, caller: &CallerId, items: usize, patience: Option<Duration>) -> Result<(), Refusal> {
        self.lock().check(caller, items, patience)
    }

    /// Takes a batch in.
    pub(super) fn enter(self: &Arc<Self>, caller: &CallerId, items: usize) -> Waiting {
        let waiting = self.lock().enqueue(caller, items);
        self.start();
        waiting
    }

    /// Takes a chunk of a stream in when its caller has room for it in its share. Until then it counts for nothing here, so that
    /// no number of streams fills the lane for others.
    pub(super) async fn enter_within_share(self: &Arc<Self>, caller: &CallerId, items: usize) -> Waiting {
        loop {
            // It hears of what leaves from here on.
            let has_left = self.has_left.notified();
            let waiting = self.lock().enqueue_within_share(caller, items);
            if let Some(waiting) = waiting {
                self.start();
                return waiting;
            }
            has_left.await;
        }
    }

    /// Items that wait, and items in work.
    #[cfg(test)]
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.waiting, state.in_work)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts into work what may be. The place is handed over with the lock open, for one that is no longer wanted comes back by
    /// its drop.
    fn start(self: &Arc<Self>) {
        loop {
            let Some((caller, waiter)) = self.lock().next(Instant::now()) else { return };
            // Whoever waited may have gone in this instant.
            let _ = waiter.turn.send(Place { lane: Arc::clone(self), caller, items: waiter.items, signed: 0 });
        }
    }
}

impl State {
    fn check(&self, caller: &CallerId, items: usize, patience: Option<Duration>) -> Result<(), Refusal> {
        let there = self.waiting + self.in_work;
        if there == 0 {
            return Ok(());
        }
        let share = self.share(caller, items);
        let before = self.before(caller, items);
        let is_longer = |items, than| self.pace.time_for(items).is_some_and(|time| time > than);
        let full = if there + items > self.limits.max_items && !(share.has_items && there <= 2 * self.limits.max_items) {
            Full::Items
        } else if patience.is_some_and(|patience| is_longer(before + items, patience)) {
            Full::Deadline
        } else if is_longer(before, self.limits.max_wait) && !share.has_time {
            Full::Time
        } else {
            return Ok(());
        };
        // When half of what is there is done there is room again.
        let come_again = self.pace.time_for(there.div_ceil(2)).unwrap_or(UNKNOWN_DELAY);
        Err(Refusal { full, come_again: come_again.clamp(SHORTEST_DELAY, LONGEST_DELAY) })
    }

    /// What is done before a caller's next batch: what is in work, the caller's own, and of each other caller as much as is its
    /// turn meanwhile.
    fn before(&self, caller: &CallerId, items: usize) -> usize {
        let own = self.callers.get(caller).map_or(0, |share| share.waiting);
        let others = self.callers.iter().filter(|(other, _)| *other != caller).map(|(_, share)| share.waiting.min(own + items));
        self.in_work + own + others.sum::<usize>()
    }

    /// Whether a caller, with these items, has no more than its share, the same for each caller that has something here: of the
    /// items, and of the time. A caller has it also where others have filled the lane, so that all together may have more than
    /// the bound, but not twice as much.
    fn share(&self, caller: &CallerId, items: usize) -> WithinShare {
        let own = self.callers.get(caller).map_or(0, Share::items);
        let callers = self.callers.len() + usize::from(!self.callers.contains_key(caller));
        let time = self.pace.time_for((own + items).saturating_mul(callers));
        WithinShare {
            has_items: (own + items).saturating_mul(callers) <= self.limits.max_items,
            has_time: time.is_none_or(|time| time <= self.limits.max_wait),
        }
    }

    /// A caller that has nothing here may always have one batch.
    fn enqueue_within_share(&mut self, caller: &CallerId, items: usize) -> Option<Waiting> {
        let share = self.share(caller, items);
        let may = !self.callers.contains_key(caller) || share.has_items && share.has_time;
        may.then(|| self.enqueue(caller, items))
    }

    fn enqueue(&mut self, caller: &CallerId, items: usize) -> Waiting {
        let (turn, waiting) = oneshot::channel();
        let share = self.callers.entry(caller.clone()).or_default();
        self.arrivals += 1;
        share.queue.push_back(Waiter { items, arrival: self.arrivals, turn });
        share.waiting += items;
        self.waiting += items;
        Waiting(waiting)
    }

    /// The next batch for work, if there is one and room for it: of the caller with the least in work; of callers with as much,
    /// of the one whose turn was longest ago.
    fn next(&mut self, now: Instant) -> Option<(CallerId, Waiter)> {
        loop {
            let waiting = self.callers.iter().filter_map(|(caller, share)| Some((caller, share, share.queue.front()?.arrival)));
            let (caller, ..) = waiting.min_by_key(|(_, share, arrival)| (share.in_work, share.last_turn, *arrival))?;
            let caller = caller.clone();
            let share = self.callers.get_mut(&caller)?;
            let waiter = share.queue.front()?;
            let is_wanted = !waiter.turn.is_closed();
            if is_wanted && self.in_work > 0 && self.in_work + waiter.items > self.limits.max_in_work {
                return None;
            }
            let waiter = share.queue.pop_front()?;
            share.waiting -= waiter.items;
            self.waiting -= waiter.items;
            if is_wanted {
                self.turns += 1;
                share.last_turn = self.turns;
                share.in_work += waiter.items;
                self.in_work += waiter.items;
                self.pace.begin(now);
                return Some((caller, waiter));
            }
            self.forget_if_gone(&caller);
        }
    }

    fn leave(&mut self, place: &Place, now: Instant) {
        self.in_work -= place.items;
        if let Some(share) = self.callers.get_mut(&place.caller) {
            share.in_work -= place.items;
        }
        self.pace.finish(place.signed, self.in_work > 0, now);
        self.forget_if_gone(&place.caller);
    }

    fn forget_if_gone(&mut self, caller: &CallerId) {
        if self.callers.get(caller).is_some_and(|share| share.items() == 0 && share.queue.is_empty()) {
            self.callers.remove(caller);
        }
    }
}

#[cfg(test)]
mod tests;
