//! The file as it stands: sections, keys and defaults. `hsm-config/sceau.toml` shows each, which a test holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ledger::StoreWord;
use super::seen::LogFormat;
use crate::domain::officers::{Label, OfficerPublicKey};
use crate::domain::{Algorithm, Lane, Rulebook};
use crate::service::person::{JwtAlgorithm, PersonSettings};
use crate::service::{Drain, Limits};
use crate::token::KeyAttribute;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) server: ServerSection,
    pub(super) signing: SigningSection,
    #[serde(default)]
    pub(super) monitoring: MonitoringSection,
    #[serde(default)]
    pub(super) log: LogSection,
    #[serde(default)]
    pub(super) retries: RetriesSection,
    #[serde(default)]
    pub(super) ledger: LedgerSection,
    pub(super) revocation: Option<RevocationSection>,
    pub(super) custody: Option<CustodySection>,
    #[serde(default, rename = "token")]
    pub(super) tokens: Vec<TokenSection>,
    #[serde(default, rename = "dsc")]
    pub(super) dscs: Vec<DscSection>,
    #[serde(default, rename = "profile")]
    pub(super) profiles: Vec<ProfileSection>,
    #[serde(default, rename = "caller")]
    pub(super) callers: Vec<CallerSection>,
    pub(super) person: Option<PersonSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerSection {
    pub(super) listen: SocketAddr,
    pub(super) state_dir: PathBuf,
    pub(super) admin_socket: Option<PathBuf>,
    pub(super) max_batch_items: usize,
    pub(super) max_request_bytes: usize,
    pub(super) max_payload_bytes: usize,
    pub(super) max_waiting_items_interactive: usize,
    pub(super) max_waiting_items_bulk: usize,
    pub(super) max_wait_ms_interactive: u64,
    pub(super) max_wait_ms_bulk: u64,
    pub(super) max_connections: usize,
    pub(super) plain_text_on_loopback: bool,
    pub(super) tls: Option<TlsSection>,
    pub(super) awake_while_waiting: bool,
    pub(super) drain_seconds: u64,
    pub(super) drain_delay_seconds: u64,
    pub(super) max_clock_step_seconds: u64,
}

