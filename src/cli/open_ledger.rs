//! From a configuration to a ledger at work, and its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;

use super::ledger_keys;
use super::stores::Stores;
use crate::config::{Config, LedgerSettings, StoreSettings};
use crate::domain::Clock;
use crate::ledger::index::{Enough, IndexTask, Indexer, Records};
use crate::ledger::pruning::{PruneTask, Pruner};
use crate::ledger::store::Store;
use crate::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use crate::ledger::{Ledger, MemoryLedger, RecordedLedger, SharedRetention};
use crate::service::auditor::Auditing;
use crate::service::monitoring::WatchedLedger;
use crate::sign::AuditKey;

/// How long a shutdown waits for the last seal and what is still to be written.
const END: Duration = Duration::from_secs(15);

/// What a claim that replicas share lasts beyond the time in which a batch is signed.
const CLAIM_MARGIN: Duration = Duration::from_secs(20);

/// How often what was kept of items, and is due, is forgotten on disk.
const FORGET_EACH: Duration = Duration::from_secs(60);

/// A ledger, and what keeps it going.
#[derive(Debug)]
pub(crate) struct OpenLedger {
    /// What the signer sees; nothing where nothing is written down and no retry is kept.
    pub(crate) ledger: Option<Arc<dyn Ledger>>,
    /// What writes it down.
    pub(crate) recorded: Option<Recorded>,
    /// What auditors ask.
    pub(crate) auditing: Option<Arc<Auditing>>,
}

/// A ledger that is written down.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) writer: ChainWriter,
    /// What monitoring looks at.
    pub(crate) watched: WatchedLedger,
    audit: Option<Arc<AuditKey>>,
    clock: Arc<dyn Clock>,
    task: WriterTask,
    chores: Vec<JoinHandle<()>>,
    index_task: IndexTask,
    prune_task: PruneTask,
}

/// Opens what the configuration names, and begins to write.
pub(crate) async fn open_ledger(config: &Config, clock: &Arc<dyn Clock>, audit: Option<AuditKey>) -> anyhow::Result<OpenLedger> {
    let LedgerSettings { store, instance, key_file, max_commit, .. } = &config.ledger;
    let has_ledger = match store {
        StoreSettings::Sqlite(path) => path.exists(),
        StoreSettings::Postgres(_) => {
            // Its keys are all replicas': none makes its own.
            anyhow::ensure!(
                key_file.exists(),
                "the ledger's keys {} are not there; all signers of the database have the same: `openssl rand -hex 32` makes one",
                key_file.display()
            );
            true
        }
        StoreSettings::Nowhere => false,
    };
    let Some(Stores { store, index, pruning, items }) = Stores::open(store).await? else {
        tracing::warn!("certificates are signed OFF THE RECORD: ledger.store is none_at_own_risk");
        let ledger = config.retries.map(|retention| Arc::new(MemoryLedger::new(retention)) as Arc<dyn Ledger>);
        return Ok(OpenLedger { ledger, recorded: None, auditing: None });
    };
    let keys = ledger_keys::load_or_make(key_file, has_ledger)?;
    let audit = audit.map(Arc::new);
    if audit.is_none() {
        tracing::warn!("nothing vouches for the ledger: whoever writes the database could write it anew; give a [ledger.audit]");
    }
    let settings = WriterSettings {
        instance: instance.clone(),
        patience: *max_commit,
        keys: keys.ids(),
        audit: audit.as_ref().map(|key| key.fingerprint()),
    };
    let (writer, task) = ChainWriter::start(Arc::clone(&store), Arc::clone(clock), settings).await.context("the ledger")?;
    let ledger = match (items, config.retries) {
        (Some(items), Some(retention)) => {
            let retention = SharedRetention { keep: retention.keep, claim: config.signer.sign_timeout + CLAIM_MARGIN };
            RecordedLedger::share(items, writer.clone(), keys.clone(), Arc::clone(clock), retention).await
        }
        (_, retention) => RecordedLedger::resume(&*store, writer.clone(), keys.clone(), Arc::clone(clock), retention).await,
    };
    let ledger = ledger.context("the ledger")?;
    let mut chores = vec![tokio::spawn(forget(Arc::clone(&store), Arc::clone(clock)))];
    if let (Some(key), Some(settings)) = (&audit, &config.ledger.audit) {
        let (key, writer, clock, pace) = (Arc::clone(key), writer.clone(), Arc::clone(clock), settings.pace);
        chores.push(tokio::spawn(async move { key.keep_sealed(&writer, &*clock, pace).await }));
    }
    let indexer = Indexer::new(Arc::clone(&store), Arc::clone(&index), writer.chain(), Enough::default());
    let indexer = indexer.behind(writer.recent());
    let index_task = indexer.start().context("cannot start the thread that indexes the ledger")?;
    let pruner = Pruner::new(Arc::clone(&store), Arc::clone(&index), pruning, writer.chain());
    let keep = config.ledger.keep_after_expiry;
    let prune_task = PruneTask::start(pruner, writer.clone(), Arc::clone(clock), keep);
    let prune_task = prune_task.context("cannot start the thread that prunes the ledger")?;
    let auditing = Auditing {
        records: Records::new(store, index),
        keys,
        writer: writer.clone(),
        audit: audit.clone(),
        clock: Arc::clone(clock),
    };
    let ledger = Arc::new(ledger);
    let file = if let StoreSettings::Sqlite(path) = &config.ledger.store { Some(path.clone()) } else { None };
    let index = Arc::clone(index_task.progress());
    let watched = WatchedLedger { ledger: Arc::clone(&ledger), index, is_sealed: audit.is_some(), file };
    let recorded = Recorded { writer, watched, audit, clock: Arc::clone(clock), task, chores, index_task, prune_task };
    Ok(OpenLedger { ledger: Some(ledger), recorded: Some(recorded), auditing: Some(Arc::new(auditing)) })
}

async fn forget(store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    loop {
        if let Err(error) = store.forget_kept(clock.now()).await {
            tracing::debug!(%error, "what was kept of items was not forgotten; it is tried again");
        }
        tokio::time::sleep(FORGET_EACH).await;
    }
}

impl Recorded {
    /// Seals the chain a last time, and ends.
    pub(crate) async fn end(self) {
        self.chores.iter().for_each(JoinHandle::abort);
        self.index_task.stop();
        self.prune_task.stop();
        let end = async {
            if let Some(key) = &self.audit
                && let Err(error) = key.seal(&self.writer, &*self.clock).await
            {
                tracing::error!(%error, "the ledger's chain could not be sealed at the end");
            }
            self.task.end().await;
        };
        if tokio::time::timeout(END, end).await.is_err() {
            tracing::error!("the ledger did not end in time");
        }
    }
}
