//! Claims whose tickets were dropped: freed behind the back of whoever dropped them, many at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::{ItemClaim, ItemStore, Waiting};

/// After a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// Claims that nobody will settle. There are no more of them than there were tickets.
#[derive(Debug, Default)]
pub(super) struct Loose {
    claims: Mutex<Vec<(ItemClaim, Instant)>>,
    came: Notify,
}

impl Loose {
    /// Some more. Does not wait.
    pub(super) fn add(&self, claims: impl IntoIterator<Item = ItemClaim>) {
        let now = Instant::now();
        self.put(claims.into_iter().map(|claim| (claim, now)));
        self.came.notify_one();
    }

    /// Frees what comes, without end. What cannot be freed until a claim's time has passed is free by itself.
    pub(super) async fn free(&self, items: &dyn ItemStore, waiting: &Waiting, lasts: Duration) {
        loop {
            self.came.notified().await;
            loop {
                let mut loose = self.take();
                loose.retain(|(_, since)| since.elapsed() < lasts);
                if loose.is_empty() {
                    break;
                }
                let claims: Vec<ItemClaim> = loose.iter().map(|(claim, _)| *claim).collect();
                if items.release(&claims).await.is_ok() {
                    waiting.end(&claims);
                } else {
                    self.put(loose);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn put(&self, claims: impl IntoIterator<Item = (ItemClaim, Instant)>) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).extend(claims);
    }

    fn take(&self) -> Vec<(ItemClaim, Instant)> {
        std::mem::take(&mut *self.claims.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
