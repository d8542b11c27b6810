//! The configuration file: TOML, checked whole before anything starts.
//!
//! `hsm-config/sceau.toml` shows every key with its default and unit; a test reads it. Paths are relative to the file.

mod callers;
mod check;
mod custody;
mod file;
mod form;
mod form_error;
mod form_node;
mod ledger;
mod path;
mod person;
mod revocation;
mod seen;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::UvciMaker;
use crate::domain::officers::Roster;
use crate::ledger::Retention;
use crate::service::access::CallerSettings;
use crate::service::person::PersonSettings;
use crate::service::tls::TlsFiles;
use crate::service::{Drain, Limits, LiveSettings};
use crate::sign::{Profile, SignerSettings};
use crate::token::{Purpose, TokenSpec};
use check::Check;
use file::File;
use form::Form;

pub use custody::CustodySettings;
pub use ledger::{AuditSettings, LedgerSettings, PostgresSettings, StoreSettings};
pub use seen::{LogFormat, Seen, TracesTo};

/// A configuration that holds together.
#[derive(Debug)]
pub struct Config {
    /// Where the service listens; loopback, where it speaks plain text.
    pub listen: SocketAddr,
    /// Its certificate, and the CA of its callers; absent: plain text.
    pub tls: Option<TlsFiles>,
    /// Who may call.
    pub callers: Vec<CallerSettings>,
    /// The Unix socket on which officers ask the running service.
    pub admin_socket: PathBuf,
    /// What the service writes is there.
    pub state_dir: PathBuf,
    /// What one call may ask.
    pub limits: Limits,
    /// Whether cores stay awake while an interactive call is in work.
    pub awake_while_waiting: bool,
    /// How the service ends.
    pub drain: Drain,
    /// Where the clock guard keeps what it knows.
    pub clock_file: PathBuf,
    /// The farthest that the machine's clock may step.
    pub max_clock_step: Duration,
    /// What others see of the service.
    pub seen: Seen,
    /// How batches are signed.
    pub signer: SignerSettings,
    /// How long signed items are kept for retries, and how many; nothing where retries are signed again.
    pub retries: Option<Retention>,
    /// Where it is written down what was signed.
    pub ledger: LedgerSettings,
    /// The upload certificate, and the tokens that hold its key; absent where revocation lists are plain.
    pub revocation: Option<KeyFile>,
    /// How keys change hands; absent where they are those of the file alone.
    pub custody: Option<CustodySettings>,
    /// Makes UVCIs under the installation's secret.
    pub uvci_maker: UvciMaker,
    /// The tokens.
    pub tokens: Vec<TokenSpec>,
    /// The DSCs, each with the names of its tokens.
    pub dscs: Vec<KeyFile>,
    /// The profiles; the first is the default.
    pub profiles: Vec<Arc<Profile>>,
    /// How the persons behind calls are verified; absent where no call brings one.
    pub person: Option<PersonSettings>,
}

/// A certificate, the tokens that hold its key, and what that key may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// PEM or DER.
    pub certificate: PathBuf,
    /// The tokens' names; one at least.
    pub tokens: Vec<String>,
    /// What for: a DSC's key signs health certificates and nothing else.
    pub purpose: Purpose,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .path.display(), list(.problems))]
pub struct ConfigError {
    path: PathBuf,
    problems: Vec<Problem>,
}

impl ConfigError {
    /// What was found wrong with the files that a configuration names.
    #[must_use]
    pub fn of_files(path: &Path, faults: Vec<String>) -> Self {
        let problems = faults.into_iter().map(|text| Problem::new(None, text)).collect();
        Self { path: path.to_owned(), problems }
    }

    /// What is wrong, in the order of the file where it has a line.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  also: ")
}

/// One thing that is wrong with a configuration, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its line, from 1 on, where one line is at fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub text: String,
}

impl Problem {
    const fn new(line: Option<usize>, text: String) -> Self {
        Self { line, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] lists what is wrong and what would be right.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        checked(path, |check, file| check.config(file))
    }

    /// What of it can be changed while the service runs.
    #[must_use]
    pub fn live(&self) -> LiveSettings {
        LiveSettings {
            callers: self.callers.clone(),
            person: self.person.clone(),
            profiles: self.profiles.clone(),
            limits: self.limits,
        }
    }

    /// Takes back from an earlier configuration what only a restart changes.
    pub(crate) fn keep_what_waits(&mut self, before: Self) {
        let limits = Limits {
            max_request_bytes: before.limits.max_request_bytes,
            max_connections: before.limits.max_connections,
            ..self.limits
        };
        let next = std::mem::replace(self, before);
        self.callers = next.callers;
        self.person = next.person;
        self.profiles = next.profiles;
        self.limits = limits;
    }

    /// A token by its name.
    ///
    /// # Errors
    /// Says which tokens there are.
    pub fn token(&self, name: &str) -> Result<&TokenSpec, UnknownToken> {
        let known = || self.tokens.iter().map(|token| token.name.clone()).collect();
        self.tokens.iter().find(|token| token.name == name).ok_or_else(|| UnknownToken { name: name.to_owned(), known: known() })
    }

    /// Every key: those of the DSCs, in the order of the file, the audit key and the upload key.
    pub fn keys(&self) -> impl Iterator<Item = &KeyFile> {
        self.dscs.iter().chain(self.ledger.audit.as_ref().map(|audit| &audit.key)).chain(&self.revocation)
    }

    /// The keys that a token holds, in that order: supervisor and worker number them by it.
    #[must_use]
    pub fn keys_of(&self, token: &str) -> Vec<KeyFile> {
        self.keys().filter(|key| key.is_on(token)).cloned().collect()
    }
}

impl KeyFile {
    /// Whether a token holds the key.
    #[must_use]
    pub fn is_on(&self, token: &str) -> bool {
        self.tokens.iter().any(|name| name == token)
    }
}

/// What a worker reads of the file: one token and its keys. The service's own secrets stay unread, for a worker may
/// run as a user that must not read them.
#[derive(Debug)]
pub struct WorkerConfig {
    /// The token.
    pub token: TokenSpec,
    /// Its keys: those of DSCs, in the order of the file, the audit key and the upload key.
    pub keys: Vec<KeyFile>,
    /// The officers that custody begins with: without them the worker makes, takes and destroys no key.
    pub first_roster: Option<Roster>,
}

impl WorkerConfig {
    /// Reads a file and checks what it says of a token.
    ///
    /// # Errors
    /// [`ConfigError`] lists what is wrong and what would be right.
    pub fn load(path: &Path, token: &str) -> Result<Self, ConfigError> {
        checked(path, |check, file| check.worker(file, token))
    }
}

/// Reads a file and checks it. What is wrong with its form does not hide what is wrong with its sense.
fn checked<T>(path: &Path, check_file: impl FnOnce(&mut Check<'_>, File) -> Option<T>) -> Result<T, ConfigError> {
    let unreadable =
        |error: std::io::Error| ConfigError { path: path.to_owned(), problems: vec![Problem::new(None, error.to_string())] };
    let mut form = Form::<File>::read(&std::fs::read_to_string(path).map_err(unreadable)?);
    let mut check = Check::of(path);
    let checked = form.file.take().and_then(|file| check_file(&mut check, file));
    check.end(path, checked, form)
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
