//! The client that the command line uses: requests and answers in the house's words.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::connection::Replicas;
pub use super::connection::{ClientTls, Connection, ConnectionError};
use super::proto::v1;
use super::proto::v1::signer_client::SignerClient;
use super::status;
use crate::domain::{Kid, Lane, NumericDate};

/// An answer holds certificates larger than their payloads; the server's limits bound it.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// How long a call waits for its answer: longer than any wait in a lane that the service lets a batch begin. The service is told.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to a service, with all of its replicas.
#[derive(Clone, Debug)]
pub struct Client(Replicas);

/// One item to be signed.
#[derive(Clone, Debug)]
pub struct ClientItem {
    /// The caller's reference.
    pub item_id: String,
    /// The DCC as JSON.
    pub payload: Bytes,
    /// The end of validity, where it is not the profile's.
    pub expires_at: Option<NumericDate>,
}

/// How items are to be signed.
#[derive(Clone, Debug)]
pub struct ClientBatch {
    /// The profile's name; empty takes the default.
    pub profile: String,
    /// With which priority.
    pub lane: Lane,
    /// Only say what is wrong; sign nothing.
    pub validate_only: bool,
    /// The items.
    pub items: Vec<ClientItem>,
}

/// What became of an item.
#[derive(Clone, Debug)]
pub struct ClientResult {
    /// As it was asked.
    pub item_id: String,
    /// The certificate, or the error.
    pub outcome: Result<SignedCertificate, ItemRefusal>,
}

/// A certificate as it came.
#[derive(Clone, Debug)]
pub struct SignedCertificate {
    /// The text for the QR code.
    pub hc1: String,
    /// The certificate's identifier.
    pub uvci: String,
    /// The DSC.
    pub kid: Kid,
    /// `iat`.
    pub issued_at: NumericDate,
    /// `exp`.
    pub expires_at: NumericDate,
}

/// Why an item has no certificate.
#[derive(Clone, Debug)]
pub struct ItemRefusal {
    /// The name of the gRPC code.
    pub code: &'static str,
    /// In words.
    pub message: String,
    /// Every fault: path, rule, what would be right.
    pub faults: Vec<(String, String, String)>,
}

impl ItemRefusal {
    /// Whether the item itself is at fault; otherwise the signing was, and the item may be tried again.
    #[must_use]
    pub const fn is_the_items_fault(&self) -> bool {
        !self.faults.is_empty()
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no connection.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The service refused the call.
    #[error("the service answered {}: {}", code_name(.0.code()), .0.message())]
    Call(Box<Status>),
    /// The service broke its own protocol.
    #[error("the service gave {results} results for {items} items; it gives one an item")]
    Count {
        /// As they came.
        results: usize,
        /// As they were asked.
        items: usize,
    },
}

impl ClientError {
    /// Whether the service does not let this caller ask that.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let Self::Call(status) = self else { return false };
        matches!(status.code(), tonic::Code::PermissionDenied | tonic::Code::Unauthenticated)
    }

    /// Whether it was asked wrongly: no endpoint, no such profile, too many items a call.
    #[must_use]
    pub fn is_the_callers_fault(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_usage(),
            Self::Call(status) => matches!(status.code(), tonic::Code::InvalidArgument | tonic::Code::OutOfRange),
            Self::Count { .. } => false,
        }
    }

    /// The name of its gRPC code, or of the one that says the same.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connection(_) => code_name(tonic::Code::Unavailable),
            Self::Call(status) => code_name(status.code()),
            Self::Count { .. } => code_name(tonic::Code::Internal),
        }
    }

    /// When the service says that the call may be made again; nothing where it does not say.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        let Self::Call(status) = self else { return None };
        status.get_details_retry_info()?.retry_delay
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let Self::Call(status) = self else { return false };
        // Cancelled and Unknown are what tonic makes of a connection that breaks under a call.
        matches!(
            status.code(),
            tonic::Code::Unavailable
                | tonic::Code::ResourceExhausted
                | tonic::Code::DeadlineExceeded
                | tonic::Code::Cancelled
                | tonic::Code::Unknown
        )
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl Client {
    /// Connects to one of the replicas; the others are connected to when it is their turn.
    ///
    /// # Errors
    /// [`ClientError::Connection`].
    pub async fn connect(connection: &Connection) -> Result<Self, ClientError> {
        Ok(Self(connection.open().await?))
    }

    /// Signs one batch, at the replica whose turn it is. One that does not answer is left alone for a while, so the same call
    /// goes to another.
    ///
    /// # Errors
    /// [`ClientError::Call`] where the call failed as a whole.
    pub async fn sign_batch(&self, batch: ClientBatch) -> Result<Vec<ClientResult>, ClientError> {
        let replica = self.0.next();
        let mut client = SignerClient::new(replica.channel())
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .max_encoding_message_size(usize::MAX);
        let answer = client.sign_batch(within(CALL_TIMEOUT, request(batch))).await.map_err(|status| {
            if matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::Unknown) {
                replica.note_failure();
            }
            ClientError::from(status)
        })?;
        Ok(answer.into_inner().results.into_iter().map(result).collect())
    }
}

/// A call that ends by then, whatever the service does.
pub(super) fn within<T>(timeout: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

fn request(batch: ClientBatch) -> v1::SignBatchRequest {
    let lane = match batch.lane {
        Lane::Interactive => v1::Lane::Interactive,
        Lane::Bulk => v1::Lane::Bulk,
    };
    let items = batch.items.into_iter().map(|item| v1::Item {
        item_id: item.item_id,
        payload_json: item.payload,
        expires_at: item.expires_at.map(NumericDate::seconds),
    });
    let options = v1::SignOptions { want_cose: false, validate_only: batch.validate_only };
    v1::SignBatchRequest { profile: batch.profile, lane: lane.into(), options: Some(options), items: items.collect() }
}

fn result(result: v1::Result) -> ClientResult {
    let outcome = match result.outcome {
        Some(v1::result::Outcome::Certificate(certificate)) => signed(certificate),
        Some(v1::result::Outcome::Error(error)) => Err(refusal(&error)),
        None => Err(not_understood("the result holds neither a certificate nor an error")),
    };
    ClientResult { item_id: result.item_id, outcome }
}

fn signed(certificate: v1::Certificate) -> Result<SignedCertificate, ItemRefusal> {
    let kid: [u8; 8] = certificate.kid.as_ref().try_into().map_err(|_| not_understood("the kid has not 8 bytes"))?;
    Ok(SignedCertificate {
        hc1: certificate.hc1,
        uvci: certificate.uvci,
        kid: Kid::from(kid),
        issued_at: NumericDate::from_seconds(certificate.issued_at),
        expires_at: NumericDate::from_seconds(certificate.expires_at),
    })
}

fn refusal(error: &tonic_types::Status) -> ItemRefusal {
    let faults = status::violations(error).into_iter().map(|fault| (fault.field, fault.reason, fault.description));
    ItemRefusal { code: code_name(tonic::Code::from(error.code)), message: error.message.clone(), faults: faults.collect() }
}

fn not_understood(message: &str) -> ItemRefusal {
    ItemRefusal { code: code_name(tonic::Code::Internal), message: message.to_owned(), faults: Vec::new() }
}

/// The code as the gRPC documentation writes it.
pub(super) const fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_tells_the_service_its_deadline() {
        let call = within(CALL_TIMEOUT, v1::SignBatchRequest::default());
        assert!(call.metadata().contains_key("grpc-timeout"));
    }
}
