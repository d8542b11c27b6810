//! `sceau serve`: from a configuration to a running service.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::open::open_keyring;
use super::reload::Reload;
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::service::access::DayCounts;
use crate::service::admin::AdminSocket;
use crate::service::tls::LiveTls;
use crate::service::{self, Administration, Live, Parts};
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
    serve(config, &args.config, listen)
}

/// Serves a configuration at an address until a signal ends it.
pub(crate) fn serve(config: Config, file: &Path, listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let is_plain = config.tls.is_none();
    anyhow::ensure!(
        !is_plain || listen.ip().is_loopback(),
        "plain text is for loopback only; {listen} is not: give a [server.tls]"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let (mut parts, state_dir) = (assemble(&config, file)?, config.state_dir.clone());
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let socket = &config.admin_socket;
        let admin =
            AdminSocket::bind(socket).with_context(|| format!("cannot listen on the admin socket {}", socket.display()))?;
        parts.admin.socket = Some(admin);
        // Before the address is told: whoever reads it may send a signal at once.
        let shutdown = shutdown_signal()?;
        let hangup = signal(SignalKind::hangup())?;
        announce(listener.local_addr()?, is_plain)?;
        let counts = DayCounts::at(state_dir.join("day-counts.json"));
        counts
            .resume(&parts.live.access())
            .with_context(|| format!("cannot go on with the day's counts in {}", state_dir.display()))?;
        let live = Arc::clone(&parts.live);
        let counting = tokio::spawn(keep_counts(counts.clone(), Arc::clone(&live)));
        live.read_person_keys().await;
        let reloading = tokio::spawn(reload_at_each(hangup, config, file.to_owned(), Arc::clone(&parts.live), parts.tls.clone()));
        let served = service::run(listener, shutdown, parts).await.context("the transport failed");
        reloading.abort();
        counting.abort();
        save_counts(&counts, &live);
        served?;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// Reads the configuration again at each SIGHUP.
async fn reload_at_each(mut hangup: Signal, config: Config, file: PathBuf, live: Arc<Live>, tls: Option<Arc<LiveTls>>) {
    let mut reload = Reload { config, live: &live, tls: tls.as_deref() };
    while hangup.recv().await.is_some() {
        tracing::info!(file = %file.display(), "SIGHUP: the configuration is read again");
        reload.run(&file);
        live.read_person_keys().await;
    }
}

/// How often the day's counts are written: as much is forgotten where the process is killed.
const COUNTS_KEPT_EACH: Duration = Duration::from_secs(5);

async fn keep_counts(counts: DayCounts, live: Arc<Live>) {
    loop {
        tokio::time::sleep(COUNTS_KEPT_EACH).await;
        save_counts(&counts, &live);
    }
}

fn save_counts(counts: &DayCounts, live: &Live) {
    if let Err(error) = counts.save(&live.access()) {
        tracing::error!(%error, "the day's counts of the callers cannot be written; a restart would forget them");
    }
}

/// Opens the tokens and puts the service together.
fn assemble(config: &Config, file: &Path) -> anyhow::Result<Parts> {
    if !config.signer.check_signatures {
        tracing::warn!("signatures leave UNCHECKED: skip_signature_check_at_own_risk is set");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (keyring, tokens) = open_keyring(config, file, clock.as_ref())?;
    let keyring = Arc::new(LiveKeyring::new(keyring));
    let signer = Signer::new(keyring, Arc::clone(&clock), config.uvci_maker.clone(), config.signer)
        .context("cannot start the encoding threads")?;
    let live = Live::new(config.live(), clock);
    let tls = config.tls.as_ref().map(|files| files.load().map(LiveTls::new)).transpose().context("[server.tls]")?;
    Ok(Parts { signer: Arc::new(signer), live, tls, admin: Administration { socket: None, tokens } })
}

/// The bound address on stdout, so that whoever asked for port 0 can read it.
fn announce(address: SocketAddr, is_plain: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}://{address}", if is_plain { "http" } else { "https" })?;
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
