//! `sceau dsc`: the life of the DSCs, one file a step.

mod plan;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use plan::NoCalendar;

/// Look after the DSCs.
#[derive(Debug, Args)]
pub(crate) struct DscArgs {
    #[command(subcommand)]
    command: DscCommand,
}

#[derive(Debug, Subcommand)]
enum DscCommand {
    Plan(plan::PlanArgs),
}

pub(crate) fn run(args: &DscArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        DscCommand::Plan(args) => plan::run(args),
    }
}
