//! `sceau approvals`: what waits for officers.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::ndjson;
use crate::cli::page::{line, table};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, Next, Scene, hex_id, instant, proposal_json, proposal_state, read_proposal, tell};
use crate::service::proto::v1;

/// Show the proposals that officers may decide on, or that wait to be executed.
///
/// The one that expires first stands in front. What each is about is read from the text that its officer signed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau approvals --config sceau.toml
  sceau approvals --config sceau.toml --all         # those that are over too, in the order of the chain
  sceau approvals --config sceau.toml --json | jq -r '.proposals[].id'")]
pub(crate) struct ApprovalsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Those that are over as well
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// How many digits of a proposal are shown: enough to tell all of them apart.
const DIGITS: usize = 12;

pub(crate) fn run(args: &ApprovalsArgs) -> anyhow::Result<ExitCode> {
    let scene = Desk::asking(&args.place, v1::ShowCustodyRequest { at: None, with_ended: args.all })?.scene;
    ndjson::on_stdout(|out| {
        if args.json {
            let proposals: Vec<Value> = scene.proposals.iter().map(|told| proposal_json(told, &scene)).collect();
            writeln!(out, "{:#}", json!({ "now": scene.now.to_string(), "proposals": proposals }))?;
        } else {
            write(out, args, &scene)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn write(out: &mut dyn Write, args: &ApprovalsArgs, scene: &Scene) -> io::Result<()> {
    if scene.proposals.is_empty() {
        return line(out, if args.all { "Nothing was ever proposed." } else { "Nothing waits for an officer." });
    }
    let rows: Vec<_> = scene.proposals.iter().map(|told| row(told, scene)).collect();
    table(out, ["id", "state", "by", "approved", "until", "what"], &rows)?;
    for told in &scene.proposals {
        let trouble = told.contradiction.as_deref().map(|why| format!("cannot be done any more: {why}"));
        if let Some(trouble) = trouble.or_else(|| told.reason.clone()) {
            line(out, &format!("{}: {trouble}", short(told)))?;
        }
    }
    let first = |state| scene.proposals.iter().find(|told| told.state() == state);
    let mut next = Vec::new();
    if let Some(told) = first(v1::ProposalState::Open) {
        let id = short(told);
        let sign = "--officer NAME --officer-key FILE";
        next.push(Next::of("read one, and approve it", &args.place, &["approve", &id], sign));
        next.push(Next::of("or end it", &args.place, &["reject", &id], sign));
    }
    if let Some(told) = first(v1::ProposalState::Approved) {
        next.push(Next::of("have one executed that is approved", &args.place, &["execute", &short(told)], ""));
    }
    Next::write(&next, out)
}

fn row(told: &v1::CustodyProposal, scene: &Scene) -> [String; 6] {
    let what = match read_proposal(told) {
        Ok(proposal) => tell(proposal.change(), scene).headline,
        Err(error) => format!("UNREADABLE: {error}"),
    };
    let approved = format!("{} of {}", told.approvers.len(), told.needed);
    [short(told), proposal_state(told.state()), told.officer.clone(), approved, instant(told.valid_until), what]
}

fn short(told: &v1::CustodyProposal) -> String {
    hex_id(&told.id).chars().take(DIGITS).collect()
}
