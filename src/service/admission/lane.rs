//! One lane's queue.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

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
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.lock().leave(&self.caller, self.items, Instant::now());
        self.lane.start();
    }
}

impl LaneQueue {
    pub(super) fn new(limits: LaneLimits) -> Arc<Self> {
        let state =
            State { limits, callers: HashMap::new(), waiting: 0, in_work: 0, arrivals: 0, turns: 0, pace: Pace::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(super) fn set_limits(&self, limits: LaneLimits) {
        self.lock().limits = limits;
    }

    /// Takes a batch in, or refuses it at once.
    pub(super) fn enter(
        self: &Arc<Self>,
        caller: &CallerId,
        items: usize,
        patience: Option<Duration>,
    ) -> Result<Waiting, Refusal> {
        let mut state = self.lock();
        state.check(caller, items, patience)?;
        let waiting = state.enqueue(caller, items);
        drop(state);
        self.start();
        Ok(waiting)
    }

    /// Takes a batch in, however much is there.
    pub(super) fn enter_whenever(self: &Arc<Self>, caller: &CallerId, items: usize) -> Waiting {
        let waiting = self.lock().enqueue(caller, items);
        self.start();
        waiting
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
            let _ = waiter.turn.send(Place { lane: Arc::clone(self), caller, items: waiter.items });
        }
    }
}

impl State {
    fn check(&self, caller: &CallerId, items: usize, patience: Option<Duration>) -> Result<(), Refusal> {
        let there = self.waiting + self.in_work;
        if there == 0 {
            return Ok(());
        }
        let (before, whole) = (self.pace.time_for(there), self.pace.time_for(there + items));
        let full = if there + items > self.limits.max_items && !self.is_below_share(caller, items) {
            Full::Items
        } else if patience.zip(whole).is_some_and(|(patience, whole)| whole > patience) {
            Full::Deadline
        } else if before.is_some_and(|before| before > self.limits.max_wait) {
            Full::Time
        } else {
            return Ok(());
        };
        // When half of what is there is done there is room again.
        let come_again = self.pace.time_for(there.div_ceil(2)).unwrap_or(UNKNOWN_DELAY);
        Err(Refusal { full, come_again: come_again.clamp(SHORTEST_DELAY, LONGEST_DELAY) })
    }

