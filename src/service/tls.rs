//! The service's own certificate, and whose certificates it takes: mutual TLS, read again without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

/// Where the service's identity is, and that of the CA of its callers. All files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The service's certificate, with those that lead to its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs whose clients may connect.
    pub client_ca: PathBuf,
    /// Their revocation lists.
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
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| file(&self.key, &error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.client_ca)? {
            roots.add(certificate).map_err(|error| file(&self.client_ca, &error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .with_crls(self.revocations()?)
            .build()
            .map_err(|error| file(&self.client_ca, &error.to_string()))?;
        let pair = |reason: String| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), reason };
        let versions = if self.allow_tls_1_2 { FROM_1_2 } else { ONLY_1_3 };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| pair(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| pair(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
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

/// The identity in force. Each handshake takes the one of its moment; connections that are open stay.
#[derive(Debug)]
pub struct LiveTls(ArcSwap<ServerConfig>);

impl LiveTls {
    /// Starts with an identity.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::new(config)))
    }

    /// Puts another identity in force for all handshakes from now on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}
