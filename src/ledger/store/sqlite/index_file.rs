//! The index, in a file of its own beside the ledger's. SQLite has one writer a file at a time: a segment is written without
//! haste, and no commit waits for it. Nothing is lost with it: it is built anew from the records.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::Mutex;

use super::{
    READER_CACHE, READERS, SqliteStore, column, make_private, migrate, octets, of_sqlx, options, place, unreachable_file,
};
use crate::domain::Octets;
use crate::ledger::store::steps::Step;
use crate::ledger::store::{Store, StoreError};

/// How its tables came to be.
pub(in crate::ledger::store) const STEPS: [Step; 1] = [("index", include_str!("1_index.sql"))];

/// The index of a ledger in SQLite.
#[derive(Debug)]
pub(super) struct IndexFile {
    path: PathBuf,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    /// Made where it is first needed, so that its thread is as polite as who builds the index.
    builder: Mutex<Option<SqliteConnection>>,
}

impl IndexFile {
    /// The one beside a ledger: `ledger.db` has `ledger.db.index`. Nothing is opened yet.
    pub(super) fn beside(ledger: &Path) -> Self {
        let path = with_end(ledger, ".index");
        // What a loss of power takes from it is indexed again.
        let options = options(&path).synchronous(SqliteSynchronous::Normal).thread_name(|_| "ledger-index-db".to_owned());
        let reading = options.clone().pragma("cache_size", READER_CACHE).thread_name(|_| "ledger-find-db".to_owned());
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(reading);
        Self { path, options, readers, builder: Mutex::new(None) }
    }

    /// Makes it ready to be written. Where there is none, or one that cannot be read, or is of another ledger (an older one was put
    /// back, say), it begins anew.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub(super) async fn prepare(&self, ledger: &SqliteStore) -> Result<(), StoreError> {
        match self.check(ledger).await {
            Err(error) => {
                tracing::warn!(%error, "the ledger's index is built anew; answers take longer until it is there");
                remove(&self.path)?;
                self.check(ledger).await
            }
            checked => checked,
        }
    }

    async fn check(&self, ledger: &SqliteStore) -> Result<(), StoreError> {
        make_private(&self.path).map_err(|error| unreachable_file(&self.path, &error))?;
        let mut connection = SqliteConnection::connect_with(&self.options).await.map_err(of_sqlx)?;
        migrate(&mut connection, &STEPS).await?;
        is_of(&mut connection, ledger).await?;
        connection.close().await.map_err(of_sqlx)
    }

    /// Connections for questions; nothing where there is no index yet, for one who only reads makes none.
    pub(super) fn readers(&self) -> Option<&SqlitePool> {
        self.path.exists().then_some(&self.readers)
    }

    /// Ends its connections.
    pub(super) async fn close(self) {
        self.readers.close().await;
        if let Some(builder) = self.builder.into_inner() {
            // What it has not written into the file is in the log beside it.
            let _ = builder.close().await;
        }
    }

    /// The connection that writes. It is put back only by a work that went well.
    pub(super) async fn building<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = self.builder.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await.map_err(of_sqlx)?,
        };
        let done = work(&mut connection).await?;
        *slot = Some(connection);
        Ok(done)
    }
}

/// Fails where the ledger's chains have other links at the ends of segments than the index knows.
async fn is_of(connection: &mut SqliteConnection, ledger: &SqliteStore) -> Result<(), StoreError> {
    let ends = "SELECT chain, through, link FROM segment WHERE id IN (SELECT max(id) FROM segment GROUP BY chain)";
    for end in sqlx::query(ends).fetch_all(connection).await.map_err(of_sqlx)? {
        let (chain, through, link): (i64, u64, Octets<32>) = (column(&end, 0)?, place(&end, 1)?, octets(&end, 2)?);
        let rows = ledger.rows(chain, through, 1).await?;
        if !rows.iter().any(|row| (row.seq, row.link) == (through, link)) {
            return Err(StoreError::Damaged { reason: "the index is of another ledger".to_owned() });
        }
    }
    Ok(())
}

/// A file's name, with something behind it.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    for file in ["", "-wal", "-shm"].map(|end| with_end(path, end)) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unreachable_file(&file, &error)),
            _ => {}
        }
    }
    Ok(())
}
