//! `sceau audit prove`: the proof that one certificate is on record, without the others.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::asked::{Asked, AskedArgs};
use super::place::PlaceArg;
use crate::cli::{exit, ndjson};
use crate::ledger::archive::{self, Wanted};

/// Prove from an export that one certificate is on record.
///
/// A proof is a line of JSON: the certificate's entry, the records of its batch's intent and outcome, and hashes up to what the
/// token signed. It shows who asked for the certificate and under which DSC it was signed, and nothing of any other certificate.
/// A certificate that was signed again has a proof each time.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau audit prove export.ndjson --uvci-file uvci.txt > proof.json
  sceau audit prove export.ndjson --hc1-file certificate.txt | sceau audit check-proof - --certificate audit.pem
  sceau audit prove export.ndjson --place north:81234:7

It does not check the export: `sceau audit verify` does that.

Exit code: 0 where there is a proof, 2 where the export has no such certificate, or it is forgotten.")]
pub(super) struct ProveArgs {
    /// The export; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    asked: AskedArgs,
    /// The certificate at this place in the ledger.
    #[arg(long, value_name = "[INSTANCE:]SEQ:INDEX", conflicts_with = "AskedArgs")]
    place: Option<PlaceArg>,
}

pub(super) fn run(args: &ProveArgs) -> anyhow::Result<ExitCode> {
    let wanted = match (&args.place, args.asked.read(&args.file)?) {
        (Some(place), _) => place.wanted(),
        (None, Some(Asked::Uvci(uvci))) => Wanted::uvci(&uvci),
        (None, Some(Asked::Certificate(hcert))) => Wanted::certificate(&hcert),
        (None, None) => bail!("say which certificate: --uvci-file, --uvci, --hc1-file, --hc1 or --place"),
    };
    let found = archive::prove(ndjson::open(&args.file)?, wanted);
    let (proofs, broken) = found.with_context(|| args.file.display().to_string())?;
    if broken > 0 {
        let what = "found, but the export's records do not hold together there; `sceau audit verify` says where";
        writeln!(io::stderr(), "warning: {broken} certificate{} {what}", if broken == 1 { "" } else { "s" })?;
    }
    if proofs.is_empty() {
        writeln!(io::stderr(), "the export proves no such certificate")?;
        return Ok(ExitCode::from(exit::SOME_REFUSED));
    }
    ndjson::on_stdout(|out| {
        let written = proofs.iter().try_for_each(|proof| ndjson::write_line(out, proof));
        written.context("cannot write the proof")?;
        Ok(ExitCode::SUCCESS)
    })
}
