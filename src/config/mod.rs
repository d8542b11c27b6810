//! The configuration file: TOML, checked whole before anything starts.
//!
//! `hsm-config/sceau.toml` shows every key with its default and unit; a test reads it. Paths are relative to the file.

mod check;
mod file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::UvciMaker;
use crate::service::Limits;
use crate::sign::{Profile, SignerSettings};
use crate::token::TokenSpec;
use check::Check;
use file::File;

/// A configuration that holds together.
#[derive(Debug)]
pub struct Config {
    /// Where the service listens: loopback, for it speaks plain text.
    pub listen: SocketAddr,
    /// What one call may ask.
    pub limits: Limits,
    /// How batches are signed.
    pub signer: SignerSettings,
    /// Makes UVCIs under the installation's secret.
    pub uvci_maker: UvciMaker,
    /// The tokens.
    pub tokens: Vec<TokenSpec>,
    /// The DSCs, each with the names of its tokens.
    pub dscs: Vec<DscFile>,
    /// The profiles; the first is the default.
    pub profiles: Vec<Arc<Profile>>,
}

/// A DSC's certificate and the tokens that hold its key.
#[derive(Clone, Debug)]
pub struct DscFile {
    /// PEM or DER.
    pub certificate: PathBuf,
    /// The tokens' names; one at least.
    pub tokens: Vec<String>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .path.display(), .problems.join("\n  also: "))]
pub struct ConfigError {
    path: PathBuf,
    problems: Vec<String>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] lists what is wrong and what would be right.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let fail = |problem: String| ConfigError { path: path.to_owned(), problems: vec![problem] };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
        let mut check = Check { dir: path.parent().unwrap_or(Path::new(".")), problems: Vec::new() };
        let config = check.config(file);
        match (config, check.problems) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError { path: path.to_owned(), problems }),
        }
    }
}

impl Config {
    /// A token by its name.
    ///
    /// # Errors
    /// Says which tokens there are.
    pub fn token(&self, name: &str) -> Result<&TokenSpec, UnknownToken> {
        let known = || self.tokens.iter().map(|token| token.name.clone()).collect();
        self.tokens.iter().find(|token| token.name == name).ok_or_else(|| UnknownToken { name: name.to_owned(), known: known() })
    }
}

/// A token that no DSC names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no [[dsc]] has token = {token:?}, so there is no key to sign with: add the [[dsc]] of a key on this token")]
pub struct NoDsc {
    /// The token's name.
    pub token: String,
}

/// A name that no token has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no token {name:?}; there are {}", .known.join(", "))]
pub struct UnknownToken {
    name: String,
    known: Vec<String>,
}
