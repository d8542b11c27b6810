//! Looks for what has expired: by the index, and through what is not indexed yet. What the index says is looked up on record.

use std::collections::BTreeSet;

use super::{Pruner, ROWS_AT_ONCE};
use crate::domain::NumericDate;
use crate::ledger::record::{Body, Entry, Record};
use crate::ledger::store::pruning::Forgotten;
use crate::ledger::store::{Row, StoreError};

/// Outcomes of one pruning; its record has some ten kilobytes then, at most.
const OUTCOMES_AT_ONCE: usize = 256;

/// A group whose certificates have all expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) intent: u64,
    pub(super) outcome: u64,
    pub(super) certificates: u64,
}

/// A search through one chain.
#[derive(Debug)]
pub(super) struct Search {
    before: NumericDate,
    /// Whether the index may have more.
    is_indexed: bool,
    /// Where it is gone on behind the index; nothing at the end.
    next: Option<u64>,
}

impl Search {
    pub(super) async fn begin(pruner: &Pruner, before: NumericDate) -> Result<Self, StoreError> {
        Ok(Self { is_indexed: true, ..Self::behind_the_index(pruner, before).await? })
    }

    pub(super) async fn behind_the_index(pruner: &Pruner, before: NumericDate) -> Result<Self, StoreError> {
        let next = pruner.index.indexed(pruner.chain).await? + 1;
        Ok(Self { before, is_indexed: false, next: Some(next) })
    }

    /// The next groups; they are to be forgotten before it is called again. Perhaps none; nothing at the end.
    pub(super) async fn next(&mut self, pruner: &Pruner) -> Result<Option<Vec<Expired>>, StoreError> {
        if self.is_indexed {
            let places = pruner.pruning.expired(pruner.chain, self.before, OUTCOMES_AT_ONCE).await?;
            if !places.is_empty() {
                return self.look_up(pruner, places).await.map(Some);
            }
            self.is_indexed = false;
        }
        let Some(from) = self.next else { return Ok(None) };
        let rows = pruner.store.rows(pruner.chain, from, ROWS_AT_ONCE).await?;
        let (found, is_over) = self.expired_of(&rows);
        self.next = rows.last().filter(|_| !is_over).map(|row| row.seq + 1);
        Ok(Some(found))
    }

    /// What the index knows, as it stands on record. What is forgotten there already goes out of the index too: it came in from
    /// rows that were read before.
    async fn look_up(&self, pruner: &Pruner, places: Vec<u64>) -> Result<Vec<Expired>, StoreError> {
        let mut found = Vec::with_capacity(places.len());
        let mut stale = BTreeSet::new();
        for seq in places {
            let row = pruner.store.rows(pruner.chain, seq, 1).await?.into_iter().find(|row| row.seq == seq);
            match row.as_ref().and_then(|row| Some(judge(row, read(row)?, self.before))) {
                Some(Judged::Expired(expired)) => found.push(expired),
                Some(Judged::InForce) => {
                    let reason = format!("the index says that all certificates of record {seq} have expired, and they have not");
                    return Err(StoreError::Damaged { reason });
                }
                _ => drop(stale.insert(seq)),
            }
        }
        if !stale.is_empty() {
            let forgotten = Forgotten { outcomes: stale, ..Forgotten::default() };
            pruner.pruning.forget(pruner.chain, &forgotten).await?;
        }
        Ok(found)
    }

    /// What of these rows has expired, and whether nothing that comes after them has: it was written after the instant.
    fn expired_of(&self, rows: &[Row]) -> (Vec<Expired>, bool) {
        let mut found = Vec::new();
        for row in rows {
            let Some(record) = read(row) else { continue };
            if record.at >= self.before.millis() {
                return (found, true);
            }
            if let Judged::Expired(expired) = judge(row, record, self.before) {
                found.push(expired);
            }
        }
        (found, false)
    }
}

enum Judged {
    Expired(Expired),
    /// One of its certificates has not expired.
    InForce,
    /// It is no outcome, or is forgotten.
    Other,
}

fn read(row: &Row) -> Option<Record> {
    Record::from_cbor(row.record.as_deref()?).ok()
}

fn judge(row: &Row, record: Record, before: NumericDate) -> Judged {
    let (Body::Outcome(outcome), Some(detail)) = (record.body, &row.detail) else { return Judged::Other };
    let entries: Vec<Entry> = Entry::all(detail).collect();
    if entries.len() as u64 != u64::from(outcome.signed) || entries.iter().any(|entry| entry.expires_at >= before) {
        return Judged::InForce;
    }
    Judged::Expired(Expired { intent: outcome.intent, outcome: row.seq, certificates: outcome.signed.into() })
}