impl Default for ServerSection {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
            state_dir: PathBuf::from("state"),
            admin_socket: None,
            max_batch_items: limits.max_batch_items,
            max_request_bytes: limits.max_request_bytes,
            max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES,
            max_waiting_items_interactive: limits.max_waiting_items_interactive,
            max_waiting_items_bulk: limits.max_waiting_items_bulk,
            max_wait_ms_interactive: millis(limits.max_wait_interactive),
            max_wait_ms_bulk: millis(limits.max_wait_bulk),
            max_connections: limits.max_connections,
            plain_text_on_loopback: false,
            tls: None,
            awake_while_waiting: true,
            drain_seconds: Drain::default().limit.as_secs(),
            drain_delay_seconds: Drain::default().delay.as_secs(),
            max_clock_step_seconds: 5,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: PathBuf,
    pub(super) client_crl: Option<PathBuf>,
    #[serde(default)]
    pub(super) allow_tls_1_2: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerSection {
    pub(super) name: String,
    pub(super) identities: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) profiles: Option<Vec<String>>,
    pub(super) types: Option<Vec<String>>,
    pub(super) lanes: Option<Vec<Lane>>,
    pub(super) items_per_second: Option<NonZeroU32>,
    pub(super) items_per_day: Option<NonZeroU32>,
    pub(super) max_batch_items: Option<NonZeroUsize>,
    #[serde(default)]
    pub(super) person: PersonWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PersonWord {
    #[default]
    None,
    Optional,
    Required,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningSection {
    pub(super) uvci_secret_file: PathBuf,
    #[serde(default)]
    pub(super) threads: Count,
    #[serde(default = "default_sign_timeout_ms")]
    pub(super) sign_timeout_ms: u64,
    #[serde(default)]
    pub(super) signature_check: CheckWord,
    #[serde(default)]
    pub(super) skip_signature_check_at_own_risk: bool,
    pub(super) value_sets_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckWord {
    #[default]
    Batch,
    Each,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MonitoringSection {
    pub(super) listen: Option<SocketAddr>,
    pub(super) otlp_endpoint: Option<String>,
    pub(super) otlp_sampling_ratio: f64,
}

impl Default for MonitoringSection {
    fn default() -> Self {
        Self { listen: None, otlp_endpoint: None, otlp_sampling_ratio: 0.1 }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogSection {
    pub(super) format: LogFormat,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetriesSection {
    pub(super) keep_seconds: u64,
    pub(super) max_items: usize,
}

impl Default for RetriesSection {
    fn default() -> Self {
        Self { keep_seconds: 600, max_items: 100_000 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LedgerSection {
    pub(super) store: StoreWord,
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) instance: String,
    pub(super) key_file: Option<PathBuf>,
    pub(super) max_commit_ms: u64,
    pub(super) keep_days_after_expiry: Option<u32>,
    pub(super) audit: Option<AuditSection>,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            store: StoreWord::Sqlite,
            path: None,
            url: None,
            password_file: None,
            instance: "sceau".to_owned(),
            key_file: None,
            max_commit_ms: 2_000,
            keep_days_after_expiry: None,
            audit: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditSection {
    pub(super) certificate: PathBuf,
    pub(super) token: OneOrMore,
    #[serde(default = "default_seal_seconds")]
    pub(super) seal_seconds: u64,
    #[serde(default = "default_seal_records")]
    pub(super) seal_records: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationSection {
    pub(super) certificate: PathBuf,
    pub(super) token: OneOrMore,
}

const fn default_seal_seconds() -> u64 {
    10
}

const fn default_seal_records() -> u64 {
    10_000
}

const fn default_sign_timeout_ms() -> u64 {
    10_000
}

const fn default_hang_timeout_ms() -> u64 {
    4_000
}

/// Below the 30 seconds after which the strictest device gives up an idle session.
const fn default_keep_alive_seconds() -> u64 {
    20
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodySection {
    #[serde(default = "default_approvals")]
    pub(super) approvals: u32,
    #[serde(default = "default_valid_hours")]
    pub(super) valid_hours: u32,
    #[serde(default = "default_lead_seconds")]
    pub(super) lead_seconds: u32,
    #[serde(default, rename = "officer")]
    pub(super) officers: Vec<OfficerSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfficerSection {
    pub(super) name: Label,
    pub(super) key: OfficerPublicKey,
}

const fn default_approvals() -> u32 {
    1
}

const fn default_valid_hours() -> u32 {
    24
}

const fn default_lead_seconds() -> u32 {
    1
}

/// A number, or `"auto"`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(untagged, expecting = "expected a number from 1 on, or \"auto\"")]
pub(super) enum Count {
    #[default]
    #[serde(skip)]
    Unset,
    Number(NonZeroUsize),
    Auto(Auto),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Auto {
    Auto,
}

impl Count {
    pub(super) const fn number(self) -> Option<usize> {
        match self {
            Self::Number(number) => Some(number.get()),
            Self::Unset | Self::Auto(Auto::Auto) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenSection {
    pub(super) name: String,
    pub(super) module: PathBuf,
    pub(super) label: String,
    pub(super) serial: Option<String>,
    pub(super) pin_file: Option<PathBuf>,
    pub(super) pin_variable: Option<String>,
    pub(super) new_pin_file: Option<PathBuf>,
    pub(super) so_pin_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) workers: Count,
    #[serde(default)]
    pub(super) sessions: Count,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default = "default_hang_timeout_ms")]
    pub(super) hang_timeout_ms: u64,
    #[serde(default)]
    pub(super) relax_key_attributes: Vec<KeyAttribute>,
    pub(super) max_signatures_per_second: Option<NonZeroU32>,
    #[serde(default = "default_keep_alive_seconds")]
    pub(super) keep_alive_seconds: u64,
    pub(super) user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DscSection {
    pub(super) certificate: PathBuf,
    pub(super) token: OneOrMore,
}

/// A name, or a list of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected the name of a token, or a list of names")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn into_names(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::More(names) => names,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileSection {
    pub(super) name: String,
    pub(super) algorithm: Algorithm,
    pub(super) issuer: String,
    #[serde(default)]
    pub(super) rules: Preset,
    #[serde(default)]
    pub(super) switch_off: Vec<String>,
    pub(super) vaccination_days: u32,
    pub(super) test_days: u32,
    pub(super) recovery_days: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonSection {
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_ca: Option<PathBuf>,
    pub(super) issuer: String,
    pub(super) audience: String,
    #[serde(default = "default_algorithms")]
    pub(super) algorithms: Vec<JwtAlgorithm>,
    pub(super) typ: Option<String>,
    #[serde(default = "default_header")]
    pub(super) header: String,
    #[serde(default = "default_leeway_seconds")]
    pub(super) leeway_seconds: u64,
    #[serde(default = "default_max_stale_seconds")]
    pub(super) max_stale_seconds: u64,
    pub(super) profession_claim: String,
    #[serde(default = "default_subject_claim")]
    pub(super) subject_claim: String,
    pub(super) subject_secret_file: PathBuf,
    pub(super) professions: BTreeMap<String, Vec<String>>,
}

fn default_algorithms() -> Vec<JwtAlgorithm> {
    JwtAlgorithm::DEFAULT.to_vec()
}

fn default_header() -> String {
    PersonSettings::DEFAULT_HEADER.to_owned()
}

const fn default_leeway_seconds() -> u64 {
    30
}

const fn default_max_stale_seconds() -> u64 {
    3_600
}

fn default_subject_claim() -> String {
    "sub".to_owned()
}

/// Where a profile's rules begin.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Preset {
    #[default]
    All,
    #[serde(rename = "eu-2021")]
    Eu2021,
}
