//! `sceau token unlatch`: after a PIN was refused.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::config::Config;
use crate::service::admin::{AdminClient, AdminError};

/// Let the service log in again after a PIN was refused.
///
/// A refused PIN latches, on disk: no worker logs in, and none after a restart, so that a service cannot lock an HSM. Put the
/// right PIN in its place first. A service that runs here is asked over its admin socket, and tries again within two seconds;
/// where none runs, the latch is removed for the next start. This command itself tries nothing.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let asked = runtime.block_on(async { AdminClient::connect(&config.admin_socket).await?.unlatch(&spec.name).await });
    let (was_on, who) = match asked {
        Ok(was_on) => (was_on, "the running service logs in within two seconds, with the PIN that is in its place now"),
        Err(AdminError::Absent { .. }) => {
            let file = spec.latch.path().display();
            let was_on = spec.latch.take_off().with_context(|| format!("cannot remove {file}"))?;
            (was_on, "no service runs; the next start logs in with the PIN that is in its place then")
        }
        Err(error) => return Err(error.into()),
    };
    let said = if was_on { format!("unlatched: {who}") } else { "there was no latch".to_owned() };
    writeln!(std::io::stdout(), "token {:?}: {said}", spec.name)?;
    Ok(ExitCode::SUCCESS)
}
