//! Items that nobody has asked for yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::domain::Lane;
use crate::service::client::ClientItem;

/// Payloads in memory, each under a new `item_id` whenever its turn comes again: so each is signed, and none is looked up.
#[derive(Clone, Debug)]
pub struct Payloads {
    payloads: Arc<[Bytes]>,
    run: Arc<str>,
    next: Arc<AtomicU64>,
}

impl Payloads {
    /// `payloads`: DCCs as JSON, one at least, or nothing is ever asked. `run`: what this run's item ids begin with; at most 30 of
    /// `[A-Za-z0-9._:-]`, and another one for each run.
    #[must_use]
    pub fn new(payloads: Vec<Bytes>, run: &str) -> Self {
        Self { payloads: payloads.into(), run: run.into(), next: Arc::default() }
    }

    /// The next `count` items.
    pub(super) fn next(&self, lane: Lane, count: u32) -> Vec<ClientItem> {
        let Some(payloads) = u64::try_from(self.payloads.len()).ok().filter(|len| *len > 0) else { return Vec::new() };
        let first = self.next.fetch_add(u64::from(count), Ordering::Relaxed);
        let initial = &lane.name()[..1];
        let item = |number: u64| ClientItem {
            item_id: format!("{}-{initial}-{number:09}", self.run),
            payload: self.payloads[(number % payloads) as usize].clone(),
            expires_at: None,
        };
        (first..first + u64::from(count)).map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::ItemId;

    #[test]
    fn no_item_id_comes_twice_and_payloads_take_turns() {
        let payloads = Payloads::new(vec!["1".into(), "2".into(), "3".into()], &"r".repeat(30));
        let other = payloads.clone();
        let items = [payloads.next(Lane::Bulk, 4), other.next(Lane::Interactive, 4)].concat();
        let ids: HashSet<&str> = items.iter().map(|item| item.item_id.as_str()).collect();
        assert_eq!(ids.len(), 8);
        assert!(items.iter().all(|item| ItemId::new(&item.item_id).is_ok()));
        let texts: Vec<&[u8]> = items.iter().map(|item| item.payload.as_ref()).collect();
        assert_eq!(texts.concat(), b"12312312");
    }
}
