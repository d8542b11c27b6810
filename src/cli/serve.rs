//! `sceau serve`: from a configuration to a running service.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::open::open_keyring;
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::service::admin::{AdminSocket, AdminToken};
use crate::service::{self, Parts};
use crate::sign::{LiveKeyring, Signer};

/// Serve the signing API.
///
/// Reads the configuration, opens the tokens, has every key prove that it belongs to its DSC, and serves gRPC until SIGTERM
/// or SIGINT; calls that are in work are answered before it ends.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau serve --config /etc/sceau/sceau.toml
  SCEAU_LOG=debug sceau serve --config sceau.toml --listen 127.0.0.1:0    # a free port, printed when bound

hsm-config/sceau.toml shows every key of the configuration with its default and unit.")]
pub(crate) struct ServeArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Listen here instead of where the configuration says (loopback; port 0 takes a free one)
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let listen = args.listen.unwrap_or(config.listen);
    serve(&config, &args.config, listen)
}

/// Serves a configuration at an address until a signal ends it.
pub(crate) fn serve(config: &Config, file: &Path, listen: SocketAddr) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(listen.ip().is_loopback(), "the service speaks plain text, so it listens on loopback only; {listen} is not");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let (mut parts, tokens) = assemble(config, file)?;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let socket = &config.admin_socket;
        let admin =
            AdminSocket::bind(socket).with_context(|| format!("cannot listen on the admin socket {}", socket.display()))?;
        parts.admin = Some((admin, tokens));
        // Before the address is told: whoever reads it may send a signal at once.
        let shutdown = shutdown_signal()?;
        announce(listener.local_addr()?)?;
        service::run(listener, shutdown, parts).await.context("the transport failed")?;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// Opens the tokens and puts the signer together.
fn assemble(config: &Config, file: &Path) -> anyhow::Result<(Parts, Vec<AdminToken>)> {
    if !config.signer.check_signatures {
        tracing::warn!("signatures leave UNCHECKED: skip_signature_check_at_own_risk is set");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (keyring, tokens) = open_keyring(config, file, clock.as_ref())?;
    let keyring = Arc::new(LiveKeyring::new(keyring));
    let signer =
        Signer::new(keyring, clock, config.uvci_maker.clone(), config.signer).context("cannot start the encoding threads")?;
    let parts = Parts { signer: Arc::new(signer), profiles: config.profiles.clone(), limits: config.limits, admin: None };
    Ok((parts, tokens))
}

/// The bound address on stdout, so that whoever asked for port 0 can read it.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    Ok(())
}

fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: no new calls; those in work are answered"),
            _ = interrupt.recv() => tracing::info!("SIGINT: no new calls; those in work are answered"),
        }
    })
}
