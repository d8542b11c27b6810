//! `sceau token-worker`: started by `sceau serve`, once for each process that a token has.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::open::wanted;
use crate::config::WorkerConfig;
use crate::domain::SystemClock;
use crate::token::{run_initialiser, run_worker};

/// Hold one token's module, PIN and sessions, and sign what the supervisor sends over stdin.
#[derive(Debug, Args)]
pub(crate) struct TokenWorkerArgs {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The name of the token
    #[arg(long, value_name = "NAME")]
    token: String,
    /// Whether the token computes on this machine, as a worker before has found out
    #[arg(long, value_name = "BOOL")]
    local: Option<bool>,
    /// Open no token: do the one order of officers that comes, to initialise a slot as the token, and end
    #[arg(long, conflicts_with = "local")]
    initialise: bool,
}

pub(crate) fn run(args: &TokenWorkerArgs) -> anyhow::Result<ExitCode> {
    let config = WorkerConfig::load(&args.config, &args.token)?;
    if args.initialise {
        run_initialiser(&config.token, !config.keys.is_empty(), config.first_roster, Arc::new(SystemClock))?;
        return Ok(ExitCode::SUCCESS);
    }
    run_worker(&config.token, wanted(&config.keys)?, args.local, config.first_roster, Arc::new(SystemClock))?;
    Ok(ExitCode::SUCCESS)
}
