//! Those who wait for the claims of others: one question to the database for all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{InWork, ItemClaim, ItemStore};

/// Between two questions: soon after somebody came, then less and less often.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// Claims that somebody waits for. A sender is dropped when its claim ends, which those who wait hear.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    ends: Mutex<HashMap<ItemClaim, watch::Sender<()>>>,
    came: Notify,
}

impl Waiting {
    /// Waits for a claim that has so much time left.
    pub(super) fn wait(&self, claim: ItemClaim, left: Duration) -> InWork {
        let mut end = self.ends().entry(claim).or_insert_with(|| watch::Sender::new(())).subscribe();
        self.came.notify_one();
        InWork::until(async move {
            // An error says that the sender was dropped, which is the end; so is the end of the claim's time.
            let _ = timeout(left + Duration::from_millis(1), end.changed()).await;
        })
    }

    /// Claims have ended.
    pub(super) fn end(&self, claims: &[ItemClaim]) {
        let mut ends = self.ends();
        if !ends.is_empty() {
            claims.iter().for_each(|claim| drop(ends.remove(claim)));
        }
    }

    /// Asks, as long as somebody waits; without end.
    pub(super) async fn ask(&self, items: &dyn ItemStore) {
        let mut pause = PAUSES.0;
        loop {
            if self.waited_for().is_empty() {
                self.came.notified().await;
                pause = PAUSES.0;
            }
            pause = self.pause(pause).await;
            let asked = self.waited_for();
            // What cannot be asked ends with its time.
            if !asked.is_empty()
                && let Ok(in_work) = items.in_work(&asked).await
            {
                let in_work: HashSet<ItemClaim> = in_work.into_iter().collect();
                let ended: Vec<ItemClaim> = asked.into_iter().filter(|claim| !in_work.contains(claim)).collect();
                self.end(&ended);
            }
        }
    }

    /// Sleeps, less long where somebody comes; gives the next pause.
    async fn pause(&self, pause: Duration) -> Duration {
        let start = Instant::now();
        tokio::select! {
            () = sleep_until(start + pause) => (pause * 2).min(PAUSES.1),
            () = self.came.notified() => {
                sleep_until((start + pause).min(Instant::now() + PAUSES.0)).await;
                PAUSES.0
            }
        }
    }

    /// What somebody still waits for.
    fn waited_for(&self) -> Vec<ItemClaim> {
        let mut ends = self.ends();
        ends.retain(|_, end| !end.is_closed());
        ends.keys().copied().collect()
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<ItemClaim, watch::Sender<()>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
