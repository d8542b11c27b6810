//! The database of a ledger, opened as the configuration names it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use zeroize::Zeroizing;

use crate::config::{PostgresSettings, StoreSettings};
use crate::ledger::index::IndexStore;
use crate::ledger::store::postgres::{PostgresStore, PostgresUrl};
use crate::ledger::store::pruning::PruningStore;
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{ItemStore, Store};
use crate::token::pin::check_mode;

/// One database, by what it does.
pub(crate) struct Stores {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Arc<dyn IndexStore>,
    pub(crate) pruning: Arc<dyn PruningStore>,
    /// Where replicas share their claims.
    pub(crate) items: Option<Arc<dyn ItemStore>>,
}

impl Stores {
    /// Opens a database for writing; nothing where nothing is written down.
    pub(crate) async fn open(settings: &StoreSettings) -> anyhow::Result<Option<Self>> {
        Ok(match settings {
            StoreSettings::Nowhere => None,
            StoreSettings::Sqlite(path) => Some(Self::of_sqlite(Arc::new(open_sqlite(path).await?))),
            StoreSettings::Postgres(settings) => Some(Self::of_postgres(Arc::new(open_postgres(settings).await?))),
        })
    }

    pub(crate) fn of_sqlite(store: Arc<SqliteStore>) -> Self {
        Self { store: Arc::clone(&store) as _, index: Arc::clone(&store) as _, pruning: store, items: None }
    }

    fn of_postgres(store: Arc<PostgresStore>) -> Self {
        let (index, pruning) = (Arc::clone(&store) as _, Arc::clone(&store) as _);
        Self { store: Arc::clone(&store) as _, index, pruning, items: Some(store) }
    }
}

/// Opens a file; makes it, with its folder, where there is none.
pub(crate) async fn open_sqlite(path: &Path) -> anyhow::Result<SqliteStore> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the ledger's folder {}", folder.display()))?;
    }
    SqliteStore::open(path).await.with_context(|| format!("the ledger {}", path.display()))
}

async fn open_postgres(settings: &PostgresSettings) -> anyhow::Result<PostgresStore> {
    PostgresStore::connect(url_of(settings)?).await.with_context(|| format!("the ledger {}", settings.url))
}

/// The URL of a database, with the password that stands in a file.
pub(crate) fn url_of(PostgresSettings { url, password_file }: &PostgresSettings) -> anyhow::Result<PostgresUrl> {
    let Some(file) = password_file else { return Ok(url.clone()) };
    let context = || format!("ledger.password_file {}", file.display());
    check_mode(file).map_err(anyhow::Error::msg).with_context(context)?;
    let text = Zeroizing::new(std::fs::read_to_string(file).with_context(context)?);
    Ok(url.clone().with_password(text.lines().next().unwrap_or_default()))
}
