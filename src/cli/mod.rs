//! The command line: one file, or folder, a subcommand.

mod approvals;
mod audit;
mod bench;
mod ceremony;
mod clock;
mod completions;
mod config;
mod connection;
mod counting;
mod dev;
mod dsc;
mod encode;
mod environment;
mod exit;
mod inspect;
mod ledger;
mod ledger_keys;
mod log;
mod man;
mod ndjson;
mod new_file;
mod notify;
mod officer;
mod open;
mod open_custody;
mod open_ledger;
mod page;
mod place;
mod plan;
mod qr;
mod quantity;
mod question;
mod reload;
mod revoke;
mod roster;
mod rules;
mod sample;
mod serve;
mod sign;
mod stores;
mod token;
mod token_worker;
mod two_officers;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

/// What a command waits for answers on.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// HSM-backed batch signing of health certificates (EU DCC / HCERT).
#[derive(Debug, Parser)]
#[command(name = "sceau", version, max_term_width = 110, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Try it without an HSM (SoftHSM has to be installed):
  sceau dev --dir demo                             # in one terminal
  sceau sample --count 1100 --out day.ndjson       # in another
  sceau sign --endpoint http://127.0.0.1:7443 --in day.ndjson --out signed.ndjson
  sceau verify --trust demo/trust.pem --in signed.ndjson --summary --quiet

Exit codes:
  0   done
  2   done, and some items were refused or invalid
  64  wrong usage
  66  an input file cannot be read
  69  a service or token cannot be reached
  74  reading or writing failed
  77  the service does not let this caller do that
  78  the configuration is wrong
  1   anything else";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Dev(dev::DevArgs),
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
    Encode(encode::EncodeArgs),
    Sample(sample::SampleArgs),
    Plan(plan::PlanArgs),
    Qr(qr::QrArgs),
    Bench(bench::BenchArgs),
    Audit(audit::AuditArgs),
    Rules(rules::RulesArgs),
    Config(config::ConfigArgs),
    Token(token::TokenArgs),
    Ledger(ledger::LedgerArgs),
    Dsc(dsc::DscArgs),
    Officer(officer::OfficerArgs),
    Ceremony(ceremony::CeremonyArgs),
    Approvals(approvals::ApprovalsArgs),
    Approve(approvals::ApproveArgs),
    Reject(approvals::RejectArgs),
    Execute(approvals::ExecuteArgs),
    Roster(roster::RosterArgs),
    Revoke(revoke::RevokeArgs),
    Clock(clock::ClockArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    #[command(hide = true)]
    TokenWorker(token_worker::TokenWorkerArgs),
}

/// Reads the command line, does what it says, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match &cli.command {
        Command::TokenWorker(_) => log::start_worker(),
        // They say in their configuration what a line is like.
        Command::Serve(_) | Command::Dev(_) => {}
        _ => log::start(),
    }
    let done = match &cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Dev(args) => dev::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Encode(args) => encode::run(args),
        Command::Sample(args) => sample::run_to_stdout(args),
        Command::Plan(args) => plan::run(args),
        Command::Qr(args) => qr::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Config(args) => config::run(args),
        Command::Token(args) => token::run(args),
        Command::Ledger(args) => ledger::run(args),
        Command::Dsc(args) => dsc::run(args),
        Command::Officer(args) => officer::run(args),
        Command::Ceremony(args) => ceremony::run(args),
        Command::Approvals(args) => approvals::list(args),
        Command::Approve(args) => approvals::approve(args),
        Command::Reject(args) => approvals::reject(args),
        Command::Execute(args) => approvals::execute(args),
        Command::Roster(args) => roster::run(args),
        Command::Revoke(args) => revoke::run(args),
        Command::Clock(args) => clock::run(args),
        Command::Completions(args) => completions::run(args, &command()),
        Command::Man(args) => man::run(args, command()),
        Command::TokenWorker(args) => token_worker::run(args),
    };
    crate::token::finalize_modules();
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "sceau: {error:#}");
        exit::code_of(&error)
    })
}

/// The whole command line, for what describes it.
fn command() -> clap::Command {
    Cli::command()
}

/// Help and version go to stdout and are a success; wrong usage goes to stderr and is 64, so that 2 stays free.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
}
