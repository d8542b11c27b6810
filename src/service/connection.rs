//! A client's way to a service: endpoints, and who it is to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// How long silence lasts before a service is taken for dead.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Until it takes the connection.
    connect: Duration,
    /// Until it is asked whether it is still there.
    ask: Duration,
    /// Until it has answered that.
    answer: Duration,
}

/// A replica whose machine has died says nothing, and the system would wait for it for a quarter of an hour.
const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), ask: Duration::from_secs(10), answer: Duration::from_secs(5) };

/// A replica that failed is left alone for so long, where there is another.
const AWAY: Duration = Duration::from_secs(2);

/// Where a service is, and with which certificate it is asked.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its replicas; one at least.
    pub endpoints: Vec<String>,
    /// The files of mutual TLS; absent: plain text.
    pub tls: Option<ClientTls>,
}

/// The files of a client's TLS, all PEM.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// The CA of the service.
    pub ca: PathBuf,
    /// The client's certificate and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the service's certificate, where it is not that of the endpoint.
    pub server_name: Option<String>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The address is none.
    #[error("{endpoint:?} is no endpoint; it is like https://sceau.example:7443, or http://127.0.0.1:7443 in plain text")]
    Endpoint {
        /// As given.
        endpoint: String,
    },
    /// `https://` without a CA.
    #[error("{endpoint} is asked over TLS, so it takes --ca, the CA of the service, and --certificate and --key, the caller's")]
    NoCa {
        /// As given.
        endpoint: String,
    },
    /// A file cannot be read, or is not what it should be.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody answers, or the handshake failed.
    #[error("cannot reach {endpoint}: {reason}")]
    Connect {
        /// Where.
        endpoint: String,
        /// Why.
        reason: String,
    },
}

impl ConnectionError {
    /// Whether it was asked wrongly; otherwise the service is not there.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Connect { .. })
    }
}

/// The replicas of a service, each with a channel that connects when it is needed. Calls take turns among those that answer.
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    replicas: Arc<[Replica]>,
    turn: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub(super) struct Replica {
    endpoint: String,
    channel: Channel,
    away_until: Mutex<Option<Instant>>,
}

impl Connection {
    /// Makes the channels, and connects to one of them, so that what is wrong is known at once.
    pub(super) async fn open(&self) -> Result<Replicas, ConnectionError> {
        self.open_with(PATIENCE).await
    }

    async fn open_with(&self, patience: Patience) -> Result<Replicas, ConnectionError> {
        let mut replicas = Vec::new();
        let mut failure = None;
        let mut is_reached = false;
        for endpoint in &self.endpoints {
            let target = self.target(endpoint, patience)?;
            let channel = target.connect_lazy();
            let mut away_until = None;
            if !is_reached {
                match target.connect().await {
                    Ok(_) => is_reached = true,
                    Err(error) => {
                        away_until = Instant::now().checked_add(AWAY);
                        let reason = root_cause(&error);
                        failure.get_or_insert(ConnectionError::Connect { endpoint: endpoint.clone(), reason });
                    }
                }
            }
            replicas.push(Replica { endpoint: endpoint.clone(), channel, away_until: Mutex::new(away_until) });
        }
        match failure {
            Some(failure) if !is_reached => Err(failure),
            _ => Ok(Replicas { replicas: replicas.into(), turn: Arc::default() }),
        }
    }

    fn target(&self, endpoint: &str, patience: Patience) -> Result<Endpoint, ConnectionError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("{scheme}://{endpoint}") };
        let wrong = || ConnectionError::Endpoint { endpoint: endpoint.to_owned() };
        let is_secret = url.starts_with("https://");
        let target = Endpoint::from_shared(url)
            .map_err(|_| wrong())?
            .connect_timeout(patience.connect)
            .http2_keep_alive_interval(patience.ask)
            .keep_alive_timeout(patience.answer)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        match &self.tls {
            None if is_secret => Err(ConnectionError::NoCa { endpoint: endpoint.to_owned() }),
            None => Ok(target),
            Some(_) if !is_secret => Err(wrong()),
            Some(tls) => target
                .tls_config(tls.config()?)
                .map_err(|error| ConnectionError::Connect { endpoint: endpoint.to_owned(), reason: root_cause(&error) }),
        }
    }
}

impl ClientTls {
    fn config(&self) -> Result<ClientTlsConfig, ConnectionError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| ConnectionError::File { path: path.clone(), reason: error.to_string() })
        };
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(&self.ca)?));
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        Ok(config)
    }
}

impl Replicas {
    /// The replica whose turn it is, of those that are not away; where all are, the one whose turn it is.
    pub(super) fn next(&self) -> &Replica {
        let count = self.replicas.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..count).map(|offset| &self.replicas[(turn + offset) % count]);
        let now = Instant::now();
        in_turn().find(|replica| !replica.is_away(now)).unwrap_or(&self.replicas[turn % count])
    }
}

impl Replica {
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// It did not answer: others are asked for a while.
    pub(super) fn note_failure(&self) {
        tracing::debug!(endpoint = self.endpoint, "the service does not answer here; others are asked for a while");
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(AWAY);
    }

    fn is_away(&self, now: Instant) -> bool {
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }
}

/// The innermost reason: tonic says "transport error", the last source says "connection refused".
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::service::proto::v1::ListSigningCertificatesRequest;
    use crate::service::proto::v1::signer_client::SignerClient;

    /// An HTTP/2 frame without settings: all that a service says before its machine dies.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    async fn silent_service() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(&SETTINGS).await.unwrap();
                    let mut heard = [0; 1024];
                    while stream.read(&mut heard).await.is_ok_and(|len| len > 0) {}
                });
            }
        });
        endpoint
    }

    #[tokio::test]
    async fn a_service_that_falls_silent_under_a_call_fails_it() {
        let connection = Connection { endpoints: vec![silent_service().await], tls: None };
        let patience = Patience { ask: Duration::from_millis(50), answer: Duration::from_millis(50), ..PATIENCE };
        let replicas = connection.open_with(patience).await.unwrap();
        let mut client = SignerClient::new(replicas.next().channel());
        let asked = client.list_signing_certificates(ListSigningCertificatesRequest {});
        let answer = timeout(Duration::from_secs(10), asked).await.expect("the silence is noticed");
        assert!(answer.is_err());
    }
}
