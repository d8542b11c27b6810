//! `sceau ledger find`: certificates that were signed.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson;
use crate::cli::place::PlaceArgs;
use crate::cli::question::QuestionArgs;
use crate::cli::runtime;
use crate::domain::NumericDate;
use crate::service::proto::v1;

/// Find certificates that were signed: by their text, UVCI or item_id, by key, caller, person, type and time.
///
/// All that is given has to hold. Certificates come in the order in which they were put on record; nothing that is on record is
/// missing. Of each it is said whether it was revoked, and when: `revoked` behind its line, `revoked_at` in JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ledger find --config sceau.toml --uvci 'URN:UVCI:01:FR:…#8'
  sceau ledger find --config sceau.toml --hc1 - < code.txt          # '-' reads a line from stdin, so that no process list has it
  sceau ledger find --config sceau.toml --caller pharmacy-12 --from 2021-11-01T00:00:00Z --to 2021-11-02T00:00:00Z --count
  sceau ledger find --endpoint https://sceau.example:7443 --ca ca.pem --cert auditor.pem --key auditor.key --kid h3FwCzKaHF8=

Exit codes: 0 something was found, 2 nothing was.")]
pub(super) struct FindArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// Only say how many there are
    #[arg(long)]
    count: bool,
    /// At most so many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1_000, conflicts_with = "count")]
    limit: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &FindArgs) -> anyhow::Result<ExitCode> {
    let question = args.question.question()?;
    let runtime = runtime()?;
    let mut auditor = runtime.block_on(async { anyhow::Ok(args.place.place()?.connect().await?.auditor()) })?;
    if args.count {
        let tally = runtime.block_on(auditor.count(question))?;
        tell_pruned(&runtime.block_on(auditor.show())?)?;
        return ndjson::on_stdout(|out| print_count(args, &tally, out));
    }
    let (mut certificates, mut revoked) = (0, 0);
    let ended = ndjson::on_stdout(|out| {
        let mut is_begun = args.json;
        let take = |certificate: v1::RecordedCertificate| {
            if !std::mem::replace(&mut is_begun, true) {
                writeln!(out, "{HEADING}")?;
            }
            certificates += 1;
            revoked += u64::from(certificate.revoked_at.is_some());
            print(args, &certificate, out).map_err(anyhow::Error::from)
        };
        runtime.block_on(auditor.find(question, args.limit, take))?;
        Ok(ExitCode::SUCCESS)
    });
    ended?;
    tell_pruned(&runtime.block_on(auditor.show())?)?;
    if revoked > 0 {
        writeln!(io::stderr(), "sceau: {revoked} of these {certificates} were revoked")?;
    }
    if certificates == 0 {
        writeln!(io::stderr(), "sceau: nothing on record is like that")?;
    } else if certificates == args.limit {
        writeln!(io::stderr(), "sceau: there may be more: --limit {} was reached (0 is none)", args.limit)?;
    }
    Ok(exit(certificates))
}

/// Says what cannot be found any more, whatever was asked.
fn tell_pruned(ledger: &v1::ShowLedgerResponse) -> io::Result<()> {
    let Some(before) = ledger.chains.iter().filter_map(|chain| chain.pruned_before).max() else { return Ok(()) };
    let before = NumericDate::from_seconds(before);
    writeln!(io::stderr(), "sceau: the ledger was pruned: what expired before {before} is not found any more")
}

fn exit(certificates: u64) -> ExitCode {
    if certificates == 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS }
}

const HEADING: &str =
    "recorded              type  kid               caller            valid                                      place";

fn print(args: &FindArgs, found: &v1::RecordedCertificate, out: &mut dyn Write) -> io::Result<()> {
    let time = NumericDate::from_seconds;
    if args.json {
        let certificate = json!({
            "instance": found.instance,
            "place": format!("{}:{}", found.seq, found.index),
            "recorded_at": time(found.recorded_at).to_string(),
            "caller": found.caller,
            "person": found.person,
            "request_id": found.request_id,
            "profile": found.profile,
            "kid": hex::encode(&found.kid),
            "algorithm": found.algorithm,
            "issuer": found.issuer,
            "type": found.r#type,
            "issued_at": time(found.issued_at).to_string(),
            "expires_at": time(found.expires_at).to_string(),
            "uvci_hash": hex::encode(&found.uvci_hash),
            "country_uvci_hash": hex::encode(&found.country_uvci_hash),
            "signature_hash": hex::encode(&found.signature_hash),
            "item_hash": hex::encode(&found.item_hash),
            "payload_hash": hex::encode(&found.payload_hash),
            "revoked_at": found.revoked_at.map(|at| time(at).to_string()),
        });
        return writeln!(out, "{certificate}");
    }
    let (recorded, kid, place) =
        (time(found.recorded_at).to_string(), hex::encode(&found.kid), format!("{}:{}", found.seq, found.index));
    let valid = format!("{} to {}", time(found.issued_at), time(found.expires_at));
    write!(out, "{recorded:20}  {:4}  {kid}  {:16}  {valid}  {}/{place}", found.r#type, found.caller, found.instance)?;
    found.revoked_at.map_or(Ok(()), |at| write!(out, "  revoked {}", time(at)))?;
    writeln!(out)
}

fn print_count(args: &FindArgs, tally: &v1::CountCertificatesResponse, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let v1::CountCertificatesResponse { vaccinations, tests, recoveries, groups } = *tally;
    let certificates = vaccinations + tests + recoveries;
    if args.json {
        let counts = json!({"certificates": certificates, "v": vaccinations, "t": tests, "r": recoveries, "groups": groups});
        writeln!(out, "{counts}")?;
    } else {
        writeln!(out, "{certificates} certificates: {vaccinations} vaccinations, {tests} tests, {recoveries} recoveries")?;
        writeln!(out, "signed together in {groups} groups")?;
    }
    Ok(exit(certificates))
}
