//! Which service an officer or an operator asks: the one of this machine, by its configuration, or one over the network.

use std::path::{Path, PathBuf};

use clap::Args;

use super::connection::TlsArgs;
use crate::config::Config;
use crate::service::admin::{AdminClient, AdminError};

/// The service of this machine, or one over the network.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "place", args = ["config", "endpoint"])]
pub(crate) struct PlaceArgs {
    /// The configuration file of the service on this machine: it is asked over its admin socket
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A service over the network, like https://sceau.example:7443
    #[arg(long, value_name = "URL", requires = "ca")]
    endpoint: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// A service that is asked.
pub(crate) enum Place<'a> {
    /// That of this machine.
    Here { file: &'a Path, config: Box<Config> },
    /// Another, by its connection.
    Elsewhere(crate::service::client::Connection),
}

impl PlaceArgs {
    pub(crate) fn place(&self) -> anyhow::Result<Place<'_>> {
        Ok(match (&self.config, &self.endpoint) {
            (Some(file), _) => Place::Here { file, config: Box::new(Config::load(file)?) },
            (None, endpoint) => Place::Elsewhere(self.tls.to(endpoint.iter().cloned().collect())),
        })
    }

    /// As it was typed, for a command that is to be copied.
    pub(crate) fn words(&self) -> Vec<String> {
        let config = self.config.iter().flat_map(|file| ["--config".to_owned(), file.display().to_string()]);
        let endpoint = self.endpoint.iter().flat_map(|url| ["--endpoint".to_owned(), url.clone()]);
        config.chain(endpoint).chain(self.tls.words()).collect()
    }
}

impl Place<'_> {
    pub(crate) async fn connect(&self) -> Result<AdminClient, AdminError> {
        match self {
            Self::Here { config, .. } => AdminClient::connect(&config.admin_socket).await,
            Self::Elsewhere(connection) => AdminClient::connect_over(connection).await,
        }
    }
}
