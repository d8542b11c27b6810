//! Who signs next: two lanes of pieces, and whoever signs takes from them.
//!
//! Sessions take from it inside a worker, links to workers take from it outside.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Order, Purpose, SignFuture, Signed, TokenError};
use crate::domain::{Digest, Lane};

/// One result a digest, in order.
pub(super) type Results = Vec<Result<Signed, TokenError>>;

/// The largest piece of a batch that is taken at once.
pub(super) const MAX_PIECE: usize = 32;

/// How long a piece keeps a session: long enough that the queue and the pipe are seldom touched, which costs the machine more
/// than a device's signature does, short enough that the last piece of a batch does not wait long behind another. On a device of
/// 5 ms a signature a piece is two. Whoever waits for one certificate does not wait for it: that is looked for between two
/// signatures, and on a device a session is kept for it.
const PIECE_TIME: Duration = Duration::from_millis(12);

/// Work that waits, interactive before bulk.
#[derive(Debug)]
pub(super) struct WorkQueue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
    /// Takers of interactive work alone wait here.
    urgent: Condvar,
    wake: Wake,
}

/// Whom new work wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// One taker a piece: each takes whatever there is.
    OneEach,
    /// All takers: some are not open to every piece, and only they know.
    All,
}

#[derive(Debug, Default)]
struct Lanes {
    interactive: VecDeque<Piece>,
    bulk: VecDeque<Piece>,
    closed: bool,
    /// When a certificate came last that somebody waits for. A seal of the ledger comes every few seconds, and nobody does.
    urged: Option<Instant>,
    /// Why nothing is taken at present.
    refusing: Option<TokenError>,
}

/// What a taker hears.
#[derive(Debug)]
pub(super) enum Next {
    /// Work.
    Piece(Piece),
    /// Nothing came in the time that the taker gave.
    Idle,
    /// Nothing will: the queue is closed, or the taker's own reason to stop holds.
    Stopped,
}

/// A part of a batch.
#[derive(Debug)]
pub(super) struct Piece {
    batch: Arc<Batch>,
    range: Range<usize>,
    /// How often it was taken and came back unsigned.
    pub(super) returns: u32,
}

#[derive(Debug)]
struct Batch {
    order: Order,
    digests: Vec<Digest>,
    state: Mutex<BatchState>,
}

#[derive(Debug)]
struct BatchState {
    results: Results,
    missing: usize,
    /// What its signatures took, all sessions together.
    spent: Duration,
    answer: Option<Answer>,
}

/// Who hears the results of a batch.
pub(super) enum Answer {
    /// Somebody who may have gone.
    Waiter(oneshot::Sender<Results>),
    /// A function, which also hears what the signatures took.
    Call(Box<dyn FnOnce(Results, Duration) + Send>),
}

impl WorkQueue {
    pub(super) fn new(wake: Wake) -> Self {
        Self { lanes: Mutex::default(), changed: Condvar::new(), urgent: Condvar::new(), wake }
    }

    /// Queues a batch in pieces, for a waiter.
    pub(super) fn submit(&self, order: Order, digests: Vec<Digest>, piece_len: usize) -> SignFuture {
        let count = digests.len();
        let (done, results) = oneshot::channel();
        self.submit_for(order, digests, piece_len, Answer::Waiter(done));
        Box::pin(async move { results.await.unwrap_or_else(|_| vec![Err(TokenError::Closed); count]) })
    }

    /// Queues a batch in pieces. Where nothing is taken, it is answered at once.
    pub(super) fn submit_for(&self, order: Order, digests: Vec<Digest>, piece_len: usize, answer: Answer) {
        let count = digests.len();
        let results = vec![Err(TokenError::Closed); count];
        let state = BatchState { results, missing: count, spent: Duration::ZERO, answer: Some(answer) };
        let batch = Arc::new(Batch { order, digests, state: Mutex::new(state) });
        lock(&batch.state).answer_if_complete();
        let piece = |start: usize| {
            let range = start..(start + piece_len).min(count);
            Piece { batch: Arc::clone(&batch), range, returns: 0 }
        };
        self.enqueue(order, (0..count).step_by(piece_len.max(1)).map(piece));
    }

    fn enqueue(&self, order: Order, pieces: impl ExactSizeIterator<Item = Piece>) {
        let (lane, count) = (order.lane, pieces.len());
        let mut lanes = lock(&self.lanes);
        if let Some(error) = lanes.refusal() {
            drop(lanes);
            pieces.for_each(|piece| piece.fail(&error));
            return;
        }
        if lane == Lane::Interactive && order.purpose == Purpose::Certificate {
            lanes.urged = Some(Instant::now());
        }
        lanes.of(lane).extend(pieces);
        drop(lanes);
        self.announce(lane, count);
    }

