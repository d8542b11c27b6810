//! `sceau ledger`: what was signed, and how the ledger is.

mod backup;
mod export;
mod find;
mod import;
mod manifest;
mod migrate;
mod prune;
mod release;
mod restore;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::domain::{Clock, NumericDate, SystemClock};

/// Ask what was signed, under which key, for whom; and keep the ledger: copies, archives, pruning.
///
/// The ledger holds hashes and no names: a certificate is found by its own text, its UVCI or the caller's item_id, or by who had it
/// signed and when.
///
/// find, show and export ask the running service: for the role auditor, or on the service's own machine for its user and root.
/// backup reads the files of this machine while it runs. restore, prune and import write them, with the service stopped; migrate
/// makes the tables of a PostgreSQL, and release frees the items of a signer there that is gone.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    Find(find::FindArgs),
    Show(show::ShowArgs),
    Export(export::ExportArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Prune(prune::PruneArgs),
    Import(import::ImportArgs),
    Migrate(migrate::MigrateArgs),
    Release(release::ReleaseArgs),
}

pub(crate) fn run(args: &LedgerArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        LedgerCommand::Find(args) => find::run(args),
        LedgerCommand::Show(args) => show::run(args),
        LedgerCommand::Export(args) => export::run(args),
        LedgerCommand::Backup(args) => backup::run(args),
        LedgerCommand::Restore(args) => restore::run(args),
        LedgerCommand::Prune(args) => prune::run(args),
        LedgerCommand::Import(args) => import::run(args),
        LedgerCommand::Migrate(args) => migrate::run(args),
        LedgerCommand::Release(args) => release::run(args),
    }
}

/// The machine's clock, as for an auditor: what is written by hand needs no other.
fn now() -> NumericDate {
    SystemClock.now()
}
