//! `[ledger]`: where it is written down what was signed, and who vouches for it.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::KeyFile;
use super::check::Check;
use super::file::{AuditSection, LedgerSection};
use crate::custody::office::{CHAIN, HANDS};
use crate::ledger::store::postgres::PostgresUrl;
use crate::sign::SealPace;
use crate::token::{Purpose, TokenSpec};

/// Where and how a signer writes down what it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Where records are.
    pub store: StoreSettings,
    /// Whose chain the signer writes.
    pub instance: String,
    /// The secrets under which what is nearly personal is hashed.
    pub key_file: PathBuf,
    /// A commit that takes longer stops signing until it is done.
    pub max_commit: Duration,
    /// How long records are kept when their certificates have expired; for ever where it is absent.
    pub keep_after_expiry: Option<Duration>,
    /// What seals the chain; absent where nothing does.
    pub audit: Option<AuditSettings>,
}

/// Where records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// In a file of this machine.
    Sqlite(PathBuf),
    /// In a database that several signers share.
    Postgres(Box<PostgresSettings>),
    /// Nowhere: nobody will be able to say what was signed.
    Nowhere,
}

/// A database that several signers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Where it is.
    pub url: PostgresUrl,
    /// Its first line is the password; absent where the URL or the server's rules do without.
    pub password_file: Option<PathBuf>,
}

/// What seals a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The audit certificate, and the tokens that hold its key.
    pub key: KeyFile,
    /// How often the head is signed where it has moved.
    pub pace: SealPace,
}

/// The word for a store.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoreWord {
    #[default]
    Sqlite,
    Postgres,
    NoneAtOwnRisk,
}

/// The longest name of an instance: it stands in every record.
const LONGEST_INSTANCE: usize = 64;

impl Check<'_> {
    pub(super) fn ledger(&mut self, section: LedgerSection, state_dir: &Path, tokens: &[TokenSpec]) -> LedgerSettings {
        let LedgerSection { store, path, url, password_file, instance, key_file, max_commit_ms, keep_days_after_expiry, audit } =
            section;
        let state_dir = self.dir().join(state_dir);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if instance.is_empty() || instance.len() > LONGEST_INSTANCE || !instance.bytes().all(is_plain) {
            self.problem(format!("ledger.instance is {instance:?}; it is 1 to {LONGEST_INSTANCE} of A-Z a-z 0-9 . _ -"));
        }
        if [CHAIN, HANDS].contains(&instance.as_str()) {
            self.problem(format!("ledger.instance is {instance:?}, which is the custody chain's name: a signer has another"));
        }
        if max_commit_ms == 0 {
            self.problem("ledger.max_commit_ms is 0; no database writes in that time: 2000 is right for most");
        }
        let store = match store {
            StoreWord::Sqlite => {
                StoreSettings::Sqlite(path.map_or_else(|| state_dir.join("ledger.db"), |path| self.dir().join(path)))
            }
            StoreWord::Postgres => self.postgres(url, password_file),
            StoreWord::NoneAtOwnRisk => StoreSettings::Nowhere,
        };
        let audit = audit.map(|section| self.audit(section, tokens));
        LedgerSettings {
            store,
            instance,
            key_file: key_file.map_or_else(|| state_dir.join("ledger.keys"), |file| self.dir().join(file)),
            max_commit: Duration::from_millis(max_commit_ms),
            keep_after_expiry: keep_days_after_expiry.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
            audit,
        }
    }

    fn postgres(&mut self, url: Option<String>, password_file: Option<PathBuf>) -> StoreSettings {
        let parsed = url.as_deref().map(str::parse::<PostgresUrl>);
        let password_file = password_file.map(|file| self.dir().join(file));
        match parsed {
            Some(Ok(url)) => return StoreSettings::Postgres(Box::new(PostgresSettings { url, password_file })),
            Some(Err(error)) => self.problem(format!("ledger.url: {error}")),
            None => self.problem("ledger.url is missing; the store \"postgres\" is somewhere: postgres://sceau@db.example/sceau"),
        }
        StoreSettings::Nowhere
    }

    fn audit(&mut self, section: AuditSection, tokens: &[TokenSpec]) -> AuditSettings {
        if section.seal_seconds == 0 {
            self.problem("ledger.audit.seal_seconds is 0; it is 1 or more, and 10 is right for most");
        }
        let records = NonZeroU64::new(section.seal_records).unwrap_or_else(|| {
            self.problem("ledger.audit.seal_records is 0; it is 1 or more, and 10000 is right for most");
            NonZeroU64::MIN
        });
        let pace = SealPace { every: Duration::from_secs(section.seal_seconds), records };
        AuditSettings { key: self.known_key(self.audit_key(section), tokens), pace }
    }

    pub(super) fn audit_key(&self, section: AuditSection) -> KeyFile {
        let certificate = self.dir().join(section.certificate);
        KeyFile { certificate, tokens: section.token.into_names(), purpose: Purpose::Audit }
    }
}