    fn announce(&self, lane: Lane, pieces: usize) {
        match self.wake {
            Wake::OneEach => (0..pieces).for_each(|_| self.changed.notify_one()),
            Wake::All => self.changed.notify_all(),
        }
        if lane == Lane::Interactive {
            self.urgent.notify_one();
        }
    }

    /// The next piece of a lane that is open to the taker, interactive before bulk. Waits for one as long as `patience` says,
    /// for ever without. `open` and `stop` are asked again after each [`Self::wake`].
    pub(super) fn next_where(&self, open: impl Fn(Lane) -> bool, stop: impl Fn() -> bool, patience: Option<Duration>) -> Next {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut lanes = lock(&self.lanes);
        loop {
            if lanes.closed || stop() {
                return Next::Stopped;
            }
            for lane in [Lane::Interactive, Lane::Bulk] {
                let piece = if open(lane) { lanes.of(lane).pop_front() } else { None };
                if let Some(piece) = piece {
                    return Next::Piece(piece);
                }
            }
            let waits_on = if open(Lane::Bulk) || self.wake == Wake::All { &self.changed } else { &self.urgent };
            lanes = match until {
                None => waits_on.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Next::Idle;
                    }
                    waits_on.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The next piece of a lane that is open to the taker, if there is one.
    pub(super) fn try_next_where(&self, open: impl Fn(Lane) -> bool) -> Option<Piece> {
        let mut lanes = lock(&self.lanes);
        [Lane::Interactive, Lane::Bulk].into_iter().find_map(|lane| if open(lane) { lanes.of(lane).pop_front() } else { None })
    }

    /// Whether somebody waits at a counter.
    pub(super) fn has_interactive(&self) -> bool {
        !lock(&self.lanes).interactive.is_empty()
    }

    /// Whether a certificate that somebody waits for has come in this last time.
    pub(super) fn had_interactive_in(&self, last: Duration) -> bool {
        lock(&self.lanes).urged.is_some_and(|urged| urged.elapsed() <= last)
    }

    /// Puts a piece back where it was taken.
    pub(super) fn put_back(&self, piece: Piece) {
        let lane = piece.lane();
        let mut lanes = lock(&self.lanes);
        if let Some(error) = lanes.refusal() {
            drop(lanes);
            return piece.fail(&error);
        }
        lanes.of(lane).push_front(piece);
        drop(lanes);
        self.announce(lane, 1);
    }

    /// Has every taker look again at what is open to it. The lock makes sure that one about to wait does not miss it.
    pub(super) fn wake(&self) {
        drop(lock(&self.lanes));
        self.changed.notify_all();
        self.urgent.notify_all();
    }

    /// Answers everything that waits, and that comes, with an error, until [`Self::accept`].
    pub(super) fn refuse(&self, error: &TokenError) {
        let mut lanes = lock(&self.lanes);
        lanes.refusing = Some(error.clone());
        let waiting = lanes.take_all();
        drop(lanes);
        waiting.into_iter().for_each(|piece| piece.fail(error));
    }

    /// Takes work again.
    pub(super) fn accept(&self) {
        lock(&self.lanes).refusing = None;
    }

    /// Takes no more work, and says so to those who wait.
    pub(super) fn close(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        let waiting = lanes.take_all();
        drop(lanes);
        waiting.into_iter().for_each(|piece| piece.fail(&TokenError::Closed));
        self.wake();
    }
}

impl Lanes {
    const fn of(&mut self, lane: Lane) -> &mut VecDeque<Piece> {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Bulk => &mut self.bulk,
        }
    }

    fn refusal(&self) -> Option<TokenError> {
        if self.closed { Some(TokenError::Closed) } else { self.refusing.clone() }
    }

    fn take_all(&mut self) -> Vec<Piece> {
        self.interactive.drain(..).chain(self.bulk.drain(..)).collect()
    }
}

impl Piece {
    pub(super) fn lane(&self) -> Lane {
        self.batch.order.lane
    }

    pub(super) fn order(&self) -> Order {
        self.batch.order
    }

    pub(super) fn digests(&self) -> &[Digest] {
        &self.batch.digests[self.range.clone()]
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match &lock(&self.batch.state).answer {
            Some(Answer::Waiter(waiter)) => waiter.is_closed(),
            Some(Answer::Call(_)) => false,
            None => true,
        }
    }

