//! The table behind [`super::MemoryLedger`]: what is in work and what is kept, at instants that it is given. It waits for nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::{Held, ItemKey, Kept, Retention};

/// How many kept items a claim forgets at most: more than it can add, so that the table empties, and few, so that no call pays
/// for all of it.
const FORGET_A_CLAIM: usize = 4;

/// Items by key; the kept ones stand in the order in which they came. The time to keep is the same for all, so that is the order
/// in which they fall due, and the memory of a full ledger is gone through from end to end instead of here and there.
#[derive(Debug)]
pub(super) struct Store {
    retention: Retention,
    /// The keys are hashes, of which a caller could choose the low bits; the table's own hash has a secret.
    slots: HashMap<ItemKey, Slot>,
    kept: VecDeque<Record>,
    /// How many items have been forgotten: the number of the first that is kept.
    forgotten: u64,
    /// The number of the last claim.
    claims: u64,
    in_work: usize,
    /// Dropped when the claim of the number ends, which those who wait hear.
    ends: FxHashMap<u64, watch::Sender<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// With the claim's number.
    InWork(u64),
    /// With the item's number, from the first that was ever kept.
    Kept(u64),
}

#[derive(Debug)]
struct Record {
    key: ItemKey,
    due: Instant,
    kept: Kept,
}

/// What the table says of a claim.
#[derive(Debug)]
pub(super) enum Found {
    Free(u64),
    InWork(watch::Receiver<()>),
    Kept(Kept, Instant),
}

/// Whether an item was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Kept,
    /// The claim is not in work.
    Unknown,
}

impl Store {
    /// An empty table. It has room from the start, in address space that costs no memory until it is used: to grow it would move
    /// every item at once, while everybody waits.
    pub(super) fn new(retention: Retention) -> Self {
        let room = retention.max_items.get();
        Self {
            retention,
            slots: HashMap::with_capacity(room + room / 8),
            kept: VecDeque::with_capacity(room),
            forgotten: 0,
            claims: 0,
            in_work: 0,
            ends: FxHashMap::default(),
        }
    }

    /// Claims a key.
    pub(super) fn claim(&mut self, key: ItemKey, now: Instant) -> Found {
        self.forget_due(now);
        match self.slots.get(&key) {
            Some(&Slot::InWork(number)) => {
                let end = self.ends.entry(number).or_insert_with(|| watch::Sender::new(()));
                return Found::InWork(end.subscribe());
            }
            Some(&Slot::Kept(number)) => {
                let record = self.record(number).filter(|record| record.due > now);
                if let Some(record) = record {
                    return Found::Kept(record.kept.clone(), record.due);
                }
            }
            None => {}
        }
        self.claims += 1;
        self.in_work += 1;
        self.slots.insert(key, Slot::InWork(self.claims));
        Found::Free(self.claims)
    }

    /// Keeps an item whose claim this is.
    pub(super) fn keep(&mut self, key: ItemKey, claim: u64, kept: Kept, now: Instant) -> Settled {
        let number = self.forgotten + self.kept.len() as u64;
        match self.slots.get_mut(&key) {
            Some(slot) if *slot == Slot::InWork(claim) => *slot = Slot::Kept(number),
            _ => return Settled::Unknown,
        }
        self.in_work -= 1;
        self.ends.remove(&claim);
        if self.kept.len() >= self.retention.max_items.get() {
            self.forget_first();
        }
        self.kept.push_back(Record { key, due: now + self.retention.keep, kept });
        Settled::Kept
    }

    /// Keeps an item that was kept before; a key that came twice keeps what came last.
    pub(super) fn resume(&mut self, key: ItemKey, kept: Kept, due: Instant) {
        let number = self.forgotten + self.kept.len() as u64;
        if self.kept.len() >= self.retention.max_items.get() {
            self.forget_first();
        }
        self.slots.insert(key, Slot::Kept(number));
        self.kept.push_back(Record { key, due, kept });
    }

    /// Frees a claim.
    pub(super) fn release(&mut self, key: ItemKey, claim: u64) {
        if self.slots.get(&key) == Some(&Slot::InWork(claim)) {
            self.slots.remove(&key);
            self.ends.remove(&claim);
            self.in_work -= 1;
        }
    }

    /// How many items are kept, with those that are due and not forgotten yet, and how many are in work.
    pub(super) fn held(&self) -> Held {
        Held { kept: self.kept.len(), in_work: self.in_work }
    }

    /// How many items are kept or in work.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn record(&self, number: u64) -> Option<&Record> {
        self.kept.get(usize::try_from(number.checked_sub(self.forgotten)?).ok()?)
    }

    fn forget_due(&mut self, now: Instant) {
        for _ in 0..FORGET_A_CLAIM {
            if self.kept.front().is_none_or(|record| record.due > now) {
                return;
            }
            self.forget_first();
        }
    }

    /// Forgets what came first; its key may have been claimed again since it fell due.
    fn forget_first(&mut self) {
        let Some(record) = self.kept.pop_front() else { return };
        if self.slots.get(&record.key) == Some(&Slot::Kept(self.forgotten)) {
            self.slots.remove(&record.key);
        }
        self.forgotten += 1;
    }
}
