//! `sceau ledger prune`: forget what expired long enough ago, by hand.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::now;
use crate::cli::ledger_keys;
use crate::cli::ndjson;
use crate::cli::runtime;
use crate::cli::stores::{Stores, open_sqlite};
use crate::config::{Config, LedgerSettings, StoreSettings};
use crate::domain::{NumericDate, SystemClock};
use crate::ledger::pruning::{Pruned, Pruner};
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{StoreError, Wanted};
use crate::ledger::writer::{ChainWriter, WriterSettings};

/// Forget records of certificates that expired before a day.
///
/// With `keep_days_after_expiry` in its [ledger] the running service does so by itself; this is for doing it by hand, with the
/// service stopped. Who asked for a group of certificates, and what is on record of each, goes when all of them have expired; a
/// record of the pruning is written first, digests stay, and `sceau audit verify` holds it for intact. Revocations and intents in
/// doubt stay. It cannot be undone: export the ledger first, where an archive is to be kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ledger prune --config /etc/sceau/sceau.toml --before 2022-01-01 --dry-run    # while the service runs, too
  systemctl stop sceau
  runuser -u sceau -- sceau ledger prune --config /etc/sceau/sceau.toml --before 2022-01-01

In SQLite what is forgotten is overwritten, and its room is used again by what comes: the file does not grow, and does not shrink
by itself, since what lets it shrink would cost something at every certificate. --compact writes it anew without what is free;
it takes the room of a second one meanwhile. PostgreSQL's autovacuum gives the room back to what comes.")]
pub(super) struct PruneArgs {
    /// The configuration of the service on this machine
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
    /// Forget what expired before this day (00:00 UTC) or instant, like 2022-01-01 or 2022-01-01T00:00:00Z
    #[arg(long, value_name = "DATE", value_parser = parse_day)]
    before: NumericDate,
    /// Another chain of the database than the configured one's: of a signer that is gone
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Only say how much it would be
    #[arg(long)]
    dry_run: bool,
    /// Write the SQLite file anew afterwards, without what is free in it
    #[arg(long, conflicts_with = "dry_run")]
    compact: bool,
}

fn parse_day(text: &str) -> Result<NumericDate, &'static str> {
    NumericDate::from_rfc3339(text)
        .or_else(|| NumericDate::from_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or("a day like 2022-01-01, or an instant like 2022-01-01T00:00:00Z")
}

pub(super) fn run(args: &PruneArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    anyhow::ensure!(args.before <= now(), "--before {} is still to come: what has not expired is not forgotten", args.before);
    let runtime = runtime()?;
    let instance = args.instance.as_deref().unwrap_or(&config.ledger.instance);
    let pruned = if args.dry_run {
        runtime.block_on(count(&config.ledger, instance, args.before))?
    } else {
        runtime.block_on(prune(&config.ledger, instance, args))?
    };
    let Pruned { groups, certificates } = pruned;
    ndjson::on_stdout(|out| {
        let what = if args.dry_run { "would be forgotten" } else { "forgotten" };
        writeln!(out, "{what}: {certificates} certificates in {groups} groups, expired before {}", args.before)?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn count(ledger: &LedgerSettings, instance: &str, before: NumericDate) -> anyhow::Result<Pruned> {
    let stores = match &ledger.store {
        StoreSettings::Sqlite(path) => {
            is_there(path)?;
            Stores::of_sqlite(Arc::new(SqliteStore::open_to_read(path)))
        }
        other => opened(Stores::open(other).await?)?,
    };
    Ok(pruner(&stores, instance).await?.count(before).await?)
}

async fn prune(ledger: &LedgerSettings, instance: &str, args: &PruneArgs) -> anyhow::Result<Pruned> {
    let (stores, file) = match &ledger.store {
        StoreSettings::Sqlite(path) => {
            is_there(path)?;
            let file = Arc::new(open_sqlite(path).await.context("stop the service first")?);
            (Stores::of_sqlite(Arc::clone(&file)), Some(file))
        }
        other => (opened(Stores::open(other).await?)?, None),
    };
    anyhow::ensure!(!args.compact || file.is_some(), "--compact is for SQLite; PostgreSQL has VACUUM FULL");
    let pruner = pruner(&stores, instance).await?;
    is_free(&stores, instance).await?;
    let keys = ledger_keys::load(&ledger.key_file)?.ids();
    let settings = WriterSettings { instance: instance.to_owned(), patience: ledger.max_commit, keys, audit: None };
    let (writer, task) = ChainWriter::start(Arc::clone(&stores.store), Arc::new(SystemClock), settings).await?;
    let pruned = pruner.run(&writer, args.before, &AtomicBool::new(false)).await;
    task.end().await;
    let pruned = pruned?;
    if let Some(file) = file.filter(|_| args.compact) {
        file.compact().await.context("the file is as large as before")?;
    }
    Ok(pruned)
}

async fn pruner(stores: &Stores, instance: &str) -> anyhow::Result<Pruner> {
    let chains = stores.store.chains().await.context("the ledger")?;
    let chain = chains.into_iter().find(|state| state.instance == instance);
    let chain = chain.with_context(|| format!("the ledger has no chain {instance:?}"))?.chain;
    Ok(Pruner::new(Arc::clone(&stores.store), Arc::clone(&stores.index), Arc::clone(&stores.pruning), chain))
}

/// A chain has one writer: where a service has it, its lease is not waited for.
async fn is_free(stores: &Stores, instance: &str) -> anyhow::Result<()> {
    let holder = crate::domain::Octets(rand::random());
    let wanted = Wanted { instance, holder: &holder, lasts: Duration::from_secs(1) };
    let taken = stores.store.take(wanted).await;
    if let Err(StoreError::Held { left, .. }) = &taken {
        anyhow::bail!(
            "a service writes the chain {instance:?}: stop it first (one that was killed has it for another {} s)",
            left.as_secs()
        );
    }
    Ok(stores.store.release(&taken?.lease).await?)
}

fn is_there(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(path.exists(), "there is no ledger {}", path.display());
    Ok(())
}

fn opened(stores: Option<Stores>) -> anyhow::Result<Stores> {
    stores.context("ledger.store is none_at_own_risk: nothing is written down")
}
