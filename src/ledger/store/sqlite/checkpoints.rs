//! Moves what is committed from the write-ahead log into the file, beside the path of a certificate.
//!
//! Left to itself SQLite has a commit do that, one in every thousand pages, and every call waits for that one: some 20 ms, of which
//! the certificates that somebody waits for were late. Here a connection of its own does it, while commits go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

/// How many bytes of rows are written between two: so few that it often comes to the log's end between two commits, which then
/// begin the log anew, and that what it has the disk write delays none of them for long.
const EACH_BYTES: usize = 1024 * 1024;

/// Bytes of the log, in our pages, from which on the writer does it all the same, so that the log begins anew: while commits go on
/// it has no end that a checkpoint beside them could reach. What is left to do by then is what came since the last one.
pub(super) const WRITERS_OWN_BYTES: u32 = 32 * 1024 * 1024;

/// The checkpoints of a file that is written.
#[derive(Debug)]
pub(super) struct Checkpoints {
    options: SqliteConnectOptions,
    written: AtomicUsize,
    /// Held while one runs.
    connection: Mutex<Option<SqliteConnection>>,
}

impl Checkpoints {
    pub(super) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        let options = options.thread_name(|_| "ledger-checkpoint".to_owned());
        Arc::new(Self { options, written: AtomicUsize::new(0), connection: Mutex::new(None) })
    }

    /// Counts what was committed, and begins a checkpoint where that is enough.
    pub(super) fn wrote(self: &Arc<Self>, bytes: usize) {
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= EACH_BYTES {
            self.written.store(0, Ordering::Relaxed);
            tokio::spawn(Arc::clone(self).run());
        }
    }

    /// One at a time: what came meanwhile waits for the next.
    async fn run(self: Arc<Self>) {
        let Ok(mut slot) = self.connection.try_lock() else { return };
        if let Err(error) = self.checkpoint(&mut slot).await {
            tracing::debug!(%error, "a checkpoint of the ledger was left to the writer");
            *slot = None;
        }
    }

    async fn checkpoint(&self, slot: &mut Option<SqliteConnection>) -> sqlx::Result<()> {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(self.options.connect().await?),
        };
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await.map(drop)
    }

    /// Ends its connection, when the checkpoint that runs is done.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // What is in the log is not lost with it.
            let _ = connection.close().await;
        }
    }
}
