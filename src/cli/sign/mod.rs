//! `sceau sign`: a file of payloads through the service, resumable.

mod input;
mod job;
mod output;
mod resume;

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::connection::ConnectionArgs;
use crate::cli::{exit, ndjson};
use crate::domain::Lane;
use output::Output;
use resume::Place;

/// Sign payloads through a service.
///
/// Reads NDJSON, a line an item: {"id": "…", "payload": {DCC JSON}}, and optionally "expires_at" (seconds since 1970).
/// Writes a line a certificate: {"id","uvci","kid","iat","exp","hc1"}; and to --rejects a line a refused item:
/// {"line","id","code","message","faults":[{"path","rule","message"}]}. Both stand in input order.
///
/// Killed and started again with the same files it goes on where it was: nothing stands twice in the output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau sign --endpoint http://127.0.0.1:7443 --in day.ndjson --out signed.ndjson --rejects refused.ndjson
  sceau sample --count 5 | sceau sign --endpoint http://127.0.0.1:7443 --in - --out -
  sceau sign --endpoint https://sceau-1.example:7443 --endpoint https://sceau-2.example:7443 \
      --ca ca.pem --certificate me.pem --key me.key --in day.ndjson --out signed.ndjson
  sceau sign --endpoint http://127.0.0.1:7443 --validate-only --in day.ndjson --out checked.ndjson
  sceau sign --endpoint http://127.0.0.1:7443 --profile dcc-ps256 --in - --out - < one.ndjson

Exit codes: 0 every item is signed; 2 some were refused; 69 the service cannot be reached.")]
pub(crate) struct SignArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The profile; the service's default where absent
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    profile: String,
    /// The payloads; - is standard input
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// The certificates; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The refused items; standard error where absent
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// The priority at the service
    #[arg(long, value_enum, default_value_t = LaneName::Bulk)]
    lane: LaneName,
    /// Only say what would be refused: nothing is signed, and the lines of --out have no hc1
    #[arg(long)]
    validate_only: bool,
    /// Items a call
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

/// A lane, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LaneName {
    Interactive,
    Bulk,
}

impl From<LaneName> for Lane {
    fn from(name: LaneName) -> Self {
        match name {
            LaneName::Interactive => Self::Interactive,
            LaneName::Bulk => Self::Bulk,
        }
    }
}

pub(crate) fn run(args: &SignArgs) -> anyhow::Result<ExitCode> {
    check_files_differ(args)?;
    // Before --out is made: an input that is not there leaves nothing behind.
    drop(ndjson::open(&args.input)?);
    let _held = output::hold(&args.out)?;
    let place = resume::find_place(&args.input, &args.out, args.rejects.as_deref(), args.validate_only)?;
    let mut output = Output::open(&args.out, args.rejects.as_deref())?;
    let progress = progress_bar(&args.input, &place);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let done = runtime.block_on(job::run(args, &place, &mut output, &progress));
    output.flush()?;
    let tally = done?;
    progress.finish_and_clear();
    tally.report(args, &place);
    Ok(if tally.refused + place.refused > 0 { ExitCode::from(exit::SOME_REFUSED) } else { ExitCode::SUCCESS })
}

/// By device and inode: another spelling, or a link, is the same file, and writing there would destroy what is read.
fn check_files_differ(args: &SignArgs) -> anyhow::Result<()> {
    let files = [("--in", Some(&args.input)), ("--out", Some(&args.out)), ("--rejects", args.rejects.as_ref())];
    for (index, (name, path)) in files.iter().enumerate() {
        for (other_name, other) in &files[..index] {
            let same = path.zip(*other).is_some_and(|(path, other)| is_same_file(path, other));
            anyhow::ensure!(!same, "{other_name} and {name} are the same file; each has one of its own");
        }
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        // What is not there yet is known by its name alone.
        _ => one == other && one != Path::new("-"),
    }
}

/// On a terminal: how far the input is read, items a second, remaining time.
fn progress_bar(input: &Path, place: &Place) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = std::fs::metadata(input).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {percent}%  {msg}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_position(place.input_bytes);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
