//! Forgets what a ledger need not know any more: of certificates that expired long enough ago, intents, entries, and what the index
//! has of them. Digests, links and roots stay, so that the chain goes on verifying.
//!
//! ```text
//! plan       it is put down that a pruning may come behind the chain's end
//! record     the pruning stands in the chain, durable: which places, how many certificates, all ended before when
//! forget     the rows go, a few at a time
//! finish     the plan is over
//! ```
//! Wherever it is cut off, the next run goes on with it. An outcome goes when each of its certificates has expired, with its intent.
//! What stays: revocations (by whom, and why), intents in doubt, and groups of which nothing was signed as far as they are indexed;
//! and the records without a detail. What is kept of items for retries goes when it is due, by itself.

mod search;
mod task;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LedgerError;
use super::index::IndexStore;
use super::record::{Body, Pruning, Record};
use super::store::pruning::{Forgotten, PruningStore};
use super::store::{Row, Store, StoreError};
use super::writer::ChainWriter;
use crate::domain::NumericDate;
pub use task::PruneTask;

use search::{Expired, Search};

/// Rows that are read together.
const ROWS_AT_ONCE: usize = 256;

/// Forgets records of one chain, which its writer writes.
#[derive(Debug)]
pub struct Pruner {
    store: Arc<dyn Store>,
    index: Arc<dyn IndexStore>,
    pruning: Arc<dyn PruningStore>,
    chain: i64,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Groups that were signed together.
    pub groups: u64,
    /// The certificates in them.
    pub certificates: u64,
}

/// Why something was not forgotten. The next run goes on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PruningError {
    /// The store does not answer, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be put on record.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Pruner {
    /// One for a chain of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn IndexStore>, pruning: Arc<dyn PruningStore>, chain: i64) -> Self {
        Self { store, index, pruning, chain }
    }

    /// Goes on with what was begun, then forgets all that ended before an instant, in steps, until it is told to stop.
    ///
    /// # Errors
    /// [`PruningError`] says whose fault it is.
    pub async fn run(&self, writer: &ChainWriter, before: NumericDate, stop: &AtomicBool) -> Result<Pruned, PruningError> {
        self.resume().await?;
        let mut search = Search::begin(self, before).await?;
        let mut pruned = Pruned::default();
        while !stop.load(Ordering::Acquire) {
            let Some(expired) = search.next(self).await? else { break };
            if !expired.is_empty() {
                let done = self.prune(writer, before, &expired).await?;
                pruned.groups += done.groups;
                pruned.certificates += done.certificates;
            }
        }
        Ok(pruned)
    }

    /// Goes on with what was put on record, and not carried out.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn resume(&self) -> Result<(), StoreError> {
        let Some(behind) = self.pruning.planned(self.chain).await? else { return Ok(()) };
        let (mut next, mut before) = (behind + 1, None);
        loop {
            let rows = self.store.rows(self.chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for pruning in rows.iter().filter_map(pruning_of) {
                self.carry_out(&pruning).await?;
                before = before.max(Some(NumericDate::from_seconds(pruning.before)));
            }
            next = last + 1;
        }
        tracing::info!(is_on_record = before.is_some(), "a pruning that was cut off is over");
        self.pruning.finish(self.chain, before).await
    }

    /// How much [`Self::run`] would forget.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn count(&self, before: NumericDate) -> Result<Pruned, StoreError> {
        let indexed = self.pruning.count_expired(self.chain, before).await?;
        let mut pruned = Pruned { groups: indexed.groups, certificates: indexed.certificates };
        let mut search = Search::behind_the_index(self, before).await?;
        while let Some(expired) = search.next(self).await? {
            pruned.groups += expired.len() as u64;
            pruned.certificates += expired.iter().map(|one| one.certificates).sum::<u64>();
        }
        Ok(pruned)
    }

    async fn prune(&self, writer: &ChainWriter, before: NumericDate, expired: &[Expired]) -> Result<Pruned, PruningError> {
        let certificates = expired.iter().map(|one| one.certificates).sum();
        let places = expired.iter().flat_map(|one| [one.intent, one.outcome]).collect();
        let pruning = Pruning { ranges: ranges(places), certificates, before: before.seconds() };
        self.pruning.plan(self.chain, writer.status().head().seq).await?;
        writer.write(Body::Pruning(pruning.clone()), Vec::new()).await?;
        self.carry_out(&pruning).await?;
        self.pruning.finish(self.chain, Some(before)).await?;
        Ok(Pruned { groups: expired.len() as u64, certificates })
    }

    /// Forgets what is on record to be forgotten.
    async fn carry_out(&self, pruning: &Pruning) -> Result<(), StoreError> {
        let mut forgotten = Forgotten::default();
        for (from, to) in &pruning.ranges {
            let mut next = *from;
            while next <= *to {
                let most = usize::try_from(to - next + 1).unwrap_or(ROWS_AT_ONCE).min(ROWS_AT_ONCE);
                let rows = self.store.rows(self.chain, next, most).await?;
                let Some(last) = rows.last().map(|row| row.seq) else { break };
                rows.iter().filter(|row| row.seq <= *to).for_each(|row| note(&mut forgotten, row));
                next = last + 1;
            }
        }
        self.pruning.forget(self.chain, &forgotten).await
    }
}

fn note(forgotten: &mut Forgotten, row: &Row) {
    let record = row.record.as_deref().and_then(|record| Record::from_cbor(record).ok());
    match record.map(|record| record.body) {
        Some(Body::Intent(_)) => drop(forgotten.intents.insert(row.seq)),
        Some(Body::Outcome(_)) => drop(forgotten.outcomes.insert(row.seq)),
        _ => {}
    }
}

fn pruning_of(row: &Row) -> Option<Pruning> {
    match Record::from_cbor(row.record.as_deref()?).ok()?.body {
        Body::Pruning(pruning) => Some(pruning),
        _ => None,
    }
}

/// Places as ranges, in order.
fn ranges(mut places: Vec<u64>) -> Vec<(u64, u64)> {
    places.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((_, to)) if place <= *to + 1 => *to = place,
            _ => ranges.push((place, place)),
        }
    }
    ranges
}
