//! `sceau dsc canary`: whether every key will sign.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson;
use crate::cli::page::{line, table};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, Next, When, hex_id, instant, types_text};
use crate::service::proto::v1;

/// Try every key that is to sign at an instant: each signs a specimen, which is verified.
///
/// A specimen is of nobody, and leaves no service. It shows before the switch that the switch will do: that each key is on its token,
/// signs, and fits its certificate; and that every type can be signed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc canary --config sceau.toml                              # what signs now
  sceau dsc canary --config sceau.toml --at 2024-03-01T00:00:00Z    # what will sign then
  sceau dsc canary --config sceau.toml --at +8h --json | jq '.results[] | select(.is_good | not)'

Exit codes: 0 every key signs, and there is one for each type; 2 otherwise.")]
pub(super) struct CanaryArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The instant at which keys are to sign; now, where it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// Only say which keys would be tried
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CanaryArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.place)?;
    let at = args.at.map(|at| at.instant(desk.scene.now).seconds());
    if args.dry_run {
        let at = at.unwrap_or(desk.scene.now.seconds());
        let keys: Vec<&v1::CustodyKey> = desk.scene.keys.iter().filter(|key| would_sign(key, at)).collect();
        return ndjson::on_stdout(|out| {
            if args.json {
                let labels: Vec<&str> = keys.iter().map(|key| key.label.as_str()).collect();
                writeln!(out, "{:#}", json!({ "at": instant(at), "dry_run": true, "would_try": labels }))?;
                return Ok(ExitCode::SUCCESS);
            }
            line(out, &format!("At {} these would be tried:", instant(at)))?;
            keys.iter().try_for_each(|key| line(out, &format!("  {} on the token {}", key.label, key.token)))?;
            Ok(ExitCode::SUCCESS)
        });
    }
    let answer = desk.canary(v1::CanaryRequest { at })?;
    let is_well = answer.uncovered_types.is_empty() && answer.results.iter().all(|result| result.is_good);
    ndjson::on_stdout(|out| {
        if args.json {
            let result = |result: &v1::CanaryResult| {
                json!({
                    "label": result.label, "kid": hex_id(&result.kid), "token": result.token, "is_good": result.is_good,
                    "reason": result.reason,
                })
            };
            let results: Vec<_> = answer.results.iter().map(result).collect();
            let document = json!({ "at": instant(answer.at), "results": results, "uncovered_types": answer.uncovered_types });
            writeln!(out, "{document:#}")?;
        } else {
            write(out, args, &answer)?;
        }
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
    })
}

const fn would_sign(key: &v1::CustodyKey, at: i64) -> bool {
    match &key.r#use {
        Some(used) => used.from <= at && at < used.to && key.compromised_at.is_none() && key.destroyed_at.is_none(),
        None => false,
    }
}

fn write(out: &mut dyn std::io::Write, args: &CanaryArgs, answer: &v1::CanaryResponse) -> std::io::Result<()> {
    line(out, &format!("At {}:", instant(answer.at)))?;
    let row = |result: &v1::CanaryResult| {
        let said = if result.is_good { "signs" } else { "DOES NOT SIGN" };
        let reason = result.reason.clone().unwrap_or_default();
        [result.label.clone(), hex_id(&result.kid), result.token.clone(), said.to_owned(), reason]
    };
    let rows: Vec<_> = answer.results.iter().map(row).collect();
    if !rows.is_empty() {
        table(out, ["label", "kid", "token", "specimen", ""], &rows)?;
    }
    let uncovered = types_text(&answer.uncovered_types);
    if answer.uncovered_types.is_empty() {
        return line(out, "Every type has a key that is to sign it.");
    }
    line(out, &format!("NO KEY of the register is to sign: {uncovered}"))?;
    let next = Next::of("see which key can be activated", &args.place, &["dsc", "list"], "");
    Next::write(&[next], out)
}
