//! Brings chains from elsewhere into a store: out of an export, or out of another store. Every link, record and detail is checked on
//! the way; signatures are for an audit of the export.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::archive::line::RecordLine;
use super::index::{Enough, IndexStore, Indexer};
use super::record::{Body, Head, Record};
use super::store::pruning::PruningStore;
use super::store::{
    Append, ChainState, FoundItem, ItemStore, KeptGroup, KeptItem, Lease, Row, Store, StoreError, ToKeep, Wanted, WantedItems,
};
use super::{KeptOf, LedgerKeys};
use crate::domain::{NumericDate, Octets};

/// How long the lease of a chain holds between two appends.
const LEASE: Duration = Duration::from_secs(15);

/// What is written at once: rows, and bytes.
const AT_ONCE: (usize, usize) = (256, 4 * 1024 * 1024);

/// Kept items that are written at once.
const ITEMS_AT_ONCE: usize = 500;

/// Why a chain was not brought in, or only as far as it was good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The store does not answer, or another process writes the chain.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What comes in is no whole chain.
    #[error("the chain {instance:?} does not hold at record {seq}: {what}")]
    Broken {
        /// Whose chain it is.
        instance: String,
        /// The place.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// There is such a chain already, and its history is another.
    #[error("there is a chain {instance:?} already, and at record {seq} it is another one: it is no beginning of what comes in")]
    Another {
        /// Whose chain it is.
        instance: String,
        /// The last place that both have.
        seq: u64,
    },
}

/// Checks row after row of a chain.
#[derive(Debug)]
pub struct ChainCheck {
    instance: String,
    head: Head,
    open: BTreeSet<u64>,
    pruned_before: Option<NumericDate>,
}

impl ChainCheck {
    /// For a chain from its first record on.
    #[must_use]
    pub const fn new(instance: String) -> Self {
        Self { instance, head: Head::EMPTY, open: BTreeSet::new(), pruned_before: None }
    }

    /// Checks a chain of a store from its first record to its end.
    ///
    /// # Errors
    /// [`MoveError::Broken`] says where it does not hold.
    pub async fn whole(store: &dyn Store, state: &ChainState) -> Result<(), MoveError> {
        let mut check = Self::new(state.instance.clone());
        while check.head.seq < state.head.seq {
            let rows = store.rows(state.chain, check.head.seq + 1, AT_ONCE.0).await?;
            if rows.is_empty() {
                return Err(check.broken(check.head.seq + 1, "it is missing"));
            }
            rows.iter().take_while(|row| row.seq <= state.head.seq).try_for_each(|row| check.take(row))?;
        }
        if check.head == state.head { Ok(()) } else { Err(check.broken(state.head.seq, "the end has another link")) }
    }

    /// The end, as far as it was read.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Up to this place every intent has its outcome.
    fn settled(&self) -> u64 {
        self.open.first().map_or(self.head.seq, |first| first - 1)
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`MoveError::Broken`] where it is not what was written.
    pub fn take(&mut self, row: &Row) -> Result<(), MoveError> {
        let next = self.head.next(&row.digest);
        if next.seq != row.seq {
            return Err(self.broken(row.seq, "a record before it is missing, or it stands there twice"));
        }
        if next.link != row.link {
            return Err(self.broken(row.seq, "its link is not the one of what stands there"));
        }
        if let Some(bytes) = &row.record {
            let record = Record::from_cbor(bytes).map_err(|_| self.broken(row.seq, "it is no record of this version"))?;
            let is_it = Record::digest_of(bytes) == row.digest && record.seq == row.seq && record.instance == self.instance;
            if !is_it || row.detail.as_ref().is_some_and(|detail| !record.has_detail(detail)) {
                return Err(self.broken(row.seq, "the record or its detail is not the one that was written"));
            }
            self.note(row.seq, &record.body);
        }
        self.head = next;
        Ok(())
    }

