//! `sceau clock`: what an operator does about the machine's clock.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::SOME_REFUSED;
use super::place::{Place, PlaceArgs};
use super::runtime;
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::service::admin::AdminError;
use crate::sign::clock_guard::accept_in_file;
use crate::sign::{ClockFile, ClockStatus, MachineClocks};

/// Look after the clock by which certificates are signed.
///
/// A clock that steps by more than max_clock_step_seconds, while the service runs or while it does not, stops signing: every call
/// fails with UNAVAILABLE until an operator agrees to the clock.
#[derive(Debug, Args)]
pub(crate) struct ClockArgs {
    #[command(subcommand)]
    command: ClockCommand,
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    Show(ShowArgs),
    Accept(AcceptArgs),
}

/// Show what the machine's clock says, and whether it is trusted.
///
/// Asks the service on this machine over its admin socket, as the service's user or root, where none runs the file that it left;
/// or one over the network, as a caller with the role officer or operator.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau clock show --config /etc/sceau/sceau.toml
  sceau clock show --endpoint https://sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key

Exit codes: 0 the clock is trusted, 2 it is not.")]
struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

/// Trust the machine's clock as it is now, so that signing goes on.
///
/// Look at the clock first, and set it right where it is wrong. A service that runs here is asked over its admin socket and signs
/// at once; where none runs, the file is written for the next start. One elsewhere is asked over the network, as a caller with the
/// role officer or operator.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  date && sceau clock accept --config /etc/sceau/sceau.toml
  sceau clock accept --endpoint https://sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key")]
struct AcceptArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) fn run(args: &ClockArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ClockCommand::Show(args) => show(args),
        ClockCommand::Accept(args) => accept(args),
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let place = args.place.place()?;
    let asked = runtime()?.block_on(async { place.connect().await?.clock().await });
    let (ClockStatus { now, stopped }, runs) = match (asked, &place) {
        (Ok(status), _) => (status, true),
        (Err(AdminError::Absent { .. }), Place::Here { config, .. }) => (status_in_file(config)?, false),
        (Err(error), _) => return Err(error.into()),
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", json!({ "now": now.seconds(), "stopped": stopped, "service_runs": runs }))?;
    } else {
        writeln!(out, "now       {now}")?;
        writeln!(out, "service   {}", if runs { "runs" } else { "does not run; this is what it left" })?;
        match &stopped {
            Some(reason) => writeln!(out, "NOT TRUSTED: {reason}\nset the clock right, then `sceau clock accept`")?,
            None => writeln!(out, "trusted")?,
        }
    }
    Ok(if stopped.is_none() { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}

fn status_in_file(config: &Config) -> anyhow::Result<ClockStatus> {
    let file = ClockFile::at(config.clock_file.clone());
    let record = file.read().with_context(|| format!("cannot read {}", file.path().display()))?;
    Ok(ClockStatus { now: SystemClock.now(), stopped: record.and_then(|record| record.stopped) })
}

fn accept(args: &AcceptArgs) -> anyhow::Result<ExitCode> {
    let place = args.place.place()?;
    let asked = runtime()?.block_on(async { place.connect().await?.accept_clock().await });
    let (ClockStatus { now, stopped }, who) = match (asked, &place) {
        (Ok(status), _) => (status, "the running service signs"),
        (Err(AdminError::Absent { .. }), Place::Here { config, .. }) => {
            let file = ClockFile::at(config.clock_file.clone());
            let stopped = accept_in_file(&MachineClocks, &file);
            let stopped = stopped.with_context(|| format!("cannot write {}", file.path().display()))?;
            (ClockStatus { now: SystemClock.now(), stopped }, "no service runs; the next start signs")
        }
        (Err(error), _) => return Err(error.into()),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{now} is trusted: {who}")?;
    if let Some(reason) = stopped {
        writeln!(out, "signing had stopped: {reason}")?;
    }
    Ok(ExitCode::SUCCESS)
}
