//! `sceau roster show`: the officers now.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::ndjson;
use crate::cli::page::{fields, line, table};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, Next};

/// Show who the officers are, and how many have to agree.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau roster show --config sceau.toml
  sceau roster show --config sceau.toml --json | jq -r '.officers[].name'")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let scene = Desk::open(&args.place)?.scene;
    let roster = &scene.roster;
    ndjson::on_stdout(|out| {
        if args.json {
            let officer = |officer: &crate::domain::officers::Officer| json!({ "name": officer.name, "key": officer.key });
            let officers: Vec<Value> = roster.officers().iter().map(officer).collect();
            let document = json!({
                "number": roster.number(), "approvals": roster.quorum(), "limit_seconds": roster.limit_seconds(),
                "officers": officers,
            });
            writeln!(out, "{document:#}")?;
            return Ok(ExitCode::SUCCESS);
        }
        line(out, &format!("The roster number {}", roster.number()))?;
        let facts = [
            ("approvals", format!("{}, beside who proposes", roster.quorum())),
            ("a proposal", format!("is open for {} s at most", roster.limit_seconds())),
            ("a change", format!("reaches every replica within {} s", scene.lead_seconds)),
        ];
        fields(out, &facts)?;
        let rows: Vec<_> = roster.officers().iter().map(|officer| [officer.name.to_string(), officer.key.to_string()]).collect();
        table(out, ["officer", "public key"], &rows)?;
        let rest = "--add NAME=KEY --remove NAME --officer NAME --officer-key FILE";
        Next::write(&[Next::of("to change it", &args.place, &["roster", "change"], rest)], out)?;
        Ok(ExitCode::SUCCESS)
    })
}
