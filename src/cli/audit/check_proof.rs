//! `sceau audit check-proof`: what a proof says, once it holds.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;

use super::asked::{Asked, AskedArgs};
use super::shown::{field, line, time};
use crate::cli::{exit, ndjson};
use crate::domain::NumericDate;
use crate::ledger::archive::{Proof, Proven};

/// Check proofs that certificates are on record, and say what they prove.
///
/// Needs the audit certificate alone. With --uvci or --hc1, whether it is that certificate.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau audit check-proof proof.json --certificate audit.pem
  sceau audit check-proof proof.json --certificate audit.pem --hc1-file certificate.txt

Exit code: 0 where every proof holds and is of that certificate, 2 where one is not.")]
pub(super) struct CheckProofArgs {
    /// What `sceau audit prove` wrote; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The audit certificates to believe, in PEM or DER; those of former audit keys too.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    certificate: Vec<PathBuf>,
    #[command(flatten)]
    asked: AskedArgs,
}

pub(super) fn run(args: &CheckProofArgs) -> anyhow::Result<ExitCode> {
    let trusted = super::trusted(&args.certificate)?;
    let asked = args.asked.read(&args.file)?;
    let proofs = serde_json::Deserializer::from_reader(ndjson::open(&args.file)?).into_iter::<Proof>();
    ndjson::on_stdout(|out| {
        let (mut count, mut code) = (0, ExitCode::SUCCESS);
        for proof in proofs {
            let proof = proof.map_err(io::Error::from).with_context(|| format!("{}: no proof", args.file.display()))?;
            let holds = match proof.check(&trusted) {
                Ok(proven) => write_proven(out, &proven, asked.as_ref()),
                Err(why) => line(out, &format!("NOT PROVEN: {why}")).map(|()| false),
            };
            if !holds.context("cannot write what is proven")? {
                code = ExitCode::from(exit::SOME_REFUSED);
            }
            count += 1;
        }
        ensure!(count > 0, "there is no proof in {}", args.file.display());
        Ok(code)
    })
}

/// Says what is proven, and whether it is of what was asked about.
fn write_proven(out: &mut dyn Write, proven: &Proven, asked: Option<&Asked>) -> io::Result<bool> {
    let is_of_it = match asked {
        None => None,
        Some(Asked::Uvci(uvci)) => Some(proven.is_of_uvci(uvci)),
        Some(Asked::Certificate(hcert)) => Some(proven.is_of(hcert)),
    };
    writeln!(
        out,
        "{}",
        match is_of_it {
            Some(true) => "Proven: the given certificate is on record.",
            Some(false) => "NOT PROVEN: another certificate than the given one is on record.",
            None => "Proven: a certificate is on record.",
        }
    )?;
    let Proven { instance, place, entry, intent, .. } = proven;
    field(out, "UVCI", &format!("its SHA-256 is {}", entry.uci))?;
    field(out, "kid", &format!("{}, {}", intent.kid, intent.algorithm))?;
    field(out, "type", &entry.kind.to_string())?;
    field(out, "issued", &format!("{} by {}", NumericDate::from_seconds(intent.issued_at), intent.issuer))?;
    field(out, "expires", &entry.expires_at.to_string())?;
    let person = intent.person.as_ref().map_or_else(String::new, |person| format!(" for the person {person}"));
    field(out, "asked for by", &format!("{}{person}, profile {}, request {}", intent.caller, intent.profile, intent.request))?;
    let Proven { written_at, signed_at, head, .. } = proven;
    let written = format!("{}, chain {instance}, record {}, entry {}", time(*written_at), place.seq, place.index);
    field(out, "on record", &written)?;
    let how = if proven.is_sealed { "sealed" } else { "in an export" };
    field(
        out,
        how,
        &format!("{} by {}, with the head {instance}:{}:{}", time(*signed_at), proven.signed_by, head.seq, head.link),
    )?;
    Ok(is_of_it != Some(false))
}
