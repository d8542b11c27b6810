//! A ledger in SQLite and its writer, as the service has them.

use std::path::Path;
use std::sync::Arc;

use sceau::domain::{CallerId, Clock, ItemId};
use sceau::ledger::index::{Enough, Indexer};
use sceau::ledger::store::Store;
use sceau::ledger::store::sqlite::SqliteStore;
use sceau::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use sceau::ledger::{Claim, ItemKey, Ledger, LedgerKeys, RecordedLedger, Retention, SignedItem, Ticket};

use super::Batch;

/// The chain's name: that of a service without a name of its own.
const INSTANCE: &str = "sceau";

/// A ledger that writes.
pub(crate) struct LedgerAtWork {
    pub(crate) ledger: RecordedLedger,
    store: Arc<SqliteStore>,
    task: WriterTask,
}

impl LedgerAtWork {
    /// Opens a file, a new one where there is none. Without retention nothing is kept for retries.
    pub(crate) async fn open(file: &Path, keys: &LedgerKeys, clock: Arc<dyn Clock>, retention: Option<Retention>) -> Self {
        let store = Arc::new(SqliteStore::open(file).await.expect("the file can be made"));
        let settings = WriterSettings {
            instance: INSTANCE.to_owned(),
            patience: std::time::Duration::from_secs(60),
            keys: keys.ids(),
            audit: None,
        };
        let (writer, task) = ChainWriter::start(Arc::clone(&store) as _, Arc::clone(&clock), settings)
            .await
            .expect("nobody else writes the chain");
        let ledger = RecordedLedger::resume(&*store, writer, keys.clone(), clock, retention).await.expect("the store answers");
        Self { ledger, store, task }
    }

    /// All that is done for a batch: its items are claimed, its intent is written, then what was signed, and what is kept of it.
    pub(crate) async fn record(&self, batch: Batch) {
        let Batch { group, items, entries, kept } = batch;
        let tickets = self.claim(&group.caller, &items).await;
        let intent = self.ledger.intend(group).await.expect("it can be written");
        let keeps = tickets.into_iter().zip(kept).map(Some);
        let signed = entries.into_iter().zip(keeps).map(|(entry, keep)| SignedItem { keep, entry: Some(entry) }).collect();
        assert!(self.ledger.settle(intent, signed).await.iter().all(Result::is_ok));
    }

    async fn claim(&self, caller: &CallerId, items: &[ItemId]) -> Vec<Ticket> {
        let claims = self.ledger.claim(items.iter().map(|id| ItemKey::new(caller, id)).collect()).await;
        let ticket = |claim| if let Ok(Claim::Free(ticket)) = claim { ticket } else { panic!("a new item is free") };
        claims.into_iter().map(ticket).collect()
    }

    /// What indexes it.
    pub(crate) async fn indexer(&self) -> Indexer {
        let chain = self.store.chains().await.expect("the store answers")[0].chain;
        Indexer::new(Arc::clone(&self.store) as _, Arc::clone(&self.store) as _, chain, Enough::default())
            .behind(self.ledger.writer().recent())
    }

    /// Ends as the service does.
    pub(crate) async fn end(self) {
        self.task.end().await;
    }
}
