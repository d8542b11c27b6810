//! How a command reaches a service.

use std::path::PathBuf;

use clap::Args;

use crate::service::client::{ClientTls, Connection};

/// Where the service is, and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// The service, like https://sceau.example:7443, or http://127.0.0.1:7443 in plain text; repeated for each replica
    #[arg(long = "endpoint", value_name = "URL", required = true)]
    endpoints: Vec<String>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// The files of mutual TLS.
#[derive(Clone, Debug, Args)]
pub(crate) struct TlsArgs {
    /// The CA of the service (PEM), for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The caller's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key", requires = "ca")]
    certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The name in the service's certificate, where it is not that of the endpoint
    #[arg(long, value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
}

impl ConnectionArgs {
    pub(crate) fn connection(&self) -> Connection {
        self.tls.to(self.endpoints.clone())
    }
}

impl TlsArgs {
    /// The connection to some endpoints.
    pub(crate) fn to(&self, endpoints: Vec<String>) -> Connection {
        let tls = self.ca.clone().map(|ca| ClientTls {
            ca,
            identity: self.certificate.clone().zip(self.key.clone()),
            server_name: self.server_name.clone(),
        });
        Connection { endpoints, tls }
    }

    /// As they were typed, for a command that is to be copied.
    pub(crate) fn words(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = [
            ("--ca", path(&self.ca)),
            ("--certificate", path(&self.certificate)),
            ("--key", path(&self.key)),
            ("--server-name", self.server_name.clone()),
        ];
        options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten().collect()
    }
}