    /// Gives the results of its first digests, and what is left of it where they were not all.
    pub(super) fn complete(mut self, results: Results, spent: Duration) -> Option<Self> {
        let start = self.range.start;
        self.range.start = (start + results.len()).min(self.range.end);
        let mut state = lock(&self.batch.state);
        state.missing -= self.range.start - start;
        state.spent += spent;
        let end = self.range.start;
        for (place, result) in state.results[start..end].iter_mut().zip(results) {
            *place = result;
        }
        state.answer_if_complete();
        drop(state);
        (!self.range.is_empty()).then_some(self)
    }

    /// Answers all of it with one error.
    pub(super) fn fail(self, error: &TokenError) {
        let results = vec![Err(error.clone()); self.range.len()];
        self.complete(results, Duration::ZERO);
    }
}

impl BatchState {
    fn answer_if_complete(&mut self) {
        if self.missing > 0 {
            return;
        }
        let results = std::mem::take(&mut self.results);
        match self.answer.take() {
            // Nobody waits any more where the caller has gone; the signatures are dropped with the batch.
            Some(Answer::Waiter(waiter)) => drop(waiter.send(results)),
            Some(Answer::Call(call)) => call(results, self.spent),
            None => {}
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiter(_) => "Waiter",
            Self::Call(_) => "Call",
        })
    }
}

