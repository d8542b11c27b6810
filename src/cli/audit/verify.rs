//! `sceau audit verify`: whether an export is what was written, all of it and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::report;
use crate::cli::{exit, ndjson};
use crate::domain::NumericDate;
use crate::ledger::archive::{self, Expectations, PinnedHead};

/// Check an export: whether it is what was written, all of it and nothing else.
///
/// Needs the audit certificate alone. Every record, detail, link, seal and count is checked, and every finding is told with its
/// chain and place: missing, changed, reordered, inserted, cut_off, forgotten (without a pruning on record), unmatched,
/// contradiction, untrusted (a signature counts for nothing), older, not_pinned, unreadable.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau audit verify export.ndjson --certificate audit.pem
      What is in it, and each chain's head, to be kept for the next audit.
  zcat export.ndjson.gz | sceau audit verify - --certificate audit.pem --min-head north:81234:5f0c... --json
      One that must hold what the last audit saw.

What this cannot tell: a whole older export is as good as the newest one, unless a head is pinned (--min-head) or a time is given
(--not-before). Each seal vouches for what comes before it; what was written after the last seal is vouched for by the trailer
alone, which is signed when the export is made: whoever could change the database before that was not seen.

Exit code: 0 where the export is intact, 2 where there is a finding.")]
pub(super) struct VerifyArgs {
    /// The export; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The audit certificates to believe, in PEM or DER; those of former audit keys too.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    certificate: Vec<PathBuf>,
    /// A head that has to be in it, as an earlier audit printed it; may be given more than once.
    #[arg(long, value_name = "INSTANCE:SEQ:LINK")]
    min_head: Vec<PinnedHead>,
    /// The export was not made before this instant (RFC 3339).
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    not_before: Option<NumericDate>,
    /// Print one JSON document instead.
    #[arg(long)]
    json: bool,
}

fn instant(text: &str) -> Result<NumericDate, &'static str> {
    NumericDate::from_rfc3339(text).ok_or("an instant is RFC 3339, as 2021-12-24T18:00:00+11:00")
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let trusted = super::trusted(&args.certificate)?;
    let expectations = Expectations { heads: args.min_head.clone(), not_before: args.not_before };
    let input = ndjson::open(&args.file)?;
    let audited = archive::verify(input, &trusted, expectations);
    let report = audited.with_context(|| args.file.display().to_string())?;
    ndjson::on_stdout(|out| {
        let written = if args.json { report::write_json(out, &report) } else { report::write_text(out, &report) };
        written.context("cannot write the report")?;
        Ok(if report.is_intact() { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
    })
}
