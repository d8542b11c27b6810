//! Asking a service for its metrics, as Prometheus does: for the command line, which measures it.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::service::connection::root_cause;

/// The metrics of a service with many keys are some 100 KiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// An answer that takes longer is of no use to who asks once a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one address for metrics.
#[derive(Clone, Debug)]
pub struct MetricsReader {
    uri: Uri,
    http: Client<HttpConnector, Empty<Bytes>>,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The address is none.
    #[error("{0:?} is no address of metrics; it is like http://127.0.0.1:9464/metrics, in plain text")]
    Address(String),
    /// Nobody answers there, or not with text.
    #[error("cannot read metrics at {uri}: {reason}")]
    Answer {
        /// Where.
        uri: Uri,
        /// Why.
        reason: String,
    },
}

impl MetricsReader {
    /// `address`: like `http://127.0.0.1:9464`; the path `/metrics` where it has none.
    ///
    /// # Errors
    /// [`ReadError::Address`].
    pub fn new(address: &str) -> Result<Self, ReadError> {
        let wrong = || ReadError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(wrong());
        }
        let uri = if uri.path() == "/" {
            format!("{}/metrics", address.trim_end_matches('/')).parse().map_err(|_| wrong())?
        } else {
            uri
        };
        Ok(Self { uri, http: Client::builder(TokioExecutor::new()).build_http() })
    }

    /// The metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// [`ReadError::Answer`].
    pub async fn read(&self) -> Result<String, ReadError> {
        let read = tokio::time::timeout(PATIENCE, self.ask()).await;
        let read = read.unwrap_or_else(|_| Err(format!("no answer in {} s", PATIENCE.as_secs())));
        read.map_err(|reason| ReadError::Answer { uri: self.uri.clone(), reason })
    }

    async fn ask(&self) -> Result<String, String> {
        let answer = self.http.get(self.uri.clone()).await.map_err(|error| root_cause(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("HTTP {}", answer.status()));
        }
        let whole = Limited::new(answer.into_body(), MAX_BYTES).collect().await.map_err(|error| error.to_string())?;
        String::from_utf8(whole.to_bytes().into()).map_err(|_| "the answer is not UTF-8".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_means_metrics() {
        for address in ["http://127.0.0.1:9464", "http://127.0.0.1:9464/", "http://127.0.0.1:9464/metrics"] {
            assert_eq!(MetricsReader::new(address).unwrap().uri, "http://127.0.0.1:9464/metrics", "{address}");
        }
        for address in ["", "127.0.0.1:9464", "https://127.0.0.1:9464/metrics", "/metrics"] {
            assert!(MetricsReader::new(address).unwrap_err().to_string().contains("http://127.0.0.1:9464/metrics"), "{address}");
        }
    }
}
