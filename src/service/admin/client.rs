//! The officer's end of the admin socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::super::auditor::AuditorClient;
use super::super::client::within;
use super::super::connection::{Connection, ConnectionError};
use super::super::custody::CustodyClient;
use super::super::proto::v1;
use super::super::proto::v1::admin_client;
use crate::domain::NumericDate;
use crate::sign::ClockStatus;
use crate::token::{TokenStatus, WorkerStatus};

/// How long an officer waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a service that runs on this machine.
#[derive(Clone, Debug)]
pub struct AdminClient(admin_client::AdminClient<Channel>, Channel);

/// How the tokens of a service are.
#[derive(Clone, Debug)]
pub struct TokensAnswer {
    /// Each, with the number of items on their way to it.
    pub tokens: Vec<(TokenStatus, u64)>,
    /// Why nothing is signed, whatever they do.
    pub standstill: Option<String>,
}

/// Why the service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No service listens on the socket.
    #[error("no service runs here: nothing listens on {}", .socket.display())]
    Absent {
        /// Where it would.
        socket: PathBuf,
    },
    /// The socket is another user's.
    #[error("cannot open {}: {reason}; ask as the service's user, or as root", .socket.display())]
    Forbidden {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no connection over the network.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The service refused, or went away.
    #[error("the service answered: {}", .0.message())]
    Call(Box<Status>),
}

impl AdminError {
    pub(in crate::service) fn call(status: Status) -> Self {
        Self::Call(Box::new(status))
    }

    /// Whether the service cannot do it as it is asked, or as things are: to ask again as before is of no use.
    #[must_use]
    pub fn is_the_callers_fault(&self) -> bool {
        let Self::Call(status) = self else { return false };
        matches!(status.code(), tonic::Code::InvalidArgument | tonic::Code::FailedPrecondition | tonic::Code::NotFound)
    }

    /// Whether the service has no such call, or does without what the call is about.
    #[must_use]
    pub fn is_without_it(&self) -> bool {
        let Self::Call(status) = self else { return false };
        matches!(status.code(), tonic::Code::FailedPrecondition | tonic::Code::Unimplemented)
    }

    /// Whether the service does not let this caller ask that.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let Self::Call(status) = self else { return false };
        matches!(status.code(), tonic::Code::PermissionDenied | tonic::Code::Unauthenticated)
    }
}

impl AdminClient {
    /// Connects to a service's socket.
    ///
    /// # Errors
    /// [`AdminError::Absent`] where no service runs, [`AdminError::Forbidden`] where it is another user's.
    pub async fn connect(socket: &Path) -> Result<Self, AdminError> {
        let absent = || AdminError::Absent { socket: socket.to_owned() };
        // A plain connection tells what is wrong; the channel's error would not.
        match UnixStream::connect(socket) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(AdminError::Forbidden { socket: socket.to_owned(), reason: error.to_string() });
            }
            Err(_) => return Err(absent()),
            Ok(_) => {}
        }
        let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display())).map_err(|_| absent())?;
        let channel = endpoint.connect().await.map_err(|_| absent())?;
        Ok(Self::over(channel))
    }

    /// Connects to a service over the network, as a caller with the role that a call asks for.
    ///
    /// # Errors
    /// [`AdminError::Connection`].
    pub async fn connect_over(connection: &Connection) -> Result<Self, AdminError> {
        Ok(Self::over(connection.open().await?.next().channel()))
    }

    fn over(channel: Channel) -> Self {
        Self(admin_client::AdminClient::new(channel.clone()), channel)
    }

    /// The same service's ledger.
    #[must_use]
    pub fn auditor(&self) -> AuditorClient {
        AuditorClient::over(self.1.clone())
    }

    /// The same service's custody.
    #[must_use]
    pub fn custody(&self) -> CustodyClient {
        CustodyClient::over(self.1.clone())
    }

    /// How each token is, and whether anything is signed at all.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn tokens(&mut self) -> Result<TokensAnswer, AdminError> {
        let answer = self.0.list_tokens(within(TIMEOUT, v1::ListTokensRequest {})).await.map_err(AdminError::call)?;
        let v1::ListTokensResponse { tokens, standstill } = answer.into_inner();
        Ok(TokensAnswer { tokens: tokens.into_iter().map(token_status).collect(), standstill })
    }

    /// Lets a token's workers log in again; whether a latch was on.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn unlatch(&mut self, token: &str) -> Result<bool, AdminError> {
        let request = v1::UnlatchTokenRequest { token: token.to_owned() };
        Ok(self.0.unlatch_token(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner().was_latched)
    }

    /// How the clock is.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn clock(&mut self) -> Result<ClockStatus, AdminError> {
        let answer = self.0.show_clock(within(TIMEOUT, v1::ShowClockRequest {})).await.map_err(AdminError::call)?.into_inner();
        Ok(ClockStatus { now: NumericDate::from_seconds(answer.now), stopped: answer.stopped })
    }

    /// Trusts the clock as it is now; how it was.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn accept_clock(&mut self) -> Result<ClockStatus, AdminError> {
        let answer =
            self.0.accept_clock(within(TIMEOUT, v1::AcceptClockRequest {})).await.map_err(AdminError::call)?.into_inner();
        Ok(ClockStatus { now: NumericDate::from_seconds(answer.now), stopped: answer.was_stopped })
    }
}

fn token_status(status: v1::TokenStatus) -> (TokenStatus, u64) {
    let worker = |worker: v1::WorkerStatus| WorkerStatus {
        pid: worker.pid,
        age: Duration::from_secs(worker.age_seconds),
        signatures: worker.signatures,
        trouble: worker.trouble,
    };
    let token = TokenStatus {
        name: status.name,
        trouble: status.trouble,
        workers: status.workers.into_iter().map(worker).collect(),
        replaced: status.replaced_workers,
        bad_signatures: status.bad_signatures,
        signature_time: Duration::from_micros(status.signature_micros),
        is_latched: status.is_latched,
    };
    (token, status.outstanding_items)
}
