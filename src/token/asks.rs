//! What officers want of a worker, until it has answered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::queue::lock;
use super::wire::Answer;
use super::{Managed, TokenError};

/// What was asked of one worker.
#[derive(Debug)]
pub(super) struct Asks {
    /// Nothing when the worker is gone.
    open: Mutex<Option<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    patience: Duration,
    is_work: bool,
    answer: oneshot::Sender<Result<Option<Managed>, TokenError>>,
}

/// The answer of a worker; an error of the channel where it died before.
pub(super) type Answering = oneshot::Receiver<Result<Option<Managed>, TokenError>>;

/// How long a worker may take to make a key: some devices make one of RSA-3072 in minutes. What is asked of it meanwhile waits.
pub(super) const LONGEST_WORK: Duration = Duration::from_secs(300);

/// How long it may take to hear that a key is stopped, where its hang timeout is not longer.
pub(super) const LONGEST_STOP: Duration = Duration::from_secs(2);

impl Asks {
    pub(super) fn new() -> Self {
        Self { open: Mutex::new(Some(Open::default())) }
    }

    /// Has a number for what is asked next, and says where the answer comes. `is_work`: the token works on it, and may answer
    /// nothing else meanwhile.
    pub(super) fn begin(&self, patience: Duration, is_work: bool) -> Option<(u64, Answering)> {
        let mut open = lock(&self.open);
        let open = open.as_mut()?;
        open.last += 1;
        let (answer, answering) = oneshot::channel();
        open.waiting.insert(open.last, Waiting { since: Instant::now(), patience, is_work, answer });
        Some((open.last, answering))
    }

    /// Hands out an answer.
    pub(super) fn end(&self, id: u64, answer: Answer) {
        let waiting = lock(&self.open).as_mut().and_then(|open| open.waiting.remove(&id));
        if let Some(waiting) = waiting {
            // Nobody waits any more where the caller has gone.
            let _ = waiting.answer.send(answer.map_err(TokenError::from));
        }
    }

    /// The worker is gone: whoever waits hears so.
    pub(super) fn close(&self) {
        *lock(&self.open) = None;
    }

    /// Since when the first of those waits that has no answer yet.
    pub(super) fn oldest(&self) -> Option<Instant> {
        lock(&self.open).iter().flat_map(|open| open.waiting.values()).map(|waiting| waiting.since).min()
    }

    /// Whether an answer is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        lock(&self.open).iter().flat_map(|open| open.waiting.values()).any(|waiting| waiting.since.elapsed() >= waiting.patience)
    }

    /// Whether the token works for officers.
    pub(super) fn is_at_work(&self) -> bool {
        lock(&self.open).iter().flat_map(|open| open.waiting.values()).any(|waiting| waiting.is_work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_to_whoever_asked_and_the_end_to_all() {
        let asks = Asks::new();
        let (first, mut one) = asks.begin(LONGEST_STOP, false).unwrap();
        let (second, mut other) = asks.begin(LONGEST_WORK, true).unwrap();
        assert!(asks.is_at_work() && !asks.is_overdue());
        asks.end(second, Ok(Some(Managed::Destroyed)));
        assert!(matches!(other.try_recv(), Ok(Ok(Some(Managed::Destroyed)))) && !asks.is_at_work());
        asks.end(second, Ok(None));
        assert!(one.try_recv().is_err());
        asks.close();
        assert!(one.try_recv().is_err() && asks.begin(LONGEST_STOP, false).is_none());
        asks.end(first, Ok(None));
    }

    #[test]
    fn an_answer_that_does_not_come_is_overdue() {
        let asks = Asks::new();
        let _answering = asks.begin(Duration::ZERO, false).unwrap();
        assert!(asks.is_overdue() && !asks.is_at_work() && asks.oldest().is_some());
    }
}
