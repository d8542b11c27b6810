//! Asking a URL for its JWK set: one GET, with bounds.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::SourceError;
use super::source::MAX_BYTES;

/// Asks one address.
#[derive(Clone)]
pub(super) struct JwksClient {
    uri: Uri,
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl JwksClient {
    /// `ca`: PEM; without it, the authorities that the system trusts.
    pub(super) fn new(uri: Uri, ca: Option<&[u8]>) -> Result<Self, SourceError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(&uri, ca)?).https_or_http().enable_http1().build();
        // Minutes lie between two askings; a connection kept for the next one would be dead by then.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { uri, http })
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The text, and how long it may be kept as far as the answer says.
    pub(super) async fn fetch(&self, time_limit: Duration) -> Result<(Vec<u8>, Option<Duration>), SourceError> {
        let slow = SourceError::Slow { seconds: time_limit.as_secs() };
        tokio::time::timeout(time_limit, self.ask()).await.map_err(|_| slow)?
    }

    async fn ask(&self) -> Result<(Vec<u8>, Option<Duration>), SourceError> {
        let request = Request::get(self.uri.clone()).header(ACCEPT, "application/jwk-set+json, application/json");
        let request = request.body(Empty::new()).map_err(|error| connection(&error))?;
        let answer = self.http.request(request).await.map_err(|error| connection(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(SourceError::Status { code: answer.status().as_u16() });
        }
        let max_age = max_age(&answer);
        let whole = Limited::new(answer.into_body(), MAX_BYTES)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { SourceError::TooLarge } else { connection(error.as_ref()) })?;
        Ok((whole.to_bytes().to_vec(), max_age))
    }
}

impl fmt::Debug for JwksClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksClient({})", self.uri)
    }
}

fn tls(uri: &Uri, ca: Option<&[u8]>) -> Result<ClientConfig, SourceError> {
    let authorities = |error: &dyn fmt::Display| SourceError::Authorities(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| authorities(&error))?;
    let builder = match ca {
        Some(pem) => builder.with_root_certificates(roots(pem)?),
        // Plain text on loopback: a machine without any trusted authorities can do it too.
        None if uri.scheme_str() == Some("http") => builder.with_root_certificates(RootCertStore::empty()),
        None => builder.with_native_roots().map_err(|error| authorities(&error))?,
    };
    Ok(builder.with_no_client_auth())
}

fn roots(pem: &[u8]) -> Result<RootCertStore, SourceError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| SourceError::Authorities(error.to_string()))?;
        roots.add(certificate).map_err(|error| SourceError::Authorities(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(SourceError::Authorities("there is no PEM certificate".to_owned()));
    }
    Ok(roots)
}

/// What went wrong, down to its cause: the outermost error says only that the connection failed.
fn connection(error: &(dyn Error + 'static)) -> SourceError {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    SourceError::Connection(causes.join(": "))
}

/// # Source
/// RFC 9111 sections 5.2.2 and 5.1: of max-age, what the Age on the way has left.
fn max_age<B>(answer: &Response<B>) -> Option<Duration> {
    let control = text(answer.headers(), &CACHE_CONTROL)?.to_ascii_lowercase();
    let mut directives = control.split(',').map(str::trim);
    if directives.clone().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds: u64 = directives.find_map(|directive| directive.strip_prefix("max-age="))?.trim_matches('"').parse().ok()?;
    let age: u64 = text(answer.headers(), &AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(Duration::from_secs(seconds.saturating_sub(age)))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age_of(control: &str, age: &str) -> Option<u64> {
        let answer = Response::builder().header(CACHE_CONTROL, control).header(AGE, age).body(()).unwrap();
        max_age(&answer).map(|age| age.as_secs())
    }

    #[test]
    fn max_age_is_what_the_answer_has_left() {
        assert_eq!(age_of("public, max-age=600", "0"), Some(600));
        assert_eq!(age_of("Max-Age=600", "590"), Some(10));
        assert_eq!(age_of("max-age=600", "601"), Some(0));
        assert_eq!(age_of("max-age=600, no-store", ""), Some(0));
        assert_eq!(age_of("max-age=-1", ""), None);
        assert_eq!(age_of("max-age=99999999999999999999", ""), None);
        assert_eq!(age_of("public", ""), None);
    }
}
