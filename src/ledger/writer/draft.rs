//! Records as they come to stand in a chain.

use super::WriterSettings;
use crate::domain::NumericDate;
use crate::ledger::record::{Body, Head, Record, VERSION};
use crate::ledger::store::{Lease, Row};

/// A chain that is held.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) lease: Lease,
    /// With what is about to be written.
    pub(super) head: Head,
    /// With what is durable.
    pub(super) written: Head,
    /// The time of the last record, in milliseconds since 1970.
    pub(super) at: i64,
}

impl Chain {
    /// The row of the next record. Where the clock was set back it has the time of the record before it.
    pub(super) fn row(&mut self, settings: &WriterSettings, now: NumericDate, body: Body, detail: Vec<u8>) -> Row {
        let seq = self.head.seq + 1;
        let vouched_at = if let Body::Seal(seal) = &body { seal.at } else { self.at };
        self.at = self.at.max(vouched_at).max(now.millis());
        let record = Record { v: VERSION, instance: settings.instance.clone(), seq, at: self.at, body };
        debug_assert!(record.has_detail(&detail), "the detail of record {seq} is another's");
        let record = record.to_cbor();
        let digest = Record::digest_of(&record);
        self.head = self.head.next(&digest);
        Row { seq, link: self.head.link, digest, record: Some(record), detail: Some(detail) }
    }
}
