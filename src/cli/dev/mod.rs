//! `sceau dev`: a whole installation on SoftHSM in one folder, for development.

mod install;
mod softhsm;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Args;

use super::serve::Boot;
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use softhsm::CONF_VARIABLE;

/// Serve from a folder with a SoftHSM token, for development only.
///
/// Makes what is not there yet: a token with its PIN, a development CSCA, an ES256 and a PS256 DSC, an audit key, an upload key, the
/// keys of the officers ada and grace, and a configuration with the profiles dcc (the default), dcc-ps256 and eu-2021. Running it again
/// reuses what is there. Verifiers take DIR/trust.pem. Two officers agree on each change of a key here too, but whoever has the folder
/// is both of them. Nothing made here is for real certificates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dev --dir demo
  sceau dev --dir demo --listen 127.0.0.1:0      # a free port, printed when bound
  sceau dev --dir demo --init-only               # make the folder and stop

SoftHSM is the Debian package softhsm2. DIR holds sceau.toml, softhsm2.conf, tokens/, user.pin, uvci.secret,
csca.pem, the DSCs, trust.pem, audit.pem, upload.pem, ada.key, grace.key and state/ledger.db; delete it to begin anew.")]
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
    if softhsm::is_configured(&conf) && args.init_only {
        super::log::start();
        install::install(&dir, &module, SystemClock.now())?;
        return Ok(ExitCode::SUCCESS);
    }
    warn_loudly(&dir)?;
    let file = dir.join(install::CONFIG);
    if !file.exists() {
        install_in_a_process(&dir, &module, &conf)?;
    }
    if args.init_only {
        return Ok(ExitCode::SUCCESS);
    }
    let boot = Boot::of(&file)?;
    let config = Config::load(&file)?;
    super::serve::serve(&boot, config, &file, args.listen)
}

/// Makes the folder in a process of its own: this one will face the network and never loads the module; and SoftHSM finds its
/// tokens by an environment variable, which a process cannot safely set for itself.
fn install_in_a_process(dir: &Path, module: &Path, conf: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program to start it again")?;
    let mut command = Command::new(program);
    command.args(["dev", "--init-only", "--dir"]).arg(dir).arg("--module").arg(module).env(CONF_VARIABLE, conf);
    let status = command.status().context("cannot start this program again")?;
    anyhow::ensure!(status.success(), "the folder could not be made");
    Ok(())
}

fn warn_loudly(dir: &Path) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "+----------------------------------------------------------------------------+")?;
    writeln!(err, "|  FOR DEVELOPMENT ONLY. Keys are in files, the PIN lies beside them, and    |")?;
    writeln!(err, "|  no verifier in the world trusts what is signed here. Both officers' keys  |")?;
    writeln!(err, "|  lie there as well: whoever has the folder is both of them.                |")?;
    writeln!(err, "+----------------------------------------------------------------------------+")?;
    writeln!(err, "folder: {}", dir.display())
}
