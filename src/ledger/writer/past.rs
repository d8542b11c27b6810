//! The end of a chain, read when it is taken.

use std::collections::BTreeSet;

use crate::ledger::record::{Body, Head, Record};
use crate::ledger::store::{Lease, Store, StoreError};

/// How many rows are looked at together.
const ROWS_AT_ONCE: usize = 256;

/// What the end of a chain tells.
pub(super) struct Past {
    /// Intents without an outcome.
    pub(super) open: Vec<u64>,
    /// The time of the last record, in milliseconds since 1970.
    pub(super) at: i64,
}

impl Past {
    /// Reads what is behind `settled`, and the last record, from a chain whose links hold.
    pub(super) async fn read(store: &dyn Store, lease: &Lease, head: Head, settled: u64) -> Result<Self, StoreError> {
        let mut open = BTreeSet::new();
        let mut last_at = i64::MIN;
        let mut at: Option<Head> = None;
        let mut next = settled.max(1);
        while next <= head.seq {
            let rows = store.rows(lease.chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for row in &rows {
                let computed = at.map_or(Head { seq: row.seq, link: row.link }, |at| at.next(&row.digest));
                if computed != (Head { seq: row.seq, link: row.link }) {
                    return Err(damaged(lease, row.seq));
                }
                at = Some(computed);
                let Some(record) = row.record.as_deref().and_then(|record| Record::from_cbor(record).ok()) else { continue };
                last_at = last_at.max(record.at);
                note_open(&mut open, record, settled);
            }
            next = last + 1;
        }
        if head.seq > 0 && at != Some(head) {
            return Err(damaged(lease, head.seq));
        }
        Ok(Self { open: open.into_iter().collect(), at: last_at })
    }
}

fn damaged(lease: &Lease, seq: u64) -> StoreError {
    StoreError::Damaged { reason: format!("the links of the chain {:?} do not hold at record {seq}", lease.instance) }
}

fn note_open(open: &mut BTreeSet<u64>, record: Record, settled: u64) {
    match record.body {
        Body::Intent(_) if record.seq > settled => {
            open.insert(record.seq);
        }
        Body::Outcome(outcome) => {
            open.remove(&outcome.intent);
        }
        Body::Doubt { intents } => open.retain(|intent| !intents.contains(intent)),
        _ => {}
    }
}
