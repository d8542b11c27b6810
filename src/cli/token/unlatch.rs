//! `sceau token unlatch`: after a PIN was refused.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::config::Config;

/// Let the service log in again after a PIN was refused.
///
/// A refused PIN latches, on disk: no worker logs in, and none after a restart, so that a service cannot lock an HSM. Put the
/// right PIN in its place first. A service that runs tries again within two seconds; this command tries nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sceau token unlatch --config /etc/sceau/sceau.toml --token hsm-a")]
pub(super) struct UnlatchArgs {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The name of the token
    #[arg(long, value_name = "NAME")]
    token: String,
}

pub(super) fn run(args: &UnlatchArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let spec = config.token(&args.token).with_context(|| format!("{}", args.config.display()))?;
    let file = spec.latch.path().display();
    let was_on = spec.latch.take_off().with_context(|| format!("cannot remove {file}"))?;
    let said =
        if was_on { "unlatched: the next worker logs in with the PIN that is in its place now" } else { "there is no latch" };
    writeln!(std::io::stdout(), "token {:?}: {said} ({file})", spec.name)?;
    Ok(ExitCode::SUCCESS)
}
