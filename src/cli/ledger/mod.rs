//! `sceau ledger`: what was signed, and how the ledger is.

mod export;
mod find;
mod migrate;
mod release;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Ask what was signed, under which key, for whom.
///
/// The ledger holds hashes and no names: a certificate is found by its own text, its UVCI or the caller's item_id, or by who had it
/// signed and when. For the role auditor, or on the service's own machine for its user and root.
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
    Migrate(migrate::MigrateArgs),
    Release(release::ReleaseArgs),
}

pub(crate) fn run(args: &LedgerArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        LedgerCommand::Find(args) => find::run(args),
        LedgerCommand::Show(args) => show::run(args),
        LedgerCommand::Export(args) => export::run(args),
        LedgerCommand::Migrate(args) => migrate::run(args),
        LedgerCommand::Release(args) => release::run(args),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