/// Pieces small enough that every taker has some of a small batch and that none keeps a session long, and large enough that
/// the queue is seldom touched.
///
/// `signature`: what one takes; zero where it is not known yet.
pub(super) fn piece_len(digests: usize, takers: usize, signature: Duration) -> usize {
    let share = digests.div_ceil((takers * 2).max(1));
    let in_time = PIECE_TIME.as_nanos().checked_div(signature.as_nanos()).map_or(MAX_PIECE, |fit| fit as usize);
    share.min(in_time).clamp(1, MAX_PIECE)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::{SessionId, TokenKey};
    use super::*;
    use crate::domain::Signature;

    fn order(lane: Lane) -> Order {
        Order { key: TokenKey(0), purpose: Purpose::Certificate, lane }
    }

    fn digests(count: u8) -> Vec<Digest> {
        (0..count).map(|n| Digest::of(&[n])).collect()
    }

    fn queue() -> WorkQueue {
        WorkQueue::new(Wake::OneEach)
    }

    fn take(queue: &WorkQueue) -> Piece {
        take_where(queue, |_| true).expect("a piece")
    }

    fn take_where(queue: &WorkQueue, open: impl Fn(Lane) -> bool) -> Option<Piece> {
        match queue.next_where(open, || false, Some(Duration::from_millis(1))) {
            Next::Piece(piece) => Some(piece),
            Next::Idle | Next::Stopped => None,
        }
    }

    /// Signs by repeating the digest.
    fn sign(piece: &Piece, count: usize) -> Results {
        let signed =
            |digest: &Digest| Signed { signature: Signature::new(digest.as_bytes().to_vec()), session: SessionId::default() };
        piece.digests()[..count].iter().map(|digest| Ok(signed(digest))).collect()
    }

    fn wait(future: SignFuture) -> Results {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn pieces_give_every_taker_some_and_stay_small() {
        let fast = Duration::from_micros(50);
        assert_eq!(piece_len(1, 2, fast), 1);
        assert_eq!(piece_len(32, 32, fast), 1);
        assert_eq!(piece_len(500, 2, fast), 32);
        assert_eq!(piece_len(100, 2, Duration::ZERO), 25);
        assert_eq!(piece_len(0, 2, fast), 1);
    }

    #[test]
    fn a_slow_token_is_given_few_at_a_time() {
        assert_eq!(piece_len(500, 1, Duration::from_millis(20)), 1);
        assert_eq!(piece_len(500, 1, Duration::from_millis(5)), 2);
        assert_eq!(piece_len(500, 1, Duration::from_micros(400)), 30);
    }

    #[test]
    fn results_come_in_order_whoever_signs_first() {
        let queue = queue();
        let future = queue.submit(order(Lane::Bulk), digests(8), 2);
        let mut pieces: Vec<Piece> = (0..4).map(|_| take(&queue)).collect();
        pieces.reverse();
        for piece in pieces {
            let results = sign(&piece, 2);
            assert!(piece.complete(results, Duration::ZERO).is_none());
        }
        let signed: Vec<_> = wait(future).into_iter().map(|result| result.unwrap().signature.into_bytes()).collect();
        assert_eq!(signed, digests(8).iter().map(|digest| digest.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn interactive_work_goes_first_and_a_closed_lane_waits() {
        let queue = queue();
        let _bulk = queue.submit(order(Lane::Bulk), digests(1), 1);
        let _interactive = queue.submit(order(Lane::Interactive), digests(1), 1);
        assert!(queue.has_interactive());
        assert_eq!(take_where(&queue, |lane| lane == Lane::Bulk).unwrap().lane(), Lane::Bulk);
        assert_eq!(take(&queue).lane(), Lane::Interactive);
        assert!(matches!(queue.next_where(|_| true, || true, None), Next::Stopped));
        assert!(matches!(queue.next_where(|_| true, || false, Some(Duration::ZERO)), Next::Idle));
    }

    #[test]
    fn that_somebody_waits_is_remembered_for_a_while() {
        let (queue, while_ago) = (queue(), Duration::from_secs(60));
        let _bulk = queue.submit(order(Lane::Bulk), digests(1), 1);
        assert!(!queue.had_interactive_in(while_ago));
        let _interactive = queue.submit(order(Lane::Interactive), digests(1), 1);
        take(&queue);
        assert!(!queue.has_interactive() && queue.had_interactive_in(while_ago));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!queue.had_interactive_in(Duration::from_millis(1)));
    }

    #[test]
    fn a_seal_and_a_proof_go_first_and_nobody_waits_for_them() {
        for purpose in [Purpose::Audit, Purpose::Proof, Purpose::Upload] {
            let queue = queue();
            let _bulk = queue.submit(order(Lane::Bulk), digests(1), 1);
            let _other = queue.submit(Order { purpose, ..order(Lane::Interactive) }, digests(1), 1);
            assert_eq!(take(&queue).order().purpose, purpose);
            assert!(!queue.had_interactive_in(Duration::from_secs(60)), "{purpose:?}");
        }
    }

    #[test]
    fn a_taker_of_interactive_work_is_woken_by_it_alone() {
        let queue = Arc::new(queue());
        let taker = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || queue.next_where(|lane| lane == Lane::Interactive, || false, None))
        };
        let _bulk = queue.submit(order(Lane::Bulk), digests(3), 1);
        let _interactive = queue.submit(order(Lane::Interactive), digests(1), 1);
        let Next::Piece(piece) = taker.join().unwrap() else { panic!("a piece") };
        assert_eq!(piece.lane(), Lane::Interactive);
    }

    #[test]
    fn a_piece_that_comes_back_keeps_what_was_signed_of_it() {
        let queue = queue();
        let future = queue.submit(order(Lane::Bulk), digests(4), 4);
        let piece = take(&queue);
        let rest = {
            let results = sign(&piece, 2);
            piece.complete(results, Duration::ZERO).unwrap()
        };
        queue.put_back(rest);
        let rest = take(&queue);
        assert_eq!(rest.digests(), &digests(4)[2..]);
        rest.fail(&TokenError::Closed);
        assert_eq!(wait(future).iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn what_waits_and_what_comes_is_refused_until_work_is_taken_again() {
        let queue = queue();
        let error = TokenError::Down { token: "hsm".into(), reason: "it is away".into() };
        let held = queue.submit(order(Lane::Bulk), digests(1), 1);
        let piece = take(&queue);
        let waiting = queue.submit(order(Lane::Bulk), digests(1), 1);
        queue.refuse(&error);
        queue.put_back(piece);
        for future in [held, waiting, queue.submit(order(Lane::Interactive), digests(1), 1)] {
            assert!(matches!(wait(future)[0], Err(TokenError::Down { .. })));
        }
        queue.accept();
        let _future = queue.submit(order(Lane::Bulk), digests(1), 1);
        take(&queue);
    }

    #[test]
    fn a_function_hears_what_the_signatures_took() {
        let (queue, heard) = (queue(), Arc::new(Mutex::new(None)));
        let answer = Arc::clone(&heard);
        let call = move |results: Results, spent| *answer.lock().unwrap() = Some((results.len(), spent));
        queue.submit_for(order(Lane::Bulk), digests(4), 2, Answer::Call(Box::new(call)));
        for _ in 0..2 {
            let piece = take(&queue);
            let results = sign(&piece, 2);
            piece.complete(results, Duration::from_millis(3));
        }
        assert_eq!(*heard.lock().unwrap(), Some((4, Duration::from_millis(6))));
    }

    #[test]
    fn a_closed_queue_answers_what_waits() {
        let queue = queue();
        let future = queue.submit(order(Lane::Bulk), digests(3), 1);
        queue.close();
        assert!(wait(future).iter().all(|result| matches!(result, Err(TokenError::Closed))));
        assert!(wait(queue.submit(order(Lane::Bulk), digests(1), 1))[0].is_err());
    }

    #[test]
    fn nothing_to_sign_is_signed_at_once() {
        assert!(wait(queue().submit(order(Lane::Bulk), Vec::new(), 1)).is_empty());
    }
}
