//! How the ledger is, read when somebody asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics::{counter, gauge};

use super::catalogue::{
    LEDGER_CERTIFICATES, LEDGER_CLAIMED_ITEMS, LEDGER_DOUBTS, LEDGER_FILE_BYTES, LEDGER_HEAD, LEDGER_INDEX_LAG,
    LEDGER_KEPT_ITEMS, LEDGER_RECORDS, LEDGER_SEAL_AGE, LEDGER_TROUBLE, LEDGER_UNSEALED,
};
use super::gauges::flag;
use crate::ledger::RecordedLedger;
use crate::ledger::index::IndexProgress;

/// What is looked at of a ledger.
#[derive(Clone, Debug)]
pub struct WatchedLedger {
    /// Itself.
    pub ledger: Arc<RecordedLedger>,
    /// How far it is indexed.
    pub index: Arc<IndexProgress>,
    /// Whether an audit key seals it.
    pub is_sealed: bool,
    /// The file that it is in, where it is in one.
    pub file: Option<PathBuf>,
}

impl WatchedLedger {
    /// Some locks, and the size of four files.
    pub(super) fn refresh(&self) {
        let status = self.ledger.status();
        let head = status.head().seq;
        gauge!(LEDGER_TROUBLE).set(flag(status.trouble().is_some()));
        gauge!(LEDGER_HEAD).set(head as f64);
        gauge!(LEDGER_INDEX_LAG).set(head.saturating_sub(self.index.indexed()) as f64);
        let written = status.written();
        counter!(LEDGER_RECORDS).absolute(written.records);
        counter!(LEDGER_CERTIFICATES).absolute(written.certificates);
        counter!(LEDGER_DOUBTS).absolute(written.doubts);
        if self.is_sealed {
            let unsealed = status.unsealed();
            gauge!(LEDGER_UNSEALED).set(unsealed.records as f64);
            gauge!(LEDGER_SEAL_AGE).set(unsealed.age.as_secs_f64());
        }
        if let Some(held) = self.ledger.held() {
            gauge!(LEDGER_KEPT_ITEMS).set(held.kept as f64);
            gauge!(LEDGER_CLAIMED_ITEMS).set(held.in_work as f64);
        }
        if let Some(file) = &self.file {
            gauge!(LEDGER_FILE_BYTES).set(FILES.iter().map(|end| size(file, end)).sum::<u64>() as f64);
        }
    }
}

/// The ends of a ledger's files: itself, where SQLite writes first, and the index likewise.
const FILES: [&str; 4] = ["", "-wal", ".index", ".index-wal"];

/// Nothing where the file is not there.
fn size(file: &Path, end: &str) -> u64 {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    std::fs::metadata(PathBuf::from(name)).map_or(0, |metadata| metadata.len())
}
