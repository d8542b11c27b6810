//! Who signs next: two lanes of pieces, and whoever signs takes from them.
//!
//! Sessions take from it inside a worker, links to workers take from it outside.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{SignFuture, TokenError, TokenKey};
use crate::domain::{Digest, Lane, Signature};

/// One result a digest, in order.
pub(super) type Results = Vec<Result<Signature, TokenError>>;

/// The largest piece of a batch that is taken at once.
pub(super) const MAX_PIECE: usize = 32;

/// Work that waits, interactive before bulk.
#[derive(Debug, Default)]
pub(super) struct WorkQueue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lanes {
    interactive: VecDeque<Piece>,
    bulk: VecDeque<Piece>,
    closed: bool,
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
    key: TokenKey,
    lane: Lane,
    digests: Vec<Digest>,
    state: Mutex<BatchState>,
}

#[derive(Debug)]
struct BatchState {
    results: Results,
    missing: usize,
    done: Option<oneshot::Sender<Results>>,
}

impl WorkQueue {
    /// Queues a batch in pieces that give each of `takers` some.
    pub(super) fn submit(&self, key: TokenKey, lane: Lane, digests: Vec<Digest>, takers: usize) -> SignFuture {
        let count = digests.len();
        let (done, results) = oneshot::channel();
        let state = BatchState { results: vec![Err(TokenError::Closed); count], missing: count, done: Some(done) };
        let batch = Arc::new(Batch { key, lane, digests, state: Mutex::new(state) });
        lock(&batch.state).send_if_complete();
        self.enqueue(&batch, piece_len(count, takers));
        Box::pin(async move { results.await.unwrap_or_else(|_| vec![Err(TokenError::Closed); count]) })
    }

    fn enqueue(&self, batch: &Arc<Batch>, piece_len: usize) {
        let count = batch.digests.len();
        let mut lanes = lock(&self.lanes);
        if lanes.closed {
            return;
        }
        for start in (0..count).step_by(piece_len) {
            let range = start..(start + piece_len).min(count);
            lanes.of(batch.lane).push_back(Piece { batch: Arc::clone(batch), range, returns: 0 });
        }
        drop(lanes);
        self.changed.notify_all();
    }

