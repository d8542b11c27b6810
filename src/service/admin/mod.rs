//! What an officer asks of a running service: how its tokens are, and to log in again after a PIN was refused.
//!
//! It is served on a Unix socket that its owner alone may open, and the credentials of whoever connects are looked at as well.

mod client;

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};

use super::access::name_of;
use super::auditor::{Auditing, AuditorServer, AuditorService};
use super::custody::{Custodian, CustodyServer, CustodyService};
use super::monitoring::CallLayer;
use super::proto::v1;
use super::proto::v1::admin_server::{self, AdminServer};
use crate::sign::{ClockGuard, ClockStatus, Signer, Station};
use crate::token::{SupervisedToken, TokenStatus, WorkerStatus};

pub use client::{AdminClient, AdminError, TokensAnswer};

/// A token as officers see it: itself, and the work that is on its way to it.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// The token.
    pub token: Arc<SupervisedToken>,
    /// Where batches count their work.
    pub station: Arc<Station>,
}

/// The socket, until this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl AdminSocket {
    /// Listens on a path that the service's user alone may open. The folder is made where it is missing; what a service that
    /// was killed has left there is replaced.
    ///
    /// # Errors
    /// Another service answers there, or the path cannot be listened on.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another service runs on it"));
        }
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is no socket")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, file })
    }
}

/// A socket's name, which outlives the socket unless somebody removes it.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever listens there next replaces it.
        let _ = fs::remove_file(&self.0);
    }
}

/// The same calls for the network, behind the guard: a role is asked for there.
pub(super) fn service(service: AdminService) -> AdminServer<AdminService> {
    AdminServer::new(service)
}

/// What is served on the socket.
pub(super) struct SocketParts {
    pub(super) admin: AdminService,
    pub(super) auditing: Option<Arc<Auditing>>,
    pub(super) custodian: Option<Arc<Custodian>>,
}

/// Serves until `shutdown` is ready.
pub(super) async fn run(socket: AdminSocket, parts: SocketParts, shutdown: impl Future<Output = ()>) {
    let AdminSocket { listener, file } = socket;
    let SocketParts { admin, auditing, custodian } = parts;
    let service = AdminServer::with_interceptor(admin, admit);
    let auditor = AuditorServer::with_interceptor(AuditorService::new(auditing), admit);
    let custody = CustodyServer::with_interceptor(CustodyService::new(custodian), admit);
    let incoming = UnixListenerStream::new(listener);
    let server = Server::builder().layer(CallLayer::new()).add_service(service).add_service(auditor).add_service(custody);
    if let Err(error) = server.serve_with_incoming_shutdown(incoming, shutdown).await {
        tracing::error!(%error, "the admin socket failed");
    }
    drop(file);
}

/// The service's own user, and root, which may do anything anyway.
fn admit(request: Request<()>) -> Result<Request<()>, Status> {
    let peer = request.extensions().get::<UdsConnectInfo>().and_then(|connection| connection.peer_cred);
    let own = rustix::process::geteuid().as_raw();
    match peer.map(|peer| peer.uid()) {
        Some(uid) if uid == own || uid == 0 => Ok(request),
        uid => {
            tracing::warn!(?uid, "another user tried the admin socket");
            Err(Status::permission_denied("only the service's own user and root look after its tokens"))
        }
    }
}

/// Serves `sceau.v1.Admin`.
#[derive(Clone, Debug)]
pub(super) struct AdminService {
    /// The tokens.
    pub(super) tokens: Vec<AdminToken>,
    /// What watches the clock.
    pub(super) clock_guard: Option<Arc<ClockGuard>>,
    /// Knows whether anything is signed at all.
    pub(super) signer: Arc<Signer>,
}

impl AdminService {
    fn clock_guard(&self) -> Result<&Arc<ClockGuard>, Status> {
        self.clock_guard.as_ref().ok_or_else(|| Status::failed_precondition("nothing watches this service's clock"))
    }
}

/// On a thread of its own: it is written to disk before it counts.
async fn accept(guard: &Arc<ClockGuard>) -> io::Result<ClockStatus> {
    let (done, accepted) = oneshot::channel();
    let guard = Arc::clone(guard);
    thread::Builder::new().name("clock-accept".to_owned()).spawn(move || drop(done.send(guard.accept())))?;
    accepted.await.map_err(io::Error::other)?
}

#[tonic::async_trait]
impl admin_server::Admin for AdminService {
    async fn list_tokens(&self, _request: Request<v1::ListTokensRequest>) -> Result<Response<v1::ListTokensResponse>, Status> {
        let tokens = self.tokens.iter().map(|token| token_status(token.token.status(), token.station.outstanding()));
        let standstill = self.signer.standstill().map(|standstill| standstill.reason);
        Ok(Response::new(v1::ListTokensResponse { tokens: tokens.collect(), standstill }))
    }

    async fn unlatch_token(
        &self,
        request: Request<v1::UnlatchTokenRequest>,
    ) -> Result<Response<v1::UnlatchTokenResponse>, Status> {
        let officer = name_of(&request);
        let name = request.into_inner().token;
        let token = self.tokens.iter().find(|token| token.token.status().name == name);
        let token = token.ok_or_else(|| Status::not_found(format!("the service has no token {name:?} in use")))?;
        let was_latched = token.token.unlatch().map_err(|error| Status::internal(format!("the latch stays: {error}")))?;
        if was_latched {
            tracing::warn!(token = name, officer, "an officer has taken the PIN latch off");
        }
        Ok(Response::new(v1::UnlatchTokenResponse { was_latched }))
    }

    async fn show_clock(&self, _request: Request<v1::ShowClockRequest>) -> Result<Response<v1::ShowClockResponse>, Status> {
        let ClockStatus { now, stopped } = self.clock_guard()?.status();
        Ok(Response::new(v1::ShowClockResponse { now: now.seconds(), stopped }))
    }

    async fn accept_clock(&self, request: Request<v1::AcceptClockRequest>) -> Result<Response<v1::AcceptClockResponse>, Status> {
        let officer = name_of(&request);
        let ClockStatus { now, stopped: was_stopped } =
            accept(self.clock_guard()?).await.map_err(|error| Status::internal(format!("signing stays as it is: {error}")))?;
        tracing::warn!(%now, was_stopped, officer, "an officer trusts the clock as it is");
        Ok(Response::new(v1::AcceptClockResponse { now: now.seconds(), was_stopped }))
    }
}

fn token_status(status: TokenStatus, outstanding: usize) -> v1::TokenStatus {
    v1::TokenStatus {
        name: status.name,
        trouble: status.trouble,
        is_latched: status.is_latched,
        outstanding_items: outstanding as u64,
        signature_micros: u64::try_from(status.signature_time.as_micros()).unwrap_or(u64::MAX),
        bad_signatures: status.bad_signatures,
        replaced_workers: status.replaced,
        workers: status.workers.into_iter().map(worker_status).collect(),
    }
}

fn worker_status(status: WorkerStatus) -> v1::WorkerStatus {
    let WorkerStatus { pid, age, signatures, trouble } = status;
    v1::WorkerStatus { pid, age_seconds: age.as_secs(), signatures, trouble }
}
