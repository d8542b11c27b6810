//! `sceau bench`: load on a running service, measured.

mod files;
mod load;
mod payloads;
mod progress;
mod runs;
mod scenario;
mod service;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Measure a running service.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Load(load::LoadArgs),
    Scenario(scenario::ScenarioArgs),
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        BenchCommand::Load(args) => load::run(args),
        BenchCommand::Scenario(args) => scenario::run(args),
    }
}
