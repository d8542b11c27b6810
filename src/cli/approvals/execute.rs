//! `sceau execute`: what was approved, and not done.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::ndjson;
use crate::cli::page::{fields, line};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, decided, proposal_json, proposal_state, read_proposal, tell};
use crate::service::proto::v1;

/// Have an approved proposal executed, which was not when its last approval came.
///
/// A token may not have answered, or the replica may have gone. Nobody signs anything: enough officers have agreed. What was executed
/// is not executed again; the answer says what came of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau execute 8f3a12bc90de --config sceau.toml
  sceau execute 8f3a12bc90de --config sceau.toml --dry-run

Exit codes: 0 done, 2 tried, and not done: it failed, or still waits, 64 it is not approved, or over, 69 the service does not answer.")]
pub(crate) struct ExecuteArgs {
    /// The proposal: 8 or more of the digits that `sceau approvals` shows
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Only say how it stands
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExecuteArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::with_ended(&args.place)?;
    let told = desk.scene.proposal(&args.id)?.clone();
    let proposal = read_proposal(&told)?;
    if args.dry_run {
        return ndjson::on_stdout(|out| {
            if args.json {
                writeln!(out, "{:#}", json!({ "proposal": proposal_json(&told, &desk.scene), "dry_run": true }))?;
                return Ok(ExitCode::SUCCESS);
            }
            let what = tell(proposal.change(), &desk.scene);
            line(out, &format!("{}: {}", proposal_state(told.state()), what.headline))?;
            fields(out, &what.facts)?;
            line(out, "Nothing was executed.")?;
            Ok(ExitCode::SUCCESS)
        });
    }
    let answer = desk.execute(v1::ExecuteRequest { proposal: told.id })?;
    let done = decided(&desk.scene, &args.place, proposal, answer);
    super::tell(&done, &desk, args.json)
}
