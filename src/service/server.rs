//! Serving on a listener until told to stop. Reads neither configuration nor environment.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::{Error, Server};

use super::access::Guard;
use super::admin::{self, AdminService, AdminSocket, AdminToken, SocketParts};
use super::auditor::{Auditing, AuditorServer, AuditorService};
use super::awake::Cores;
use super::custody::{Custodian, CustodyServer, CustodyService};
use super::deadline::DeadlineLayer;
use super::drain::Drain;
use super::health::HealthWatch;
use super::monitoring::CallLayer;
use super::proto::DESCRIPTORS;
use super::proto::v1::signer_server::SignerServer;
use super::signer::SignerService;
use super::tls::LiveTls;
use super::{Live, listener};
use crate::sign::{ClockGuard, Signer};

/// What the service is made of.
#[derive(Debug)]
pub struct Parts {
    /// Signs.
    pub signer: Arc<Signer>,
    /// Callers, profiles and limits, which may change while it runs.
    pub live: Arc<Live>,
    /// The service's certificate; without it connections are plain text, and every caller is `loopback`.
    pub tls: Option<Arc<LiveTls>>,
    /// The machine's, which stay awake while somebody waits.
    pub cores: Cores,
    /// How it ends.
    pub drain: Drain,
    /// What officers look after.
    pub admin: Administration,
}

/// What officers look after, over the network and on this machine.
#[derive(Debug, Default)]
pub struct Administration {
    /// The Unix socket on which officers of this machine ask.
    pub socket: Option<AdminSocket>,
    /// The tokens.
    pub tokens: Vec<AdminToken>,
    /// What watches the signer's clock; nothing where that cannot jump.
    pub clock_guard: Option<Arc<ClockGuard>>,
    /// What auditors ask; nothing where nothing is written down.
    pub auditing: Option<Arc<Auditing>>,
    /// What officers revoke by; nothing where nothing is written down.
    pub custodian: Option<Arc<Custodian>>,
}

/// What a client may send before the service has read it, in bytes: on one call, and on a connection. Ten batches are on their
/// way, and a caller that floods is held back.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Calls of one connection at a time.
const CALLS_A_CONNECTION: u32 = 256;

/// How often a silent connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long an officer's call may take after the shutdown.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// Serves gRPC on a listener: the signer, administration, health and reflection, each call to those who may make it. When
/// `shutdown` is ready, health says NOT_SERVING, after [`Drain::delay`] no new call and no new chunk of a stream is taken, and what
/// is in work is answered, within [`Drain::limit`].
///
/// # Errors
/// Where the transport fails.
pub async fn run(listener: TcpListener, shutdown: impl Future<Output = ()> + Send, parts: Parts) -> Result<(), Error> {
    let office = parts.admin.custodian.as_ref().and_then(|custodian| custodian.office().cloned());
    let (health, health_service) = HealthWatch::start(Arc::clone(&parts.signer), Arc::clone(&parts.live), office).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The details of an item's error are an Any: a client that lives by reflection reads them only with this.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection_v1 = reflection().build_v1().expect("the descriptors are those that the build compiled");
    // grpcurl before 1.8.8, and Python's grpcio-reflection, know only this one.
    let reflection_v1alpha = reflection().build_v1alpha().expect("the descriptors are those that the build compiled");
    let limits = *parts.live.limits();
    let (close, is_closing) = watch::channel(false);
    let signer = SignerServer::new(SignerService::new(&parts, is_closing))
        .max_decoding_message_size(limits.max_request_bytes)
        .max_encoding_message_size(usize::MAX);
    let (end_admin, admin_ends) = tokio::sync::oneshot::channel::<()>();
    let Administration { socket, tokens, clock_guard, auditing, custodian } = parts.admin;
    let admin_service = AdminService { tokens, clock_guard, signer: Arc::clone(&parts.signer) };
    let administration = admin::service(admin_service.clone());
    let auditor = AuditorServer::new(AuditorService::new(auditing.clone()));
    let custody = CustodyServer::new(CustodyService::new(custodian.clone()));
    let on_socket = SocketParts { admin: admin_service, auditing, custodian };
    let admin = async move {
        if let Some(socket) = socket {
            // Dropped where the service ends, which is as good as sent.
            admin::run(socket, on_socket, async { drop(admin_ends.await) }).await;
        }
    };
    let admin = tokio::spawn(admin);
    let (drain, draining) = tokio::sync::oneshot::channel();
    let Drain { delay, limit } = parts.drain;
    let shutdown = async move {
        health.run(shutdown).await;
        tokio::time::sleep(delay).await;
        // A stream would go on as long as its caller has chunks.
        close.send_replace(true);
        let _ = drain.send(());
    };
    let connections = listener::incoming(listener, parts.tls, limits.max_connections);
    let serving = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(CALLS_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        // Outermost, so that what the guard refuses is seen as well.
        .layer(CallLayer::new())
        .layer(DeadlineLayer)
        .layer(Guard::new(parts.live))
        .add_service(health_service)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .add_service(administration)
        .add_service(auditor)
        .add_service(custody)
        .add_service(signer)
        .serve_with_incoming_shutdown(connections, shutdown);
    let drained = async {
        match draining.await {
            Ok(()) => tokio::time::sleep(limit).await,
            Err(_) => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        () = drained => {
            tracing::warn!(seconds = limit.as_secs(), "calls are still open after the shutdown; they are dropped");
            Ok(())
        }
    };
    drop(end_admin);
    if tokio::time::timeout(ADMIN_DRAIN, admin).await.is_err() {
        tracing::debug!("an officer's call was still open");
    }
    ended
}
