//! `sceau ledger migrate`: the tables of a ledger in PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::stores::url_of;
use crate::config::{Config, StoreSettings};
use crate::ledger::store::postgres::PostgresStore;

/// Make the tables of a ledger in PostgreSQL, or bring them up to date.
///
/// Before the first start, and before a Sceau that wants other tables. A service never does so by itself: its user in the database
/// needs no right to. A ledger in SQLite brings itself up to date.
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
    crate::cli::runtime()?.block_on(PostgresStore::migrate(&url)).with_context(|| format!("the ledger {url}"))?;
    Ok(ExitCode::SUCCESS)
}
