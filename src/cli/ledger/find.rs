//! `sceau ledger find`: certificates that were signed.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use super::runtime;
use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson;
use crate::cli::place::PlaceArgs;
use crate::domain::{Digest, Kid, NumericDate, RevocationHashes, Signature};
use crate::encode::SignedHcert;
use crate::service::proto::v1;

/// Find certificates that were signed: by their text, UVCI or item_id, by key, caller, person, type and time.
///
/// All that is given has to hold. Certificates come in the order in which they were put on record; nothing that is on record is
/// missing.
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
    /// The certificate's identifier; it is hashed here
    #[arg(long, value_name = "UVCI", help_heading = "Which certificates")]
    uvci: Option<String>,
    /// The certificate's text; it is hashed here
    #[arg(long, value_name = "HC1", help_heading = "Which certificates")]
    hc1: Option<String>,
    /// The caller's reference; the service hashes it under the ledger's keys
    #[arg(long, value_name = "ID", help_heading = "Which certificates")]
    item_id: Option<String>,
    /// The DSC that signed: 16 hexadecimal digits, or base64
    #[arg(long, value_name = "KID", value_parser = parse_kid, help_heading = "Which certificates")]
    kid: Option<Kid>,
    /// The caller's name in the configuration
    #[arg(long, value_name = "NAME", help_heading = "Which certificates")]
    caller: Option<String>,
    /// The pseudonym of the person behind the call
    #[arg(long, value_name = "PSEUDONYM", help_heading = "Which certificates")]
    person: Option<String>,
    /// v (vaccination), t (test) or r (recovery)
    #[arg(long = "type", value_name = "TYPE", value_parser = ["v", "t", "r"], help_heading = "Which certificates")]
    kind: Option<String>,
    /// Put on record at this instant or later, like 2021-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Which certificates")]
    from: Option<NumericDate>,
    /// Put on record before this instant
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Which certificates")]
    to: Option<NumericDate>,
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

fn parse_kid(text: &str) -> Result<Kid, String> {
    use base64::Engine;
    let bytes = hex::decode(text).ok().or_else(|| base64::prelude::BASE64_STANDARD.decode(text).ok());
    let kid: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.try_into().ok());
    kid.map(Kid::from).ok_or_else(|| "8 bytes: 16 hexadecimal digits, or base64".to_owned())
}

fn parse_time(text: &str) -> Result<NumericDate, String> {
    NumericDate::from_rfc3339(text).ok_or_else(|| "an instant like 2021-11-01T00:00:00Z".to_owned())
}

pub(super) fn run(args: &FindArgs) -> anyhow::Result<ExitCode> {
    let question = args.question()?;
    let runtime = runtime()?;
    let mut auditor = runtime.block_on(async { anyhow::Ok(args.place.place()?.connect().await?.auditor()) })?;
    if args.count {
        let tally = runtime.block_on(auditor.count(question))?;
        tell_pruned(&runtime.block_on(auditor.show())?)?;
        return ndjson::on_stdout(|out| print_count(args, &tally, out));
    }
    let mut certificates = 0;
    let ended = ndjson::on_stdout(|out| {
        let mut is_begun = args.json;
        let take = |certificate| {
            if !std::mem::replace(&mut is_begun, true) {
                writeln!(out, "{HEADING}")?;
            }
            certificates += 1;
            print(args, &certificate, out).map_err(anyhow::Error::from)
        };
        runtime.block_on(auditor.find(question, args.limit, take))?;
        Ok(ExitCode::SUCCESS)
    });
    ended?;
    tell_pruned(&runtime.block_on(auditor.show())?)?;
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

impl FindArgs {
    fn question(&self) -> anyhow::Result<v1::Question> {
        let uvci_hash = self.uvci.as_deref().map(given).transpose()?.map(|uvci| Digest::of(uvci.as_bytes()).as_bytes().to_vec());
        Ok(v1::Question {
            uvci_hash: uvci_hash.map(Into::into),
            item_id: self.item_id.as_deref().map(given).transpose()?,
            signature_hash: self.hc1.as_deref().map(given).transpose()?.map(|hc1| signature_hash(&hc1)).transpose()?,
            kid: self.kid.map(|kid| kid.as_bytes().to_vec().into()),
            caller: self.caller.clone(),
            person: self.person.clone(),
            r#type: self.kind.clone(),
            from: self.from.map(NumericDate::seconds),
            to: self.to.map(NumericDate::seconds),
        })
    }
}

/// A value as it was given, or for `-` a line of stdin. A certificate's text may end in a space, so only the line's end goes.
fn given(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("stdin")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// What a certificate is found by: its signature stands on record as a hash.
fn signature_hash(hc1: &str) -> anyhow::Result<Bytes> {
    let read = SignedHcert::decode(hc1).map_err(|error| anyhow::anyhow!("--hc1: {error}"))?;
    let signature = Signature::new(read.signature().to_vec());
    Ok(RevocationHashes::of(read.algorithm(), &signature, "", "").signature.to_vec().into())
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
        });
        return writeln!(out, "{certificate}");
    }
    let (recorded, kid, place) =
        (time(found.recorded_at).to_string(), hex::encode(&found.kid), format!("{}:{}", found.seq, found.index));
    let valid = format!("{} to {}", time(found.issued_at), time(found.expires_at));
    writeln!(out, "{recorded:20}  {:4}  {kid}  {:16}  {valid}  {}/{place}", found.r#type, found.caller, found.instance)
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
