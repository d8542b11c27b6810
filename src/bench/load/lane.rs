//! A lane at work: one call after another, each noted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::bench::payloads::Payloads;
use crate::bench::plan::{LaneLoad, Plan};
use crate::bench::recorder::{Call, ItemFault, Outcome, Recorder};
use crate::service::client::{Client, ClientBatch, ClientError, ClientItem, ClientResult};

/// A closed loop that is refused at once would ask again at once, and keep the service busy with refusing.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// What the calls of a lane share.
#[derive(Debug)]
pub(super) struct LaneAtWork {
    pub(super) load: LaneLoad,
    pub(super) began: Instant,
    pub(super) whole: Duration,
    /// For those in flight; closed where nothing starts any more.
    pub(super) room: Arc<Semaphore>,
    /// Closed where answers are not waited for any more.
    abandoned: Semaphore,
    profile: String,
    payloads: Payloads,
    client: Client,
    recorder: Mutex<Recorder>,
}

/// A call whose items are made: what is left to do at its time is to send it.
#[derive(Debug)]
pub(super) struct Ready {
    items: Vec<ClientItem>,
    bytes: u64,
}

impl LaneAtWork {
    pub(super) fn new(plan: &Plan, load: &LaneLoad, client: Client, began: Instant) -> Self {
        Self {
            load: load.clone(),
            began,
            whole: plan.whole(),
            room: Arc::new(Semaphore::new(load.in_flight as usize)),
            abandoned: Semaphore::new(0),
            profile: plan.profile.clone(),
            payloads: plan.payloads.clone(),
            client,
            recorder: Mutex::new(Recorder::new(plan.warm_up, plan.whole())),
        }
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing starts any more.
    pub(super) fn close(&self, until: Duration) {
        self.room.close();
        self.recorder().close(until);
    }

    /// Nobody waits for an answer any more.
    pub(super) fn abandon(&self) {
        self.abandoned.close();
    }

    pub(super) fn ready(&self) -> Ready {
        let items = self.payloads.next(self.load.lane, self.load.batch);
        let bytes = items.iter().map(|item| item.payload.len() as u64).sum();
        Ready { items, bytes }
    }

    /// Makes a call, and notes what came of it.
    ///
    /// `intended`: when it was to start, from the run's begin; in a closed loop nothing, for it starts when it does. Gives whether it
    /// was answered.
    pub(super) async fn call(&self, ready: Ready, intended: Option<Duration>, is_held_back: bool) -> bool {
        let items = u32::try_from(ready.items.len()).unwrap_or(u32::MAX);
        let batch = ClientBatch { profile: self.profile.clone(), lane: self.load.lane, validate_only: false, items: ready.items };
        let started = self.began.elapsed();
        let intended = intended.unwrap_or(started);
        self.recorder().begin(intended, started, is_held_back);
        let answer = tokio::select! {
            biased;
            answer = self.client.sign_batch(batch) => answer,
            // It has no permits: it ends when it is closed.
            _ = self.abandoned.acquire() => {
                self.recorder().give_up(intended, self.began.elapsed(), items, true);
                return false;
            }
        };
        let ended = self.began.elapsed();
        let outcome = outcome(answer, items);
        let is_answered = matches!(outcome, Outcome::Answered { .. });
        self.recorder().end(&Call { intended, started, ended, items, bytes: ready.bytes, outcome });
        is_answered
    }
}

/// Calls of an open loop: in flight until answered.
pub(super) async fn call_at(
    lane: Arc<LaneAtWork>,
    ready: Ready,
    intended: Duration,
    is_held_back: bool,
    room: OwnedSemaphorePermit,
) {
    lane.call(ready, Some(intended), is_held_back).await;
    drop(room);
}

/// One of the callers of a closed loop: call after call.
pub(super) async fn call_on(lane: Arc<LaneAtWork>) {
    while !lane.room.is_closed() && lane.began.elapsed() < lane.whole {
        if !lane.call(lane.ready(), None, false).await {
            sleep(AFTER_FAILURE).await;
        }
    }
}

fn outcome(answer: Result<Vec<ClientResult>, ClientError>, items: u32) -> Outcome {
    let results = match answer {
        Ok(results) if results.len() == items as usize => results,
        Ok(results) => return failed(&ClientError::Count { results: results.len(), items: items as usize }),
        Err(error) => return failed(&error),
    };
    let mut faults = Vec::new();
    let (mut signed, mut certificate_bytes) = (0, 0);
    for result in results {
        match result.outcome {
            Ok(certificate) => {
                signed += 1;
                certificate_bytes += certificate.hc1.len() as u64;
            }
            Err(refusal) => {
                let is_the_items_fault = refusal.is_the_items_fault();
                // The faults of an item say more than its message.
                let fault = refusal.faults.into_iter().next().map(|(path, _, message)| format!(" ({path}: {message})"));
                let message = refusal.message + &fault.unwrap_or_default();
                faults.push(ItemFault { code: refusal.code, message, is_the_items_fault });
            }
        }
    }
    Outcome::Answered { signed, certificate_bytes, faults }
}

fn failed(error: &ClientError) -> Outcome {
    Outcome::Failed { code: error.code(), message: error.to_string() }
}
