//! `sceau dev`: a whole installation on SoftHSM in one folder, for development.

mod install;
mod softhsm;

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Args;

use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use softhsm::CONF_VARIABLE;

/// Serve from a folder with a SoftHSM token, for development only.
///
/// Makes what is not there yet: a token with its PIN, a development CSCA, an ES256 and a PS256 DSC, and a configuration
/// with the profiles dcc (the default), dcc-ps256 and eu-2021. Running it again reuses what is there. Verifiers take
/// DIR/trust.pem. Nothing made here is for real certificates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dev --dir demo
  sceau dev --dir demo --listen 127.0.0.1:0      # a free port, printed when bound
  sceau dev --dir demo --init-only               # make the folder and stop

SoftHSM is the Debian package softhsm2. DIR holds sceau.toml, softhsm2.conf, tokens/, user.pin, uvci.secret,
csca.pem, the DSCs and trust.pem; delete it to begin anew.")]
pub(crate) struct DevArgs {
    /// The folder; made if it is absent
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Listen here (loopback only; port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// SoftHSM's module, where it is not in a usual place
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Make the folder and stop
    #[arg(long)]
    init_only: bool,
}

pub(crate) fn run(args: &DevArgs) -> anyhow::Result<ExitCode> {
    let module = softhsm::find_module(args.module.as_deref())?;
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    let dir = args.dir.canonicalize().with_context(|| format!("cannot reach {}", args.dir.display()))?;
    let conf = softhsm::write_conf(&dir)?;
    if !softhsm::is_configured(&conf) {
        return Err(run_again_with(&conf));
    }
    warn_loudly(&dir)?;
    install::install(&dir, &module, SystemClock.now())?;
    if args.init_only {
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(&dir.join(install::CONFIG))?;
    super::serve::serve(&config, args.listen)
}

/// SoftHSM finds its tokens by an environment variable, which a process cannot safely set for itself: this one begins
/// again in its own place, with the variable set.
fn run_again_with(conf: &Path) -> anyhow::Error {
    let again = std::env::current_exe()
        .map(|program| Command::new(program).args(std::env::args_os().skip(1)).env(CONF_VARIABLE, conf).exec());
    let error = again.unwrap_or_else(|error| error);
    anyhow::Error::new(error).context(format!("cannot begin again with {CONF_VARIABLE} set"))
}

fn warn_loudly(dir: &Path) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "+----------------------------------------------------------------------------+")?;
    writeln!(err, "|  FOR DEVELOPMENT ONLY. Keys are in files, the PIN lies beside them, and    |")?;
    writeln!(err, "|  no verifier in the world trusts what is signed here.                      |")?;
    writeln!(err, "+----------------------------------------------------------------------------+")?;
    writeln!(err, "folder: {}", dir.display())
}