    fn note(&mut self, seq: u64, body: &Body) {
        match body {
            Body::Intent(_) => drop(self.open.insert(seq)),
            Body::Outcome(outcome) => drop(self.open.remove(&outcome.intent)),
            Body::Doubt { intents } => self.open.retain(|intent| !intents.contains(intent)),
            Body::Pruning(pruning) => {
                self.pruned_before = self.pruned_before.max(Some(NumericDate::from_seconds(pruning.before)));
            }
            Body::Opened(_) | Body::Seal(_) | Body::Revocation(_) | Body::Custody(_) => {}
        }
    }

    fn broken(&self, seq: u64, what: &'static str) -> MoveError {
        MoveError::Broken { instance: self.instance.clone(), seq, what }
    }
}

/// A chain on its way into a store.
#[derive(Debug)]
pub struct Incoming<'s> {
    store: &'s dyn Store,
    lease: Lease,
    holder: Octets<16>,
    /// The end in the store.
    head: Head,
    /// What was there before.
    before: Head,
    check: ChainCheck,
    rows: Vec<Row>,
    bytes: usize,
}

/// Where what is kept of items comes to, and how.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'k> {
    /// Who shares claims; nothing where the process that signs keeps items by itself.
    pub items: Option<&'k dyn ItemStore>,
    /// The keys to encrypt it under.
    pub keys: &'k LedgerKeys,
    /// The time.
    pub now: NumericDate,
}

impl Keeper<'_> {
    /// Those that fall due together, together.
    fn groups(&self, kept: &[KeptOf]) -> Vec<KeptGroup> {
        let seal = |alike: &[KeptOf]| self.keys.seal_group(alike.iter().map(|item| (item.key, &item.kept)), alike[0].due);
        kept.chunk_by(|one, next| one.due == next.due).map(seal).collect()
    }
}

/// A chain that was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its number in the store.
    pub chain: i64,
    /// Its end there.
    pub head: Head,
    /// How many records came in.
    pub records: u64,
}

impl<'s> Incoming<'s> {
    /// Takes an instance's chain for writing. What it has already has to be the beginning of what comes in.
    ///
    /// # Errors
    /// [`StoreError::Held`] where another process writes it.
    pub async fn begin(store: &'s dyn Store, instance: &str) -> Result<Self, MoveError> {
        let holder = Octets(rand::random());
        let taken = store.take(Wanted { instance, holder: &holder, lasts: LEASE }).await?;
        let check = ChainCheck::new(instance.to_owned());
        let (head, lease) = (taken.head, taken.lease);
        Ok(Self { store, lease, holder, head, before: head, check, rows: Vec::new(), bytes: 0 })
    }

    /// Takes the next record; it is durable when [`Self::end`] is done.
    ///
    /// # Errors
    /// [`MoveError`]; the chain is given free. What came before may be in the store then, and is gone on with by the next try.
    pub async fn take(&mut self, row: Row) -> Result<(), MoveError> {
        let taken = self.take_checked(row).await;
        if taken.is_err() {
            self.give_free().await;
        }
        taken
    }

    /// A lease that cannot be given back ends by itself.
    async fn give_free(&self) {
        let _ = self.store.release(&self.lease).await;
    }

    async fn take_checked(&mut self, row: Row) -> Result<(), MoveError> {
        self.check.take(&row)?;
        if row.seq < self.before.seq {
            return Ok(());
        }
        if row.seq == self.before.seq {
            return if row.link == self.before.link { Ok(()) } else { Err(self.another(row.seq)) };
        }
        self.bytes += row.bytes();
        self.rows.push(row);
        if self.rows.len() >= AT_ONCE.0 || self.bytes >= AT_ONCE.1 { self.write(&ToKeep::NOTHING).await } else { Ok(()) }
    }

