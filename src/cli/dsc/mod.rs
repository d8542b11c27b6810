//! `sceau dsc`: the life of the DSCs, one file a step.

mod activate;
mod canary;
mod compromise;
mod csr;
mod destroy;
mod generate;
mod import;
mod list;
mod plan;
mod publish;
mod retire;
mod show;
mod trust_list;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::ndjson;
use super::two_officers::{Desk, ProposingArgs, Wish, propose, tell_proposed};
use crate::domain::officers::Change;

pub(crate) use plan::NoCalendar;

/// Look after the DSCs: make keys, have them certified, let them sign, and stop them; two officers for each change.
///
/// One officer proposes, which `sceau approvals` shows; another approves, and then it is done. What is signed is shown first.
#[derive(Debug, Args)]
pub(crate) struct DscArgs {
    #[command(subcommand)]
    command: DscCommand,
}

#[derive(Debug, Subcommand)]
enum DscCommand {
    Generate(generate::GenerateArgs),
    Csr(csr::CsrArgs),
    Import(import::ImportArgs),
    Publish(publish::PublishArgs),
    Canary(canary::CanaryArgs),
    Activate(activate::ActivateArgs),
    Retire(retire::RetireArgs),
    Compromise(compromise::CompromiseArgs),
    Destroy(destroy::DestroyArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    TrustList(trust_list::TrustListArgs),
    Plan(plan::PlanArgs),
}

pub(crate) fn run(args: &DscArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        DscCommand::Generate(args) => generate::run(args),
        DscCommand::Csr(args) => csr::run(args),
        DscCommand::Import(args) => import::run(args),
        DscCommand::Publish(args) => publish::run(args),
        DscCommand::Canary(args) => canary::run(args),
        DscCommand::Activate(args) => activate::run(args),
        DscCommand::Retire(args) => retire::run(args),
        DscCommand::Compromise(args) => compromise::run(args),
        DscCommand::Destroy(args) => destroy::run(args),
        DscCommand::List(args) => list::run(args),
        DscCommand::Show(args) => show::run(args),
        DscCommand::TrustList(args) => trust_list::run(args),
        DscCommand::Plan(args) => plan::run(args),
    }
}

/// Proposes a change, and says what became of it.
fn propose_and_tell(args: &ProposingArgs, desk: &mut Desk, change: Change) -> anyhow::Result<ExitCode> {
    let proposed = propose(args, desk, Wish::of(change))?;
    ndjson::on_stdout(|out| {
        tell_proposed(args, desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}
