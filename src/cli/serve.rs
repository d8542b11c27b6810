//! `sceau serve`: from a configuration to a running service.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use futures_util::future::select;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::counting::Counting;
use super::inspect::inspect;
use super::log;
use super::notify;
use super::open::{OpenKeys, open_keys};
use super::open_custody::{CustodyAtWork, OpenCustody};
use super::open_ledger::{OpenLedger, Recorded, open_ledger};
use super::reload::Reload;
use crate::config::{Config, ConfigError, Seen};
use crate::custody::revocation::Revoker;
use crate::domain::{Clock, SystemClock};
use crate::service::access::DayCounts;
use crate::service::admin::AdminSocket;
use crate::service::auditor::Auditing;
use crate::service::custody::Custodian;
use crate::service::monitoring::{Monitoring, Sources, Traces, Watched, WatchedCustody, WatchedLedger};
use crate::service::tls::LiveTls;
use crate::service::{self, Administration, Cores, Live, Parts};
use crate::sign::{Checking, ClockFile, ClockGuard, LiveKeyring, MachineClocks, Signer, UploadKey};

/// Serve the signing API.
///
/// Reads the configuration, opens the tokens, has every key prove that it belongs to its DSC, and serves gRPC until SIGTERM
/// or SIGINT; calls that are in work are answered before it ends. A second such signal ends it at once.
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
    let boot = Boot::of(&args.config)?;
    let config = Config::load(&args.config)?;
    let listen = args.listen.unwrap_or(config.listen);
    serve(&boot, config, &args.config, listen)
}

/// What has to be there before the configuration is read whole: log lines as it wants them, and what sends its spans.
#[derive(Debug)]
pub(crate) struct Boot {
    /// Ended before the runtime, on which it sends what is left.
    _traces: Option<Traces>,
    runtime: Runtime,
}

impl Boot {
    /// Starts logging. Once a process.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        let seen = Seen::peek(file);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let entered = runtime.enter();
        let traces = seen.traces.map(|traces| Traces::to(&traces.endpoint, traces.sampling_ratio)).transpose();
        drop(entered);
        log::start_as(seen.log_format, traces.as_ref().ok().and_then(Option::as_ref));
        Ok(Self { _traces: traces?, runtime })
    }
}