    /// Takes what is kept of items for retries; where claims are shared, whatever of it is there already stays as it is. Gives how many
    /// came in.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn keep(&mut self, to: &Keeper<'_>, kept: Vec<KeptOf>) -> Result<u64, MoveError> {
        // Of two of one key the later one counts.
        let newest: HashMap<_, _> = kept.into_iter().map(|item| (item.key, item)).collect();
        let mut kept: Vec<KeptOf> = newest.into_values().collect();
        kept.sort_by_key(|item| item.due);
        let mut count = 0;
        for part in kept.chunks(ITEMS_AT_ONCE) {
            let kept = match to.items {
                Some(items) => ToKeep { items: self.claim(items, to, part).await?, groups: Vec::new() },
                None => ToKeep { items: Vec::new(), groups: to.groups(part) },
            };
            let grouped: u64 = kept.groups.iter().map(|group| u64::from(group.count)).sum();
            count += kept.items.len() as u64 + grouped;
            self.write(&kept).await?;
        }
        Ok(count)
    }

    /// Where items are shared, only what was claimed can be kept.
    async fn claim(&self, items: &dyn ItemStore, to: &Keeper<'_>, part: &[KeptOf]) -> Result<Vec<KeptItem>, MoveError> {
        let claim = u64::from(rand::random::<u32>());
        let keys: Vec<_> = part.iter().map(|item| item.key).collect();
        let found = items.claim(WantedItems { keys: &keys, claim, holder: &self.holder, lasts: LEASE, now: to.now }).await?;
        let claimed = part.iter().zip(found).filter(|(_, found)| *found == FoundItem::Claimed);
        let seal = |KeptOf { key, kept, due }: &KeptOf| KeptItem { key: *key, claim, sealed: to.keys.seal(key, kept), due: *due };
        Ok(claimed.map(|(item, _)| seal(item)).collect())
    }

    async fn write(&mut self, kept: &ToKeep) -> Result<(), MoveError> {
        let settled = self.check.settled();
        let append = Append { from: self.head, rows: &self.rows, settled, kept, lasts: LEASE };
        self.store.append(&self.lease, append).await?;
        if let Some(last) = self.rows.last() {
            self.head = Head { seq: last.seq, link: last.link };
        }
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Writes the rest, and gives the chain free. Then the index is built, and it is put down what was pruned.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn end(
        mut self,
        stores: (Arc<dyn Store>, Arc<dyn IndexStore>),
        pruning: &dyn PruningStore,
        planned: Option<u64>,
    ) -> Result<Moved, MoveError> {
        self.write(&ToKeep::NOTHING).await?;
        if self.check.head.seq < self.before.seq {
            self.is_beginning().await?;
        }
        let chain = self.lease.chain;
        let mut indexer = Indexer::new(stores.0, stores.1, chain, Enough::default());
        indexer.catch_up().await?;
        pruning.finish(chain, self.check.pruned_before).await?;
        if let Some(behind) = planned {
            pruning.plan(chain, behind).await?;
        }
        self.store.release(&self.lease).await?;
        Ok(Moved { chain, head: self.head, records: self.head.seq - self.before.seq })
    }

    /// What is there already may have more than what came in, of the same history.
    async fn is_beginning(&self) -> Result<(), MoveError> {
        let end = self.check.head;
        let rows = self.store.rows(self.lease.chain, end.seq, 1).await?;
        let is_same = end.seq == 0 || rows.first().is_some_and(|row| (row.seq, row.link) == (end.seq, end.link));
        if is_same {
            return Ok(());
        }
        self.give_free().await;
        Err(self.another(end.seq))
    }

    fn another(&self, seq: u64) -> MoveError {
        MoveError::Another { instance: self.lease.instance.clone(), seq }
    }
}

/// A line of an export as a store has it; nothing where it has neither record nor digest.
#[must_use]
pub fn row_of(line: RecordLine) -> Option<Row> {
    let digest = line.record_digest()?;
    let (record, detail) = (line.record.map(|record| record.0), line.detail.map(|detail| detail.0));
    Some(Row { seq: line.seq, link: line.link, digest, record, detail })
}
