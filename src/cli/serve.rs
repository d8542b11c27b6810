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

use crate::config::{Config, DscFile};
use crate::domain::{Clock, Dsc, SystemClock, pem};
use crate::service::{self, Parts};
use crate::sign::{Keyring, LiveKeyring, Signer, SigningKey};
use crate::token::{SupervisedToken, Token, TokenSpec, WantedKey, WorkerCommand};

/// Serve the signing API.
///
/// Reads the configuration, opens every token, proves that every DSC belongs to its key, and serves gRPC until SIGTERM
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
        let parts = assemble(config, file).await?;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        // Before the address is told: whoever reads it may send a signal at once.
        let shutdown = shutdown_signal()?;
        announce(listener.local_addr()?)?;
        service::run(listener, shutdown, parts).await.context("the transport failed")?;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// Opens the tokens, proves the keys, and puts the signer together.
async fn assemble(config: &Config, file: &Path) -> anyhow::Result<Parts> {
    if !config.signer.check_signatures {
        tracing::warn!("signatures leave UNCHECKED: skip_signature_check_at_own_risk is set");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = open_keys(config, file, clock.as_ref()).await?;
    let keyring = Arc::new(LiveKeyring::new(Keyring::new(keys)?));
    let signer =
        Signer::new(keyring, clock, config.uvci_maker.clone(), config.signer).context("cannot start the encoding threads")?;
    Ok(Parts { signer: Arc::new(signer), profiles: config.profiles.clone(), limits: config.limits })
}

async fn open_keys(config: &Config, file: &Path, clock: &dyn Clock) -> anyhow::Result<Vec<Arc<SigningKey>>> {
    let mut keys = Vec::new();
    for spec in &config.tokens {
        let dscs = dscs_of(config, &spec.name)?;
        dscs.iter().for_each(|dsc| warn_of_validity(dsc, clock));
        if !dscs.is_empty() {
            keys.extend(open_token(spec, file, dscs).await.with_context(|| format!("token {:?}", spec.name))?);
        }
    }
    Ok(keys)
}

async fn open_token(spec: &TokenSpec, file: &Path, dscs: Vec<Dsc>) -> anyhow::Result<Vec<Arc<SigningKey>>> {
    let (token, handles) = SupervisedToken::start(spec, worker_command(spec, file)?, &wanted(&dscs))?;
    let token: Arc<dyn Token> = Arc::new(token);
    let mut keys = Vec::with_capacity(dscs.len());
    for (dsc, handle) in dscs.into_iter().zip(handles) {
        let kid = dsc.kid();
        let (subject, types, not_after) = (dsc.subject().to_owned(), dsc.types(), dsc.not_after());
        keys.push(Arc::new(SigningKey::prove(dsc, Arc::clone(&token), handle).await?));
        tracing::info!(%kid, subject, ?types, %not_after, "DSC ready: its key has signed and the signature verifies");
    }
    Ok(keys)
}

/// This program again, as `sceau token-worker` on the same configuration.
fn worker_command(spec: &TokenSpec, file: &Path) -> anyhow::Result<WorkerCommand> {
    let file = file.canonicalize().with_context(|| format!("cannot reach {}", file.display()))?;
    let file = file.to_str().context("the path of the configuration is not UTF-8")?.to_owned();
    let program = std::env::current_exe().context("cannot find this program to start workers")?;
    let arguments = vec!["token-worker".to_owned(), "--config".to_owned(), file, "--token".to_owned(), spec.name.clone()];
    Ok(WorkerCommand { program, arguments })
}

/// The DSCs whose keys a token holds, in the order of the configuration: supervisor and worker number keys by it.
pub(crate) fn dscs_of(config: &Config, token: &str) -> anyhow::Result<Vec<Dsc>> {
    config.dscs.iter().filter(|file| file.token == token).map(read_dsc).collect()
}

/// The keys of DSCs, by their kids.
pub(crate) fn wanted(dscs: &[Dsc]) -> Vec<WantedKey> {
    dscs.iter().map(|dsc| WantedKey { name: dsc.kid().to_string(), public_key: dsc.public_key().clone() }).collect()
}

fn read_dsc(file: &DscFile) -> anyhow::Result<Dsc> {
    let path = file.certificate.display();
    let bytes = std::fs::read(&file.certificate).with_context(|| format!("cannot read the DSC {path}"))?;
    let first_pem = std::str::from_utf8(&bytes).ok().and_then(|text| pem::certificates(text).next());
    let der = first_pem.unwrap_or(Ok(bytes)).with_context(|| format!("the DSC {path}"))?;
    Dsc::from_der(&der).with_context(|| format!("the DSC {path}"))
}

/// A DSC outside its validity is kept (it may begin tomorrow) and signs nothing; the operator hears of it.
fn warn_of_validity(dsc: &Dsc, clock: &dyn Clock) {
    let (kid, now) = (dsc.kid(), clock.now());
    if now > dsc.not_after() {
        tracing::warn!(%kid, not_after = %dsc.not_after(), "the DSC has expired; it signs nothing");
    } else if now < dsc.not_before() {
        tracing::warn!(%kid, not_before = %dsc.not_before(), "the DSC is not valid yet; it signs nothing until then");
    }
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
