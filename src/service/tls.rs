//! The service's own certificate, and whose certificates it takes: mutual TLS, read again without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::domain::NumericDate;

/// Where the service's identity is, and that of the CA of its callers. All files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The service's certificate, with those that lead to its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs whose clients may connect.
    pub client_ca: PathBuf,
    /// Their revocation lists. One that has expired lets nobody in: what it does not say any more may have been revoked.
    pub client_crl: Option<PathBuf>,
    /// Whether TLS 1.2 is taken too.
    pub allow_tls_1_2: bool,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files do not go together.
    #[error("{} and {} do not go together: {reason}", .certificate.display(), .key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];
const FROM_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

impl TlsFiles {
    /// Reads the files and checks that they go together.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn load(&self) -> Result<Arc<Tls>, TlsError> {
        let chain = certificates(&self.certificate)?;
        let not_after =
            end_of_certificate(&chain[0]).ok_or_else(|| file(&self.certificate, "its first is no X.509 certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| file(&self.key, &error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.client_ca)? {
            roots.add(certificate).map_err(|error| file(&self.client_ca, &error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let lists = self.revocations()?;
        let lists_until = lists.iter().filter_map(|list| end_of_list(list)).min();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()
            .map_err(|error| file(&self.client_ca, &error.to_string()))?;
        let pair = |reason: String| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), reason };
        let versions = if self.allow_tls_1_2 { FROM_1_2 } else { ONLY_1_3 };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| pair(error.to_string()))?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(chain, key)
            .map_err(|error| pair(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(Tls { config: Arc::new(config), verifier, not_after, lists_until }))
    }

    fn revocations(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let Some(path) = &self.client_crl else { return Ok(Vec::new()) };
        let lists = CertificateRevocationListDer::pem_file_iter(path).map_err(|error| file(path, &error.to_string()))?;
        let lists: Vec<_> = lists.collect::<Result<_, _>>().map_err(|error| file(path, &error.to_string()))?;
        if lists.is_empty() { Err(file(path, "it holds no revocation list in PEM")) } else { Ok(lists) }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| file(path, &error.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| file(path, &error.to_string()))?;
    if found.is_empty() { Err(file(path, "it holds no certificate in PEM")) } else { Ok(found) }
}

fn file(path: &Path, reason: &str) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_owned() }
}

fn end_of_certificate(der: &[u8]) -> Option<NumericDate> {
    date(Certificate::from_der(der).ok()?.tbs_certificate().validity().not_after)
}

/// A list without an end never expires.
fn end_of_list(der: &[u8]) -> Option<NumericDate> {
    date(CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der).ok()?.tbs_cert_list.next_update?)
}

fn date(time: Time) -> Option<NumericDate> {
    i64::try_from(time.to_unix_duration().as_secs()).ok().map(NumericDate::from_seconds)
}

/// What was read from the files: the service's identity, and whom it lets in.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    not_after: NumericDate,
    lists_until: Option<NumericDate>,
}

impl Tls {
    /// When the service's own certificate ends.
    #[must_use]
    pub const fn not_after(&self) -> NumericDate {
        self.not_after
    }

    /// When the first of the callers' revocation lists expires, and with it all connections; nothing where there is none.
    #[must_use]
    pub const fn lists_until(&self) -> Option<NumericDate> {
        self.lists_until
    }

    /// What keeps callers out at an instant, or makes them refuse the service.
    #[must_use]
    pub fn warnings(&self, now: NumericDate) -> Vec<String> {
        let own = (now > self.not_after).then(|| {
            format!("[server.tls] the service's certificate has expired at {}; callers refuse to connect", self.not_after)
        });
        let lists = self.lists_until.filter(|at| now >= *at).map(|at| {
            format!(
                "[server.tls] a revocation list of client_crl has expired at {at}; no caller is let in until there is a newer one"
            )
        });
        own.into_iter().chain(lists).collect()
    }

    /// Whether a client with this chain would be let in at an instant; or why not.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>], now: NumericDate) -> Result<(), rustls::Error> {
        let (first, rest) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.seconds().max(0).unsigned_abs()));
        self.verifier.verify_client_cert(first, rest, now).map(drop)
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The identity in force. Each handshake takes the one of its moment. Connections that are open stay, and their clients'
/// certificates are held against the CAs and revocation lists of that moment.
#[derive(Debug)]
pub struct LiveTls(ArcSwap<Tls>);

impl LiveTls {
    /// Starts with an identity.
    #[must_use]
    pub fn new(tls: Arc<Tls>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::new(tls)))
    }

    /// Puts another identity in force, for all handshakes and calls from now on.
    pub fn replace(&self, tls: Arc<Tls>) {
        self.0.store(tls);
    }

    /// The one of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Tls> {
        self.0.load_full()
    }
}
