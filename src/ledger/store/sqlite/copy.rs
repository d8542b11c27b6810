//! A copy of the file, for a backup.

use std::fs::File;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{CHAINS, SqliteStore, of_sqlx, private, state_of, unreachable_file};
use crate::ledger::store::{ChainState, StoreError};

impl SqliteStore {
    /// Copies the file, as it is at this moment, while it may be written. The copy is a new file of mode 0600, durable, and has
    /// nothing of what is free in it. Gives the chains that are in it.
    ///
    /// # Errors
    /// Where it cannot be read, or the copy not be written.
    pub async fn copy_to(&self, copy: &Path) -> Result<Vec<ChainState>, StoreError> {
        let unwritable = |error: std::io::Error| unreachable_file(copy, &error);
        // SQLite takes an empty file.
        private().create_new(true).open(copy).map_err(unwritable)?;
        let mut connection = self.connect().await?.connection;
        let name = copy.to_str().ok_or_else(|| StoreError::Database { reason: "the copy's path is no UTF-8".to_owned() })?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(of_sqlx)?;
        File::open(copy).and_then(|file| file.sync_all()).map_err(unwritable)?;
        // It is looked at as it is: opened for use it would be changed.
        let as_it_is = SqliteConnectOptions::new().filename(copy).read_only(true).immutable(true).disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&as_it_is).await.map_err(of_sqlx)?;
        let rows = sqlx::query(CHAINS).fetch_all(&mut connection).await.map_err(of_sqlx)?;
        connection.close().await.map_err(of_sqlx)?;
        rows.iter().map(state_of).collect()
    }
}
