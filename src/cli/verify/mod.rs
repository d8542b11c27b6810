//! `sceau verify`: signed certificates against a trust list, as many as you like.
//!
//! The way of one line: [`given`] (what it holds), [`judge`] (what is wrong with it), [`verdict`] (how that is written).
//! The lines go over all cores in chunks, and come out in order; memory does not grow with their number.

mod given;
mod judge;
mod payload;
mod revocations;
#[cfg(test)]
mod tests;
mod trust;
mod verdict;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use rayon::prelude::*;

use super::exit;
use super::ndjson::{self, Line, Lines};
use crate::bench::figure::count;
use crate::domain::{Clock, SystemClock};
use judge::{At, Judge};
use trust::TrustList;
pub(crate) use trust::certificates;
use verdict::Verdict;

/// Lines judged at a time: 0.1 s of one core's work.
const CHUNK_LINES: usize = 4096;
/// Bytes of lines held at a time, for lines that are long.
const CHUNK_BYTES: usize = 16 * 1024 * 1024;

/// Verify certificates.
///
/// Signature, DSC, times, form, revocation; one verdict a line, in order.
///
/// A line is an HC1 text, or what `sceau sign` wrote: a JSON object with "hc1", whose kid, iat, exp and uvci must be the
/// certificate's. A verdict is {"line", "id", "verdict", "errors", "warnings", "kid", "alg", "iss", "iat", "exp", "type"}; verdict
/// is valid or invalid, and each error is a code with its reason.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau verify --trust dsc.pem --in signed.ndjson --quiet --summary
      A batch, right after it was signed.
  sceau verify --trust trustlist.json --at iat < archive.txt
      Certificates that have expired since.
  echo 'HC1:6BFOXN...' | sceau verify --trust dsc.pem --payload
      One, with what it says.
  sceau verify --trust trust.json --revocations lists/*.cms --upload-certificate trust.json < codes.txt
      Those that have been revoked are invalid.

Exit code: 0 where all are valid, 2 where one is not; nothing to verify is an error.")]
pub(crate) struct VerifyArgs {
    /// The certificates to believe: PEM (one or many), DER, or the gateway's trust list in JSON.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) trust: Vec<PathBuf>,

    /// Revocation lists: the gateway's batch in JSON, an array of them, or a batch signed as CMS (DER, base64, PEM).
    ///
    /// A certificate is invalid where a list of its kid, or of UNKNOWN_KID, holds one of its hashes: SIGNATURE, UCI,
    /// COUNTRYCODEUCI. JSON is believed as it is. A list that cannot be believed ends the command.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) revocations: Vec<PathBuf>,

    /// The certificates that may sign revocation lists of their country: PEM, DER, or the gateway's trust list.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "revocations")]
    pub(crate) upload_certificate: Vec<PathBuf>,

    /// Where the certificates to verify come from; `-` is standard input.
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,

    /// Judge at this instant (RFC 3339), or `iat`: each when it was signed. By default now.
    #[arg(long, value_name = "INSTANT")]
    pub(crate) at: Option<At>,

    /// What verifiers take and an issuer must not write is an error: cose_tag, kid_unprotected, time_not_int.
    #[arg(long)]
    pub(crate) strict: bool,

    /// Show payload and uvci. They are personal data.
    #[arg(long)]
    pub(crate) payload: bool,

    /// Write invalid verdicts only.
    #[arg(long)]
    pub(crate) quiet: bool,

    /// Write the counts to standard error at the end.
    #[arg(long)]
    pub(crate) summary: bool,
}

/// Verifies the lines of the file in `args`, verdicts to standard output.
///
/// # Errors
/// No usable certificate to verify with; a revocation list that cannot be believed; nothing to verify; the input cannot be read, or the output cannot be written.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut warnings = Vec::new();
    let trust = TrustList::load(&args.trust, &mut warnings);
    let revocations = revocations::load(&args.revocations, &args.upload_certificate, &mut warnings);
    warnings.iter().try_for_each(|warning| writeln!(io::stderr(), "warning: {warning}"))?;
    let judge = Judge {
        trust: &trust?,
        revocations: &revocations?,
        at: args.at.unwrap_or_else(|| At::Instant(SystemClock.now())),
        is_strict: args.strict,
        shows_personal: args.payload,
    };
    let mut input = ndjson::open(&args.input)?;
    ndjson::on_stdout(|out| {
        let start = Instant::now();
        let counts = verify(&judge, args.quiet, input.as_mut(), out)?;
        if args.summary {
            out.flush().context("cannot write the verdicts")?;
            writeln!(io::stderr(), "{}", counts.summary(start.elapsed()))?;
        }
        ensure!(counts.all() > 0, "there is nothing to verify on the input");
        Ok(if counts.invalid == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
    })
}

/// How the verdicts fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    valid: u64,
    invalid: u64,
}

impl Counts {
    const fn all(self) -> u64 {
        self.valid + self.invalid
    }

    fn summary(self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.all() as f64 / seconds } else { 0.0 };
        let (valid, invalid, rate) = (count(self.valid), count(self.invalid), count(rate as u64));
        format!("{valid} valid, {invalid} invalid, {seconds:.1} s, {rate}/s")
    }
}

fn verify(judge: &Judge<'_>, quiet: bool, input: &mut dyn BufRead, out: &mut dyn Write) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let mut lines = Lines::new(input);
    loop {
        let chunk = next_chunk(&mut lines).context("cannot read the certificates")?;
        if chunk.is_empty() {
            return Ok(counts);
        }
        let verdicts: Vec<Verdict> = chunk.par_iter().map(|line| judge.judge(line)).collect();
        let valid = verdicts.iter().filter(|verdict| verdict.is_valid).count() as u64;
        counts.valid += valid;
        counts.invalid += verdicts.len() as u64 - valid;
        let mut shown = verdicts.iter().filter(|verdict| !quiet || !verdict.is_valid);
        let written = shown.try_for_each(|verdict| out.write_all(&verdict.json));
        written.and_then(|()| out.flush()).context("cannot write the verdicts")?;
    }
}

/// The lines that have arrived, at least one: whoever types or scans a certificate gets its verdict at once.
fn next_chunk(lines: &mut Lines<'_>) -> io::Result<Vec<Line>> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while let Some(line) = lines.next().transpose()? {
        bytes += line.text.as_ref().map_or(0, String::len);
        chunk.push(line);
        if !lines.is_another_ready() || chunk.len() == CHUNK_LINES || bytes >= CHUNK_BYTES {
            break;
        }
    }
    Ok(chunk)
}
