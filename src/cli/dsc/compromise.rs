//! `sceau dsc compromise`: the emergency stop.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::ndjson;
use crate::cli::page::line;
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{
    Desk, KeyArgs, Next, Proposed, ProposingArgs, Wish, instant, propose, proposed_json, tell_proposed, words_of,
};
use crate::domain::Kid;
use crate::domain::officers::Change;
use crate::service::admin::AdminError;
use crate::service::proto::v1;

/// Stop a key NOW, alone: it is compromised, or may be.
///
/// One officer is enough, since it only stops. The key signs nothing more on any replica, its workers refuse it, and nothing brings
/// it back. It is on record as an emergency, by whom and why. Prints what was signed under it, and the commands to revoke that and to
/// issue it anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc compromise --config sceau.toml --label dsc-2024-03 --reason 'the HSM was opened' --officer ada --officer-key ada.key
  sceau dsc compromise --config sceau.toml --kid 870aaa4460b56d17 --reason 'a drill' --dry-run     # stops nothing

Exit codes: 0 stopped, 1 you said no: NOT stopped, 64 it cannot be: no such key, or stopped already.")]
pub(super) struct CompromiseArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Why: a line that stands on record in clear, so it names nobody
    #[arg(long, value_name = "REASON")]
    reason: String,
}

pub(super) fn run(args: &CompromiseArgs) -> anyhow::Result<ExitCode> {
    let reason = words_of("--reason", &args.reason)?;
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let (_, dsc) = desk.scene.certified(&args.key)?;
    let kid = dsc.kid();
    let mut proposed = propose(&args.proposing, &mut desk, Wish::of(Change::Compromise { kid, reason }))?;
    // The key is stopped by now, whether this can be counted or not.
    let signed = desk.count_signed(kid.as_bytes());
    let label = desk.scene.label_of(kid).unwrap_or_default().to_owned();
    proposed.next = afterwards(&args.proposing.signing.place, &label, kid);
    ndjson::on_stdout(|out| {
        if args.proposing.signing.json {
            writeln!(out, "{:#}", with_count(proposed_json(&proposed), &signed))?;
            return Ok(ExitCode::SUCCESS);
        }
        write_count(out, kid, &signed)?;
        tell(args, &desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(args: &CompromiseArgs, desk: &Desk, proposed: &Proposed, out: &mut dyn Write) -> io::Result<()> {
    tell_proposed(&args.proposing, desk, proposed, out)?;
    if proposed.id.is_none() {
        line(out, "It would be followed by:")?;
        return Next::write(&proposed.next, out);
    }
    Ok(())
}

/// What an officer does then, in this order.
fn afterwards(place: &PlaceArgs, label: &str, kid: Kid) -> Vec<Next> {
    const SIGN: &str = "--officer NAME --officer-key FILE";
    let revoke = format!("--kid {kid} --why 'its key is compromised' {SIGN}");
    let withdraw = format!("--label {label} --out {label}.delete.cms.b64");
    let anew = format!("--kid {kid} --limit 0 --json > {label}.to-issue-anew.ndjson");
    vec![
        Next::of("see what signs in its place, and whether every type can be signed", place, &["dsc", "canary"], ""),
        Next::of(
            "have the gateway delete its certificate (POST /signerCertificate/delete)",
            place,
            &["dsc", "publish"],
            &withdraw,
        ),
        Next::of(
            "list what was signed under it, by caller and item, for those who issue it anew",
            place,
            &["ledger", "find"],
            &anew,
        ),
        Next::of("propose that it is revoked", place, &["revoke"], &revoke),
    ]
}

fn write_count(out: &mut dyn Write, kid: Kid, signed: &Result<v1::CountSignedResponse, AdminError>) -> io::Result<()> {
    let signed = match signed {
        Ok(signed) => signed,
        Err(error) => return line(out, &format!("What was signed under {kid} cannot be counted now: {error}")),
    };
    let v1::CountSignedResponse { certificates, vaccinations, tests, recoveries, .. } = signed;
    line(out, &format!("Signed under {kid}: {certificates} certificates (v {vaccinations}, t {tests}, r {recoveries})"))?;
    if let (Some(first), Some(last), Some(expires)) = (signed.first_at, signed.last_at, signed.expires_at) {
        line(out, &format!("  from {} to {}; the last expires at {}", instant(first), instant(last), instant(expires)))?;
    }
    Ok(())
}

fn with_count(mut document: Value, signed: &Result<v1::CountSignedResponse, AdminError>) -> Value {
    let told = match signed {
        Ok(signed) => json!({
            "certificates": signed.certificates,
            "v": signed.vaccinations, "t": signed.tests, "r": signed.recoveries,
            "first_at": signed.first_at.map(instant),
            "last_at": signed.last_at.map(instant),
            "expires_at": signed.expires_at.map(instant),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    if let Value::Object(members) = &mut document {
        members.insert("signed".to_owned(), told);
    }
    document
}
