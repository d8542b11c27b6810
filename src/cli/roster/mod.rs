//! `sceau roster`: who the officers are.

mod change;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Look after who the officers are, and how many have to agree.
#[derive(Debug, Args)]
pub(crate) struct RosterArgs {
    #[command(subcommand)]
    command: RosterCommand,
}

#[derive(Debug, Subcommand)]
enum RosterCommand {
    Show(show::ShowArgs),
    Change(change::ChangeArgs),
}

pub(crate) fn run(args: &RosterArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        RosterCommand::Show(args) => show::run(args),
        RosterCommand::Change(args) => change::run(args),
    }
}
