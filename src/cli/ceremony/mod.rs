//! `sceau ceremony`: the offline room, from one file.

mod check;
mod desk;
mod paper;
mod room;
mod shown;
mod steps;
mod terminal;
mod witness;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::environment::start_in_environment;
use super::exit::SOME_REFUSED;
use crate::custody::ceremony::{InvalidPlan, Plan};
use crate::domain::Digest;
use room::{Ended, Room};

/// Do what a reviewed file says on a token, without a server, and write a transcript that the officers sign.
///
/// The steps are done in their order: the token is initialised, keys are generated in it, their requests to the CSCA written, keys
/// attested, certificates imported with every check, the officers' roster written. Files that are there are never overwritten. Each
/// line of the transcript is on disk before the next thing is done; at the end the officers who are present sign it with their keys,
/// two at least. Nothing secret is in it.
///
/// Where a step waits for something, as an import for its certificate, the officers sign what was done so far, and --continue goes on
/// another day; so it does after a failure, or a loss of power.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ceremony --dry-run ceremony.toml                # says what will happen; touches nothing
  sceau ceremony ceremony.toml
  sceau ceremony --continue ceremony.toml               # after a pause or a failure
  sceau ceremony --check transcript.txt ceremony.toml   # anybody who has both, at any time

hsm-config/ceremony.toml explains every key of the file. PINs are asked for on the terminal, and not shown, where the file names no
file for them.

Exit codes:
  0   done; or --check: the transcript is what the officers have signed
  2   it waits for something; or --check: something is wrong with it
  66  a file cannot be read
  69  the token cannot be reached
  78  the file of the ceremony, a PIN or a key is not as it has to be")]
pub(crate) struct CeremonyArgs {
    /// The file that says what is done
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only say what will happen
    #[arg(long, conflicts_with_all = ["continue", "check"])]
    dry_run: bool,
    /// Go on with the transcript that is there
    #[arg(long, conflicts_with = "check")]
    r#continue: bool,
    /// Check a transcript: its lines, the officers' signatures, the files that it names
    #[arg(long, value_name = "TRANSCRIPT")]
    check: Option<PathBuf>,
    /// Print one JSON document instead
    #[arg(long, requires = "check")]
    json: bool,
    /// This process has the token's environment
    #[arg(long, hide = true)]
    in_environment: bool,
}

/// The file of a ceremony.
struct PlanFile {
    plan: Plan,
    digest: Digest,
    /// As it was named.
    path: PathBuf,
    /// What its names begin from.
    dir: PathBuf,
}

impl PlanFile {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("the ceremony's file {}", path.display());
        let bytes = std::fs::read(path).with_context(context)?;
        let plan: Result<Plan, InvalidPlan> = Plan::read(&String::from_utf8_lossy(&bytes));
        let (plan, dir) = (plan.with_context(context)?, path.parent().map(Path::to_owned).unwrap_or_default());
        Ok(Self { plan, digest: Digest::of(&bytes), path: path.to_owned(), dir })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

pub(crate) fn run(args: &CeremonyArgs) -> anyhow::Result<ExitCode> {
    let file = PlanFile::read(&args.file)?;
    if let Some(transcript) = &args.check {
        return check::run(&file, transcript, args.json);
    }
    if args.dry_run {
        return shown::dry_run(&file);
    }
    let environment: Vec<(String, String)> = file.plan.token.environment.clone().into_iter().collect();
    if !args.in_environment && !environment.is_empty() {
        return Err(start_in_environment(&environment));
    }
    let mut room = if args.r#continue { Room::enter_again(&file)? } else { Room::enter(&file)? };
    let ended = room.work()?;
    room.sign()?;
    let (transcript, name) = (file.plan.transcript.as_str(), file.path.display());
    let mut out = io::stdout().lock();
    writeln!(out, "\nTake {transcript}, and SHA-256 of {name}, with you:\n  {}", hex::encode(file.digest.as_bytes()))?;
    let here = file.at(transcript);
    writeln!(out, "Whoever has both checks them with\n  sceau ceremony --check {} {name}", here.display())?;
    match ended {
        Ended::Done => Ok(ExitCode::SUCCESS),
        Ended::Waits => {
            writeln!(out, "It waits, as said above. When that is there:\n  sceau ceremony --continue {name}")?;
            Ok(ExitCode::from(SOME_REFUSED))
        }
    }
}