    /// Whether a caller, with these items, has less than its share of a queue that others have filled. All shares together are
    /// within twice the bound.
    fn is_below_share(&self, caller: &CallerId, items: usize) -> bool {
        let own = self.callers.get(caller).map_or(0, Share::items);
        let callers = self.callers.len() + usize::from(!self.callers.contains_key(caller));
        callers > 1 && own + items <= self.limits.max_items / callers && self.waiting + self.in_work <= 2 * self.limits.max_items
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

    fn leave(&mut self, caller: &CallerId, items: usize, now: Instant) {
        self.in_work -= items;
        if let Some(share) = self.callers.get_mut(caller) {
            share.in_work -= items;
        }
        self.pace.finish(items, self.in_work > 0, now);
        self.forget_if_gone(caller);
    }

    fn forget_if_gone(&mut self, caller: &CallerId) {
        if self.callers.get(caller).is_some_and(|share| share.items() == 0 && share.queue.is_empty()) {
            self.callers.remove(caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(max_items: usize, max_in_work: usize) -> Arc<LaneQueue> {
        LaneQueue::new(LaneLimits { max_items, max_in_work, max_wait: Duration::from_secs(3_600) })
    }

    fn caller(name: &str) -> CallerId {
        CallerId::new(name)
    }

    fn place(waiting: &mut Waiting) -> Option<Place> {
        waiting.0.try_recv().ok()
    }

    #[test]
    fn a_full_lane_refuses_at_once_and_room_lets_in_again() {
        let lane = lane(10, 100);
        let mut first = lane.enter(&caller("a"), 10, None).unwrap();
        assert_eq!(lane.enter(&caller("a"), 1, None).unwrap_err().full, Full::Items);
        drop(place(&mut first).unwrap());
        assert!(lane.enter(&caller("a"), 1, None).is_ok());
    }

    #[test]
    fn a_caller_with_one_batch_goes_before_the_rest_of_anothers_many() {
        let lane = lane(1_000, 10);
        let mut many: Vec<Waiting> = (0..5).map(|_| lane.enter(&caller("many"), 10, None).unwrap()).collect();
        let mut one = lane.enter(&caller("one"), 10, None).unwrap();
        let working = place(&mut many[0]).unwrap();
        assert!(place(&mut one).is_none());
        drop(working);
        assert!(place(&mut many[1]).is_none());
        drop(place(&mut one).unwrap());
        assert!(place(&mut many[1]).is_some());
    }

    #[test]
    fn a_caller_has_a_share_of_a_queue_that_others_have_filled() {
        let lane = lane(100, 10);
        let many: Vec<Waiting> = (0..10).map(|_| lane.enter(&caller("many"), 10, None).unwrap()).collect();
        assert_eq!(lane.enter(&caller("many"), 10, None).unwrap_err().full, Full::Items);
        let few = [lane.enter(&caller("few"), 25, None).unwrap(), lane.enter(&caller("few"), 25, None).unwrap()];
        assert_eq!(lane.enter(&caller("few"), 1, None).unwrap_err().full, Full::Items);
        drop((many, few));
    }

    #[test]
    fn what_nobody_waits_for_any_more_takes_no_place() {
        let lane = lane(1_000, 10);
        let mut first = lane.enter(&caller("a"), 10, None).unwrap();
        let gone: Vec<Waiting> = (0..50).map(|_| lane.enter(&caller("a"), 10, None).unwrap()).collect();
        let mut last = lane.enter(&caller("a"), 10, None).unwrap();
        drop(gone);
        drop(place(&mut first).unwrap());
        drop(place(&mut last).unwrap());
        assert_eq!(lane.load(), (0, 0));
        assert!(lane.lock().callers.is_empty());
    }

    #[test]
    fn a_batch_larger_than_what_may_be_in_work_works_alone() {
        let lane = lane(1_000, 10);
        let mut large = lane.enter(&caller("a"), 500, None).unwrap();
        let mut small = lane.enter(&caller("b"), 1, None).unwrap();
        let large = place(&mut large).unwrap();
        assert!(place(&mut small).is_none());
        drop(large);
        assert!(place(&mut small).is_some());
    }

    #[test]
    fn a_queue_that_takes_too_long_is_full_and_says_for_how_long() {
        let lane = LaneQueue::new(LaneLimits { max_items: 10_000, max_in_work: 100, max_wait: Duration::from_secs(1) });
        lane.lock().pace.begin(Instant::now() - Duration::from_secs(1));
        lane.lock().pace.finish(100, false, Instant::now());
        let waiting: Vec<Waiting> = (0..2).map(|_| lane.enter(&caller("a"), 90, None).unwrap()).collect();
        let refusal = lane.enter(&caller("a"), 90, None).unwrap_err();
        assert_eq!(refusal.full, Full::Time);
        assert!(refusal.come_again > Duration::from_millis(500) && refusal.come_again < Duration::from_secs(2));
        let hasty = lane.enter(&caller("b"), 1, Some(Duration::from_millis(10))).unwrap_err();
        assert_eq!(hasty.full, Full::Deadline);
        drop(waiting);
    }

    #[test]
    fn a_stream_waits_where_a_call_is_refused() {
        let lane = lane(10, 10);
        let mut first = lane.enter(&caller("a"), 10, None).unwrap();
        let mut chunk = lane.enter_whenever(&caller("a"), 10);
        assert!(place(&mut chunk).is_none());
        drop(place(&mut first).unwrap());
        assert!(place(&mut chunk).is_some());
    }
}