/// Serves a configuration at an address until a signal ends it.
pub(crate) fn serve(boot: &Boot, config: Config, file: &Path, listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let is_plain = config.tls.is_none();
    anyhow::ensure!(
        !is_plain || listen.ip().is_loopback(),
        "plain text is for loopback only; {listen} is not: give a [server.tls]"
    );
    boot.runtime.block_on(async {
        // First of all: it takes the metrics of what comes.
        let monitoring = match config.seen.listen {
            Some(address) => Some(Monitoring::bind(address).await.context("monitoring.listen")?),
            None => None,
        };
        // Before a token is opened: what is wrong with it must cost no login, however often the service is started again.
        let counts = DayCounts::read(config.state_dir.join("day-counts.json"))?;
        let Assembled { mut parts, recorded, custody } = assemble(&config, file).await?;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let socket = &config.admin_socket;
        let admin =
            AdminSocket::bind(socket).with_context(|| format!("cannot listen on the admin socket {}", socket.display()))?;
        let ending = Arc::new(AtomicBool::new(false));
        let ledger = recorded.as_ref().map(|recorded| recorded.watched.clone());
        let officers = custody.as_ref().map(|custody| custody.watched.clone());
        let watched = monitoring.map(|monitoring| watch(monitoring, &parts, (ledger, officers), &ending)).transpose()?;
        parts.admin.socket = Some(admin);
        // Before the address is told: whoever reads it may send a signal at once.
        let (shutdown, at_once) = signals()?;
        let hangup = signal(SignalKind::hangup())?;
        counts.resume(&parts.live.access());
        let live = Arc::clone(&parts.live);
        live.read_person_keys().await;
        let counting =
            Counting::begin(counts, Arc::clone(&live)).context("cannot start the thread that writes the day's counts")?;
        let status = notify::tell_status(Arc::clone(&parts.signer), Arc::clone(&live));
        announce(listener.local_addr()?, is_plain)?;
        notify::ready();
        let reloading = tokio::spawn(reload_at_each(hangup, config, file.to_owned(), Arc::clone(&live), parts.tls.clone()));
        let foreseeing = tokio::spawn(service::foresight::warn_daily(Arc::clone(&parts.signer), Arc::clone(&parts.live)));
        let stopping = async move {
            let status = pin!(status);
            let shutdown = pin!(shutdown);
            select(status, shutdown).await;
            ending.store(true, Ordering::Relaxed);
            notify::stopping();
        };
        let is_drained = tokio::select! {
            ended = service::run(listener, stopping, parts) => {
                ended.context("the transport failed")?;
                true
            }
            () = at_once => false,
            () = notify::feed_watchdog() => false,
        };
        if let Some(watched) = watched {
            watched.end().await;
        }
        reloading.abort();
        foreseeing.abort();
        counting.end();
        if let Some(custody) = custody {
            custody.end().await;
        }
        if let Some(recorded) = recorded {
            recorded.end().await;
        }
        if !is_drained {
            tracing::warn!("a second signal: ended at once; calls in work are dropped");
            return Ok(ExitCode::FAILURE);
        }
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// Reads the configuration again at each SIGHUP.
async fn reload_at_each(mut hangup: Signal, config: Config, file: PathBuf, live: Arc<Live>, tls: Option<Arc<LiveTls>>) {
    let mut reload = Reload { config, live: &live, tls: tls.as_deref() };
    while hangup.recv().await.is_some() {
        tracing::info!(file = %file.display(), "SIGHUP: the configuration is read again");
        notify::reloading();
        reload.run(&file);
        live.read_person_keys().await;
        notify::ready();
    }
}

/// A service that is about to run, and what goes on beside it.
struct Assembled {
    parts: Parts,
    recorded: Option<Recorded>,
    custody: Option<CustodyAtWork>,
}

/// Opens the tokens and puts the service together.
async fn assemble(config: &Config, file: &Path) -> anyhow::Result<Assembled> {
    if config.signer.checking == Checking::Skipped {
        tracing::warn!("signatures leave UNCHECKED: skip_signature_check_at_own_risk is set");
    }
    check_files(config, file)?;
    let file_of_clock = ClockFile::at(config.clock_file.clone());
    let guard = Arc::new(ClockGuard::new(Arc::new(MachineClocks), config.max_clock_step, file_of_clock));
    guard.watch().context("cannot start the thread that watches the clock")?;
    let clock: Arc<dyn Clock> = Arc::clone(&guard) as Arc<dyn Clock>;
    let OpenKeys { keyring, audit, upload, tokens } = open_keys(config, file, clock.as_ref())?;
    let OpenLedger { ledger, recorded, auditing } = open_ledger(config, &clock, audit).await?;
    let custody = auditing.as_ref().map(|auditing| open_custody(auditing, upload));
    let keyring = Arc::new(LiveKeyring::new(keyring));
    let (custodian, custody) = match (custody, &config.custody) {
        (Some(custody), Some(settings)) => {
            let (custodian, at_work) = custody.with_office(settings, &tokens, &keyring).await;
            (Some(Arc::new(custodian)), Some(at_work))
        }
        (Some(custody), None) => (Some(Arc::new(custody.custodian)), None),
        (None, Some(_)) => anyhow::bail!("[custody] keeps its register in the ledger, and ledger.store is none_at_own_risk"),
        (None, None) => (None, None),
    };
    let mut signer = Signer::new(keyring, Arc::clone(&clock), config.uvci_maker.clone(), config.signer)
        .context("cannot start the encoding threads")?;
    if let Some(ledger) = ledger {
        signer = signer.with_ledger(ledger);
    }
    let live = Live::new(config.live(), clock);
    let tls = config.tls.as_ref().map(|files| files.load().map(LiveTls::new)).transpose().context("[server.tls]")?;
    let admin = Administration { socket: None, tokens, clock_guard: Some(guard), auditing, custodian };
    let cores = cores(config);
    let parts = Parts { signer: Arc::new(signer), live, tls, cores, drain: config.drain, admin };
    Ok(Assembled { parts, recorded, custody })
}

/// Without the device, or the right to it, a single certificate merely takes longer.
fn cores(config: &Config) -> Cores {
    if !config.awake_while_waiting {
        return Cores::default();
    }
    Cores::open(Path::new(Cores::DEVICE)).unwrap_or_else(|error| {
        tracing::info!(device = Cores::DEVICE, %error, "cores sleep while somebody waits for a certificate; README.md, Performance, says how this user may keep them awake");
        Cores::default()
    })
}

/// What officers revoke by.
fn open_custody(auditing: &Auditing, upload: Option<UploadKey>) -> OpenCustody<'_> {
    if upload.is_none() {
        tracing::info!("revocation lists are plain, which no gateway takes: there is no [revocation]");
    }
    let Auditing { records, keys, writer, clock, .. } = auditing;
    let revoker = Arc::new(Revoker::new(records.clone(), writer.clone(), upload, Arc::clone(clock)));
    let custodian = Custodian::new(Arc::clone(&revoker), records.clone(), keys.clone(), writer.instance());
    OpenCustody { auditing, revoker, custodian }
}

/// What `sceau config check` finds as well: here a token that does not open may be another's stand-in, and is only warned of.
fn check_files(config: &Config, file: &Path) -> Result<(), ConfigError> {
    let inspection = inspect(config, SystemClock.now());
    inspection.token_faults.iter().chain(&inspection.warnings).for_each(|fault| tracing::warn!("{fault}"));
    if inspection.faults.is_empty() { Ok(()) } else { Err(ConfigError::of_files(file, inspection.faults)) }
}

/// Lets others watch, from before the first call until after the last.
fn watch(
    monitoring: Monitoring,
    parts: &Parts,
    (ledger, custody): (Option<WatchedLedger>, Option<WatchedCustody>),
    ending: &Arc<AtomicBool>,
) -> anyhow::Result<Watched> {
    let sources = Sources {
        signer: Arc::clone(&parts.signer),
        live: Arc::clone(&parts.live),
        tokens: parts.admin.tokens.clone(),
        tls: parts.tls.clone(),
        ledger,
        custody,
        ending: Arc::clone(ending),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "monitoring on http://{}", monitoring.address())?;
    drop(out);
    Ok(monitoring.serve(sources))
}

/// The bound address on stdout, so that whoever asked for port 0 can read it.
fn announce(address: SocketAddr, is_plain: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}://{address}", if is_plain { "http" } else { "https" })?;
    out.flush()?;
    Ok(())
}

/// The first signal to end, and any after it.
fn signals() -> anyhow::Result<(impl Future<Output = ()> + Send, impl Future<Output = ()> + Send)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, begun) = oneshot::channel();
    let shutdown = async move {
        // Dropped only with the service itself.
        let _ = begun.await;
    };
    let at_once = async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = next().await;
        tracing::info!("{name}: no new calls; those in work are answered");
        let _ = first.send(());
        next().await;
    };
    Ok((shutdown, at_once))
}
