//! `sceau token unlatch`: after a PIN was refused.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::place::{Place, PlaceArgs};
use crate::service::admin::AdminError;

/// Let the service log in again after a PIN was refused.
///
/// A refused PIN latches, on disk: no worker logs in, and none after a restart, so that a service cannot lock an HSM. Put the
/// right PIN in its place first. A service that runs here is asked over its admin socket, one elsewhere over the network, as a
/// caller with the role officer, and tries again within two seconds;
/// where none runs, the latch is removed for the next start. This command itself tries nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau token unlatch --config /etc/sceau/sceau.toml --token hsm-a
  sceau token unlatch --endpoint https://sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key --token hsm-a")]
pub(super) struct UnlatchArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The name of the token
    #[arg(long, value_name = "NAME")]
    token: String,
}

pub(super) fn run(args: &UnlatchArgs) -> anyhow::Result<ExitCode> {
    let place = args.place.place()?;
    let spec = match &place {
        Place::Here { file, config } => Some(config.token(&args.token).with_context(|| format!("{}", file.display()))?),
        Place::Elsewhere(_) => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let asked = runtime.block_on(async { place.connect().await?.unlatch(&args.token).await });
    let (was_on, who) = match (asked, spec) {
        (Ok(was_on), _) => (was_on, "the running service logs in within two seconds, with the PIN that is in its place now"),
        (Err(AdminError::Absent { .. }), Some(spec)) => {
            let file = spec.latch.path().display();
            let was_on = spec.latch.take_off().with_context(|| format!("cannot take off the latch in {file}"))?;
            (was_on, "no service runs; the next start logs in with the PIN that is in its place then")
        }
        (Err(error), _) => return Err(error.into()),
    };
    let said = if was_on { format!("unlatched: {who}") } else { "there was no latch".to_owned() };
    writeln!(std::io::stdout(), "token {:?}: {said}", args.token)?;
    Ok(ExitCode::SUCCESS)
}
