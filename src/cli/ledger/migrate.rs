//! `sceau ledger migrate`: the tables of a ledger in PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use crate::cli::stores::url_of;
use crate::config::{Config, StoreSettings};
use crate::ledger::index::{Enough, IndexStore, Indexer};
use crate::ledger::store::postgres::{PostgresStore, PostgresUrl};
use crate::ledger::store::{ChainState, Store, StoreError};

/// Make the tables of a ledger in PostgreSQL, or bring them up to date.
///
/// Before the first start, and before a Sceau that wants other tables. A service never does so by itself: its user in the database
/// needs no right to. A ledger in SQLite brings itself up to date. Where the index has a new form it is built anew, of ten million
/// certificates in some minutes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ledger migrate --config /etc/sceau/sceau.toml
  PGUSER=owner sceau ledger migrate --config /etc/sceau/sceau.toml    # where the URL names no user")]
pub(super) struct MigrateArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
}

pub(super) fn run(args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let StoreSettings::Postgres(settings) = &config.ledger.store else {
        anyhow::bail!("ledger.store is not \"postgres\": there is nothing to bring up to date")
    };
    let url = url_of(settings)?;
    let done = crate::cli::runtime()?.block_on(migrate(&url));
    done.with_context(|| format!("the ledger {url}"))?;
    Ok(ExitCode::SUCCESS)
}

/// A new form of the index begins empty, and a service builds its own chain's alone.
async fn migrate(url: &PostgresUrl) -> Result<(), StoreError> {
    PostgresStore::migrate(url).await?;
    let store = Arc::new(PostgresStore::connect(url.clone()).await?);
    let (store, index) = (Arc::clone(&store) as Arc<dyn Store>, store as Arc<dyn IndexStore>);
    for ChainState { chain, .. } in store.chains().await? {
        if index.indexed(chain).await? == 0 {
            Indexer::new(Arc::clone(&store), Arc::clone(&index), chain, Enough::default()).catch_up().await?;
        }
    }
    Ok(())
}