    /// The next piece of a lane that is open to the taker, interactive before bulk. Waits for one; nothing where the queue is
    /// closed or `stop` says so. `open` and `stop` are asked again after each [`Self::wake`].
    pub(super) fn next_where(&self, open: impl Fn(Lane) -> bool, stop: impl Fn() -> bool) -> Option<Piece> {
        let mut lanes = lock(&self.lanes);
        loop {
            if lanes.closed || stop() {
                return None;
            }
            for lane in [Lane::Interactive, Lane::Bulk] {
                let piece = if open(lane) { lanes.of(lane).pop_front() } else { None };
                if let Some(piece) = piece {
                    return Some(piece);
                }
            }
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next piece, interactive before bulk; nothing when the queue is closed.
    pub(super) fn next(&self) -> Option<Piece> {
        self.next_where(|_| true, || false)
    }

    /// Whether somebody waits at a counter.
    pub(super) fn has_interactive(&self) -> bool {
        !lock(&self.lanes).interactive.is_empty()
    }

    /// Puts a piece back where it was taken.
    pub(super) fn put_back(&self, piece: Piece) {
        let mut lanes = lock(&self.lanes);
        if !lanes.closed {
            lanes.of(piece.batch.lane).push_front(piece);
        }
        drop(lanes);
        self.changed.notify_all();
    }

    /// Has every taker look again at what is open to it. The lock makes sure that one about to wait does not miss it.
    pub(super) fn wake(&self) {
        drop(lock(&self.lanes));
        self.changed.notify_all();
    }

    /// Answers everything that waits with one error.
    pub(super) fn fail_waiting(&self, error: &TokenError) {
        let mut lanes = lock(&self.lanes);
        let waiting: Vec<Piece> =
            [Lane::Interactive, Lane::Bulk].into_iter().flat_map(|lane| std::mem::take(lanes.of(lane))).collect();
        drop(lanes);
        for piece in waiting {
            piece.fail(error);
        }
    }

    /// Takes no more work. Dropping the pieces drops their batches, whose callers then hear that the token is closed.
    pub(super) fn close(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        let waiting = (std::mem::take(&mut lanes.interactive), std::mem::take(&mut lanes.bulk));
        drop(lanes);
        drop(waiting);
        self.changed.notify_all();
    }
}

impl Lanes {
    const fn of(&mut self, lane: Lane) -> &mut VecDeque<Piece> {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

impl Piece {
    pub(super) fn lane(&self) -> Lane {
        self.batch.lane
    }

    pub(super) fn key(&self) -> TokenKey {
        self.batch.key
    }

    pub(super) fn digests(&self) -> &[Digest] {
        &self.batch.digests[self.range.clone()]
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        lock(&self.batch.state).done.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Gives the results of its first digests, and what is left of it where they were not all.
    pub(super) fn complete(mut self, results: Results) -> Option<Self> {
        let start = self.range.start;
        self.range.start = (start + results.len()).min(self.range.end);
        let mut state = lock(&self.batch.state);
        state.missing -= self.range.start - start;
        let end = self.range.start;
        for (place, result) in state.results[start..end].iter_mut().zip(results) {
            *place = result;
        }
        state.send_if_complete();
        drop(state);
        (!self.range.is_empty()).then_some(self)
    }

    /// Answers all of it with one error.
    pub(super) fn fail(self, error: &TokenError) {
        let results = vec![Err(error.clone()); self.range.len()];
        self.complete(results);
    }
}

impl BatchState {
    fn send_if_complete(&mut self) {
        if self.missing == 0
            && let Some(done) = self.done.take()
        {
            // Nobody waits any more where the caller has gone; the signatures are dropped with the batch.
            let _ = done.send(std::mem::take(&mut self.results));
        }
    }
}

/// Pieces small enough that every taker has some of a small batch, and large enough that the queue is seldom touched.
const fn piece_len(digests: usize, takers: usize) -> usize {
    let share = digests.div_ceil(takers * 2);
    if share > MAX_PIECE {
        MAX_PIECE
    } else if share == 0 {
        1
    } else {
        share
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(count: u8) -> Vec<Digest> {
        (0..count).map(|n| Digest::of(&[n])).collect()
    }

    /// Signs by repeating the digest.
    fn sign(piece: &Piece, count: usize) -> Results {
        piece.digests()[..count].iter().map(|digest| Ok(Signature::new(digest.as_bytes().to_vec()))).collect()
    }

    fn wait(future: SignFuture) -> Results {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn pieces_give_every_taker_some_and_stay_small() {
        assert_eq!(piece_len(1, 2), 1);
        assert_eq!(piece_len(32, 32), 1);
        assert_eq!(piece_len(500, 2), 32);
        assert_eq!(piece_len(100, 2), 25);
        assert_eq!(piece_len(0, 2), 1);
    }

    #[test]
    fn results_come_in_order_whoever_signs_first() {
        let queue = WorkQueue::default();
        let future = queue.submit(TokenKey(0), Lane::Bulk, digests(8), 2);
        let mut pieces: Vec<Piece> = (0..4).map(|_| queue.next().unwrap()).collect();
        pieces.reverse();
        for piece in pieces {
            let results = sign(&piece, 2);
            assert!(piece.complete(results).is_none());
        }
        let signed: Vec<_> = wait(future).into_iter().map(|result| result.unwrap().into_bytes()).collect();
        assert_eq!(signed, digests(8).iter().map(|digest| digest.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn interactive_work_goes_first_and_a_closed_lane_waits() {
        let queue = WorkQueue::default();
        let _bulk = queue.submit(TokenKey(0), Lane::Bulk, digests(1), 1);
        let _interactive = queue.submit(TokenKey(0), Lane::Interactive, digests(1), 1);
        assert!(queue.has_interactive());
        assert_eq!(queue.next_where(|lane| lane == Lane::Bulk, || false).unwrap().lane(), Lane::Bulk);
        assert_eq!(queue.next().unwrap().lane(), Lane::Interactive);
        assert!(queue.next_where(|_| true, || true).is_none());
    }

    #[test]
    fn a_piece_that_comes_back_keeps_what_was_signed_of_it() {
        let queue = WorkQueue::default();
        let future = queue.submit(TokenKey(0), Lane::Bulk, digests(4), 1);
        let piece = queue.next().unwrap();
        let rest = {
            let results = sign(&piece, 1);
            piece.complete(results).unwrap()
        };
        queue.put_back(rest);
        let rest = queue.next().unwrap();
        assert_eq!(rest.digests(), &digests(2)[1..]);
        let results = sign(&rest, 1);
        assert!(rest.complete(results).is_none());
        queue.fail_waiting(&TokenError::Closed);
        let results = wait(future);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn a_closed_queue_answers_what_waits() {
        let queue = WorkQueue::default();
        let future = queue.submit(TokenKey(0), Lane::Bulk, digests(3), 1);
        queue.close();
        assert!(wait(future).iter().all(|result| matches!(result, Err(TokenError::Closed))));
        assert!(wait(queue.submit(TokenKey(0), Lane::Bulk, digests(1), 1))[0].is_err());
    }

    #[test]
    fn nothing_to_sign_is_signed_at_once() {
        assert!(wait(WorkQueue::default().submit(TokenKey(0), Lane::Bulk, Vec::new(), 1)).is_empty());
    }
}
