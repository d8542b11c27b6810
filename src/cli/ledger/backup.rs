//! `sceau ledger backup`: a copy of the ledger and of what belongs to it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::manifest::{ChainHead, LEDGER, MANIFEST, Manifest, copy_new, places};
use super::now;
use crate::cli::ndjson;
use crate::cli::runtime;
use crate::cli::stores::Stores;
use crate::config::{Config, StoreSettings};
use crate::ledger::store::ChainState;
use crate::ledger::store::sqlite::SqliteStore;

/// Copy the ledger, its keys, and what else the service must not forget, into a new folder.
///
/// Also while the service runs: the copy is the ledger of one moment, and signing goes on. With it go the ledger's keys, latches of
/// refused PINs, what tokens' workers remember of officers' work, what the clock guard knows and what callers have used up of their
/// day, and a manifest with digests and each chain's head. Run it as the service's user, or root. A ledger in PostgreSQL is copied by
/// pg_dump; this takes what is beside it, and the heads.
///
/// The folder holds secrets: the keys under which item_ids are hashed. The configuration, its certificates, the PIN file and
/// the UVCI secret are not in it; back them up with the machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ledger backup --config /etc/sceau/sceau.toml /var/backups/sceau/2021-12-24
  pg_dump --format=custom --file=ledger.dump \"$URL\"       # for a ledger in PostgreSQL, after this command

Write down the heads that it prints, elsewhere: `sceau ledger restore --min-head` tells by them what a backup lacks.")]
pub(super) struct BackupArgs {
    /// The configuration of the service on this machine
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
    /// The folder to make; it must not be there, or be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    make(&args.folder)?;
    let made_at = now();
    // The ledger first: what the others know may be newer, never older.
    let chains = runtime()?.block_on(copy_ledger(&config, &args.folder))?;
    let mut names = Vec::new();
    for (name, place) in places(&config) {
        if name != LEDGER && place.exists() {
            copy_new(&place, &args.folder.join(&name))?;
        }
        names.extend(args.folder.join(&name).exists().then_some(name));
    }
    let heads = chains.into_iter().map(|chain| ChainHead { instance: chain.instance, head: chain.head }).collect();
    let manifest = Manifest::of(&args.folder, &names, made_at, heads)?;
    manifest.write(&args.folder)?;
    ndjson::on_stdout(|out| {
        writeln!(out, "backed up to {} at {}: {}", args.folder.display(), manifest.made_at, names.join(", "))?;
        for ChainHead { instance, head } in &manifest.heads {
            writeln!(out, "head {instance}:{}:{}", head.seq, head.link)?;
        }
        if matches!(config.ledger.store, StoreSettings::Postgres(_)) {
            writeln!(
                out,
                "The ledger is in PostgreSQL and is not in this backup: pg_dump copies it. Run it now, and the heads are in it."
            )?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes the folder, for its owner alone.
fn make(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot make {}", folder.display());
    if folder.exists() {
        let is_empty = fs::read_dir(folder).with_context(cannot)?.next().is_none();
        anyhow::ensure!(
            is_empty,
            "{} is not empty; a backup goes into a folder of its own, with its {MANIFEST}",
            folder.display()
        );
        use std::os::unix::fs::PermissionsExt;
        return fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(cannot);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(cannot)
}

async fn copy_ledger(config: &Config, folder: &Path) -> anyhow::Result<Vec<ChainState>> {
    match &config.ledger.store {
        StoreSettings::Nowhere => Ok(Vec::new()),
        StoreSettings::Sqlite(path) => {
            anyhow::ensure!(path.exists(), "there is no ledger {}", path.display());
            let copied = SqliteStore::open_to_read(path).copy_to(&folder.join(LEDGER)).await;
            copied.with_context(|| format!("cannot copy the ledger {}", path.display()))
        }
        settings @ StoreSettings::Postgres(_) => {
            let stores = Stores::open(settings).await?.context("there is no ledger")?;
            Ok(stores.store.chains().await?)
        }
    }
}
