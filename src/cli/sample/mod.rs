//! `sceau sample`: made-up DCC payloads, as many as you like, the same ones for the same seed.
//!
//! For trials, demonstrations and benches. Nobody in them exists; every coded field is from the EU value sets in force.
//! A sample depends on the seed and its own number alone, so the first 10 of 10 million are the 10 of `--count 10`.

mod codes;
mod dice;
mod events;
mod names;
mod payload;
mod people;
mod recipe;
#[cfg(test)]
mod rules;
mod samples;
#[cfg(test)]
mod tests;
mod uvci;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

pub(crate) use recipe::Recipe;
pub(crate) use samples::{Sample, Samples};

/// Bytes gathered before a write: a few hundred lines.
const BUFFER_BYTES: usize = 128 * 1024;

/// Make up payloads to try things with.
///
/// Realistic and nobody's: one JSON object a line, {"id": "...", "payload": {...}}. The same seed gives the same bytes.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau sample                                     ten payloads to look at
  sceau sample --count 100000 --out night.ndjson   a file for a bulk trial
  sceau sample --vaccination 0 --recovery 0        tests only
  sceau sample --until \"$(date -I)\"                events of late, not of 2021

The same options give the same bytes on every machine. The people are made up.")]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    pub(crate) recipe: Recipe,

    /// Where the lines go; `-` is standard output. An existing file is replaced.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
}

/// Writes the samples to the file in `args`, or to `out` where that is `-`.
///
/// Memory does not grow with the count. A reader that leaves early (`| head`) is no error.
///
/// # Errors
/// Shares that are all zero; a file that cannot be created or written.
pub(crate) fn run(args: &SampleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let samples = Samples::new(&args.recipe)?;
    if args.out == Path::new("-") {
        return match write_lines(samples, out) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write the samples"),
        };
    }
    let place = args.out.display();
    let mut file = File::create(&args.out).with_context(|| format!("cannot create {place}"))?;
    write_lines(samples, &mut file).with_context(|| format!("cannot write {place}"))
}

/// The same, as the command does it.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_to_stdout(args: &SampleArgs) -> anyhow::Result<ExitCode> {
    run(args, &mut io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

fn write_lines(samples: Samples, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    for Sample { id, payload } in samples {
        // Neither needs escaping: the alphabet of an id has no quote, and the payload is JSON.
        writeln!(out, r#"{{"id":"{id}","payload":{payload}}}"#)?;
    }
    out.flush()
}
