//! `sceau ledger restore`: a backup put back.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::manifest::{ChainHead, LEDGER, Manifest, copy_new, places};
use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson;
use crate::cli::runtime;
use crate::cli::stores::Stores;
use crate::config::{Config, StoreSettings};
use crate::ledger::archive::PinnedHead;
use crate::ledger::moving::ChainCheck;
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{ChainState, Store};

/// Put a backup back where the configuration says, with the service stopped.
///
/// Nothing is overwritten: what is there is moved away first, and kept. Every file has to be what was backed up, and every record of
/// the ledger is checked. A head that was written down since (--min-head) tells what the backup lacks. A ledger in PostgreSQL is put
/// back first, by pg_restore into an empty database; this checks it, and that it has the heads of the backup.
///
/// What was signed after the backup is not on record. If certificates left in that time (the heads that were written down, the
/// callers and the HSM's own counters tell), nobody can revoke them one by one: fetch their records from an export that was made
/// since, or have the callers hand the certificates in; where neither can be had, retire the DSC of that time.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  systemctl stop sceau
  pg_restore --dbname=\"$URL\" ledger.dump          # for a ledger in PostgreSQL
  runuser -u sceau -- sceau ledger restore --config /etc/sceau/sceau.toml /var/backups/sceau/2021-12-24 --min-head north:81234:5f0c...

Exit codes: 0 restored, 2 restored, and older than a head of --min-head, or the dump older than the backup.")]
pub(super) struct RestoreArgs {
    /// The configuration of the service on this machine
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A head that was printed or written down since the backup; may be given more than once
    #[arg(long, value_name = "INSTANCE:SEQ:LINK")]
    min_head: Vec<PinnedHead>,
}

pub(super) fn run(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let manifest = Manifest::open(&args.folder)?;
    let placed = placed(&config, &manifest)?;
    let mut done = Vec::new();
    let restored = place(args, &placed, &mut done).and_then(|()| runtime()?.block_on(check(&config, &manifest, &args.min_head)));
    let findings = match restored {
        Ok(findings) => findings,
        Err(error) => {
            // Half a ledger is none.
            done.iter().for_each(|path| drop(fs::remove_file(path)));
            return Err(error);
        }
    };
    ndjson::on_stdout(|out| {
        tell(out, &manifest, &placed, &findings)?;
        Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
    })
}

/// Where each file of the backup goes; nothing may be there.
fn placed(config: &Config, manifest: &Manifest) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let places = places(config);
    let mut placed = Vec::new();
    for file in &manifest.files {
        let place = places.iter().find(|(name, _)| *name == file.name);
        let (name, place) = place.with_context(|| {
            let name = &file.name;
            format!("the backup has {name}, and the configuration has no place for it: restore by the configuration of that time")
        })?;
        let beside = if name == LEDGER { vec!["", "-wal", "-shm"] } else { vec![""] };
        for end in beside {
            let taken = PathBuf::from(format!("{}{end}", place.display()));
            anyhow::ensure!(!taken.exists(), "{} is there, and is not overwritten: move it away, and keep it", taken.display());
        }
        placed.push((name.clone(), place.clone()));
    }
    Ok(placed)
}

fn place(args: &RestoreArgs, placed: &[(String, PathBuf)], done: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for (name, place) in placed {
        if let Some(folder) = place.parent().filter(|folder| !folder.exists()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("cannot make {}", folder.display()))?;
        }
        copy_new(&args.folder.join(name), place)?;
        done.push(place.clone());
    }
    Ok(())
}

/// Checks every record of the ledger that was put back; gives what is less than it ought to be.
async fn check(config: &Config, manifest: &Manifest, heads: &[PinnedHead]) -> anyhow::Result<Vec<String>> {
    match &config.ledger.store {
        StoreSettings::Sqlite(path) if path.exists() => {
            let store = open(path).await?;
            let chains = check_chains(&store).await?;
            for ChainHead { instance, head } in &manifest.heads {
                let is_there = chains.iter().any(|chain| chain.instance == *instance && chain.head == *head);
                anyhow::ensure!(is_there, "the ledger in the backup ends elsewhere than its manifest says: chain {instance:?}");
            }
            let findings = lost(&store, &chains, heads).await?;
            store.close().await;
            Ok(findings)
        }
        settings @ StoreSettings::Postgres(_) => {
            let opened = Stores::open(settings).await;
            let stores =
                opened.context("pg_restore puts the ledger back first; then run this again")?.context("there is no ledger")?;
            let chains = check_chains(&*stores.store).await?;
            // A dump has a moment of its own: what was there when the backup was made has to be in it, and more may be.
            let backed_up =
                manifest.heads.iter().map(|ChainHead { instance, head }| PinnedHead { instance: instance.clone(), head: *head });
            let heads: Vec<_> = backed_up.chain(heads.iter().cloned()).collect();
            lost(&*stores.store, &chains, &heads).await
        }
        _ => Ok(Vec::new()),
    }
}

async fn check_chains(store: &dyn Store) -> anyhow::Result<Vec<ChainState>> {
    let chains = store.chains().await?;
    for chain in &chains {
        ChainCheck::whole(store, chain).await?;
    }
    Ok(chains)
}

/// What chains lack of heads; fails where a head is of another history.
async fn lost(store: &dyn Store, chains: &[ChainState], heads: &[PinnedHead]) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for PinnedHead { instance, head } in heads {
        let chain = chains.iter().find(|chain| chain.instance == *instance);
        let last = chain.map_or(0, |chain| chain.head.seq);
        if last < head.seq {
            findings.push(format!("chain {instance}: records {} to {} are not in the backup", last + 1, head.seq));
        } else if let Some(chain) = chain {
            let row = store.rows(chain.chain, head.seq, 1).await?;
            anyhow::ensure!(
                head.seq == 0 || row.first().is_some_and(|row| (row.seq, row.link) == (head.seq, head.link)),
                "chain {instance:?} has another history than the head {}:{}: it is not that ledger",
                head.seq,
                head.link
            );
        }
    }
    Ok(findings)
}

async fn open(path: &Path) -> anyhow::Result<SqliteStore> {
    SqliteStore::open(path).await.with_context(|| format!("the ledger {}", path.display()))
}

fn tell(out: &mut dyn Write, manifest: &Manifest, placed: &[(String, PathBuf)], findings: &[String]) -> anyhow::Result<()> {
    writeln!(out, "restored what was backed up at {}, every record checked:", manifest.made_at)?;
    placed.iter().try_for_each(|(_, place)| writeln!(out, "  {}", place.display()))?;
    for ChainHead { instance, head } in &manifest.heads {
        writeln!(out, "head {instance}:{}:{}", head.seq, head.link)?;
    }
    findings.iter().try_for_each(|finding| writeln!(out, "LOST: {finding}"))?;
    writeln!(out, "What was signed after {} is not on record. If certificates left since then: take their", manifest.made_at)?;
    writeln!(out, "records from a later export, have the callers hand them in, or retire the DSC of that time.")?;
    Ok(())
}
