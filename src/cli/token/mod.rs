//! `sceau token`: what an officer does about a token.

mod change;
mod probe;
mod report;
mod status;
mod unlatch;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Look after a token.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    Probe(probe::ProbeArgs),
    Status(status::StatusArgs),
    Unlatch(unlatch::UnlatchArgs),
    ChangePin(change::ChangePinArgs),
    Initialise(change::InitialiseArgs),
}

pub(crate) use probe::WrongSignatures;

pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        TokenCommand::Probe(args) => probe::run(args),
        TokenCommand::Status(args) => status::run(args),
        TokenCommand::Unlatch(args) => unlatch::run(args),
        TokenCommand::ChangePin(args) => change::change_pin(args),
        TokenCommand::Initialise(args) => change::initialise(args),
    }
}
