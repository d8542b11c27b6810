//! What has to hold of a file before anything starts; every problem is noted, none ends the search.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::User;

use super::callers::ServerBounds;
use super::file::{
    CheckWord, DscSection, File, Preset, ProfileSection, RetriesSection, ServerSection, SigningSection, TokenSection,
};
use super::form::Form;
use super::{Config, ConfigError, KeyFile, Problem, Seen, WorkerConfig};
use crate::domain::{Country, Rule, RuleSet, Rulebook, UvciMaker, ValueSets};
use crate::ledger::Retention;
use crate::service::{Drain, Limits};
use crate::sign::{Checking, Durations, Profile, SignerSettings};
use crate::token::pin::check_mode;
use crate::token::{PinLatch, PinSource, Purpose, TokenSpec, WorkerUser};

/// Far more than waits in any memory, and within what a semaphore counts.
const MOST_WAITING: usize = 100_000_000;

/// Far more than a retry needs, and within what an instant counts.
const LONGEST_KEEP_SECONDS: u64 = 7 * 86_400;

/// Some 3 GB.
const MOST_KEPT: usize = 10_000_000;

pub(super) struct Check<'p> {
    dir: &'p Path,
    problems: Vec<String>,
}

impl<'p> Check<'p> {
    /// Paths are relative to the file's folder.
    pub(super) fn of(file: &'p Path) -> Self {
        Self { dir: file.parent().unwrap_or(Path::new(".")), problems: Vec::new() }
    }

    /// What was checked, if nothing is wrong with it and with its form.
    pub(super) fn end<T>(self, path: &Path, checked: Option<T>, form: Form<File>) -> Result<T, ConfigError> {
        let found = self.problems.into_iter().filter(|problem| !form.explains(problem));
        let found: Vec<Problem> = found.map(|problem| Problem::new(None, problem)).collect();
        let problems: Vec<Problem> = form.problems.into_iter().chain(found).collect();
        match checked {
            Some(checked) if problems.is_empty() => Ok(checked),
            _ => Err(ConfigError { path: path.to_owned(), problems }),
        }
    }

    pub(super) fn worker(&mut self, file: File, token: &str) -> Option<WorkerConfig> {
        let Some(section) = file.tokens.into_iter().find(|section| section.name == token) else {
            self.problem(format!("there is no token {token:?}"));
            return None;
        };
        let token = self.token(section, &file.server.state_dir, file.signing.sign_timeout_ms)?;
        let dscs = file.dscs.into_iter().map(|section| self.dsc_key(section));
        let audit = file.ledger.audit.map(|section| self.audit_key(section));
        let upload = file.revocation.map(|section| self.upload_key(section));
        let keys = dscs.chain(audit).chain(upload).filter(|key| key.is_on(&token.name)).collect();
        let first_roster = file.custody.and_then(|section| self.first_roster(section));
        Some(WorkerConfig { token, keys, first_roster })
    }

    pub(super) fn config(&mut self, file: File) -> Option<Config> {
        let tls = self.transport(&file.server);
        let value_sets = self.value_sets(file.signing.value_sets_dir.as_deref());
        let uvci_maker = self.uvci_maker(&file.signing.uvci_secret_file);
        let tokens: Vec<TokenSpec> = file
            .tokens
            .into_iter()
            .filter_map(|section| self.token(section, &file.server.state_dir, file.signing.sign_timeout_ms))
            .collect();
        let dscs: Vec<KeyFile> = file.dscs.into_iter().map(|section| self.known_key(self.dsc_key(section), &tokens)).collect();
        let ledger = self.ledger(file.ledger, &file.server.state_dir, &tokens);
        let revocation = file.revocation.map(|section| self.revocation(section, &tokens));
        let has_custody = file.custody.is_some();
        let custody = file.custody.and_then(|section| self.custody(section));
        let max_payload_bytes = file.server.max_payload_bytes;
        let profiles: Vec<Arc<Profile>> =
            file.profiles.iter().filter_map(|section| self.profile(section, &value_sets, max_payload_bytes)).collect();
        self.check_names(tokens.iter().map(|token| token.name.as_str()), "token");
        self.check_latches(&tokens);
        self.check_names(file.profiles.iter().map(|profile| profile.name.as_str()), "profile");
        self.check_present(tokens.is_empty(), "[[token]]: a token that holds keys");
        self.check_present(
            dscs.is_empty() && !has_custody,
            "[[dsc]]: a certificate that signs; or a [custody], where officers bring them",
        );
        self.check_present(file.profiles.is_empty(), "[[profile]]: a way of issuing");
        let threads = file.signing.threads.number().unwrap_or_else(crate::token::cores);
        let signer = SignerSettings {
            sign_timeout: Duration::from_millis(file.signing.sign_timeout_ms),
            checking: checking(&file.signing),
            threads,
        };
        if file.signing.sign_timeout_ms == 0 {
            self.problem("signing.sign_timeout_ms is 0; no token signs in that time: 10000 is right for most");
        }
        let limits = self.limits(&file.server);
        let drain = Drain {
            delay: Duration::from_secs(file.server.drain_delay_seconds),
            limit: Duration::from_secs(file.server.drain_seconds),
        };
        let clock_file = self.dir.join(&file.server.state_dir).join("clock-guard");
        let max_clock_step = self.max_clock_step(&file.server);
        let retries = self.retries(&file.retries);
        let admin_socket = file.server.admin_socket.clone().unwrap_or_else(|| file.server.state_dir.join("admin.sock"));
        let admin_socket = self.dir.join(admin_socket);
        self.check_admin_socket(&admin_socket, &self.dir.join(&file.server.state_dir), &tokens);
        let seen = Seen::of(file.log, file.monitoring);
        seen.problems().into_iter().for_each(|problem| self.problem(problem));
        let profile_names: Vec<String> = file.profiles.iter().map(|profile| profile.name.clone()).collect();
        let has_person = file.person.is_some();
        let person = file.person.and_then(|section| self.person(section));
        let bounds = ServerBounds { is_plain: file.server.tls.is_none(), max_batch_items: limits.max_batch_items };
        let callers = self.callers(file.callers, &profile_names, bounds, has_person);
        Some(Config {
            listen: file.server.listen,
            tls,
            callers,
            person,
            admin_socket,
            state_dir: self.dir.join(&file.server.state_dir),
            limits,
            awake_while_waiting: file.server.awake_while_waiting,
            drain,
            clock_file,
            max_clock_step,
            seen,
            signer,
            retries,
            ledger,
            revocation,
            custody,
            uvci_maker: uvci_maker?,
            tokens,
            dscs,
            profiles,
        })
    }

    /// What relative paths begin from.
    pub(super) const fn dir(&self) -> &Path {
        self.dir
    }

    pub(super) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn check_present(&mut self, missing: bool, what: &str) {
        if missing {
            self.problem(format!("there has to be one {what}"));
        }
    }

    pub(super) fn check_names<'n>(&mut self, names: impl Iterator<Item = &'n str>, what: &str) {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name) {
                self.problem(format!("two {what}s are named {name:?}; a name stands once"));
            }
        }
    }

    /// Two sections for one token would have a latch each, and spend a try each.
    fn check_latches(&mut self, tokens: &[TokenSpec]) {
        for (index, token) in tokens.iter().enumerate() {
            let is_same = |other: &&TokenSpec| {
                (&other.module, &other.label, &other.serial, &other.environment)
                    == (&token.module, &token.label, &token.serial, &token.environment)
            };
            if let Some(other) = tokens[..index].iter().find(is_same) {
                self.problem(format!("tokens {:?} and {:?} are one token; a token stands once", other.name, token.name));
            }
        }
    }

    /// Whoever writes the folder could put another file in the socket's place.
    fn check_admin_socket(&mut self, socket: &Path, state_dir: &Path, tokens: &[TokenSpec]) {
        if socket.starts_with(state_dir) && tokens.iter().any(|token| token.user.is_some()) {
            self.problem(format!(
                "server.admin_socket is {}, in state_dir, which a token's user writes; put it elsewhere, like /run/sceau/admin.sock",
                socket.display()
            ));
        }
    }

    /// Below a second it would be the clock's own resolution that stops the service.
    fn max_clock_step(&mut self, server: &ServerSection) -> Duration {
        if server.max_clock_step_seconds == 0 {
            self.problem("server.max_clock_step_seconds is 0; it is 1 or more, and 5 is right for most");
        }
        Duration::from_secs(server.max_clock_step_seconds)
    }

    fn limits(&mut self, server: &ServerSection) -> Limits {
        let limits = Limits {
            max_batch_items: server.max_batch_items,
            max_request_bytes: server.max_request_bytes,
            max_waiting_items_interactive: server.max_waiting_items_interactive,
            max_waiting_items_bulk: server.max_waiting_items_bulk,
            max_wait_interactive: Duration::from_millis(server.max_wait_ms_interactive),
            max_wait_bulk: Duration::from_millis(server.max_wait_ms_bulk),
            max_connections: server.max_connections,
        };
        for (key, value) in [
            ("max_wait_ms_interactive", server.max_wait_ms_interactive),
            ("max_wait_ms_bulk", server.max_wait_ms_bulk),
            ("max_connections", server.max_connections as u64),
        ] {
            if value == 0 {
                self.problem(format!("server.{key} is 0; it is 1 or more"));
            }
        }
        let most_waiting = limits.max_waiting_items_interactive.max(limits.max_waiting_items_bulk);
        if most_waiting > MOST_WAITING {
            self.problem(format!("a server.max_waiting_items is {most_waiting}; it is at most {MOST_WAITING}"));
        }
        let smallest_queue = limits.max_waiting_items_interactive.min(limits.max_waiting_items_bulk);
        if limits.max_batch_items == 0 || limits.max_batch_items > smallest_queue {
            self.problem(format!(
                "server.max_batch_items is {}; it is 1 to the smaller max_waiting_items ({smallest_queue})",
                limits.max_batch_items
            ));
        }
        if limits.max_request_bytes < server.max_payload_bytes {
            self.problem(format!(
                "server.max_request_bytes is {}; one payload alone may have {}",
                limits.max_request_bytes, server.max_payload_bytes
            ));
        }
        limits
    }

    fn retries(&mut self, section: &RetriesSection) -> Option<Retention> {
        let RetriesSection { keep_seconds, max_items } = *section;
        if !(1..=LONGEST_KEEP_SECONDS).contains(&keep_seconds) {
            self.problem(format!(
                "retries.keep_seconds is {keep_seconds}; it is 1 to {LONGEST_KEEP_SECONDS}, and max_items = 0 keeps nothing"
            ));
        }
        if max_items > MOST_KEPT {
            self.problem(format!("retries.max_items is {max_items}; it is at most {MOST_KEPT}"));
        }
        NonZeroUsize::new(max_items).map(|max_items| Retention { keep: Duration::from_secs(keep_seconds), max_items })
    }

    fn value_sets(&mut self, dir: Option<&Path>) -> Arc<ValueSets> {
        let mut sets = ValueSets::builtin();
        if let Some(dir) = dir {
            let dir = self.dir.join(dir);
            if let Err(problem) = replace_value_sets(&mut sets, &dir) {
                self.problem(format!("signing.value_sets_dir {}: {problem}", dir.display()));
            }
        }
        Arc::new(sets)
    }

    fn uvci_maker(&mut self, file: &Path) -> Option<UvciMaker> {
        let path = self.dir.join(file);
        let read = || std::fs::read(&path).map(zeroize::Zeroizing::new).map_err(|error| error.to_string());
        let made = check_mode(&path).and_then(|()| read());
        let made = made
            .and_then(|secret| UvciMaker::new(secret.strip_suffix(b"\n").unwrap_or(&secret)).map_err(|error| error.to_string()));
        made.map_err(|error| {
            self.problem(format!("signing.uvci_secret_file {}: {error}; 32 random bytes are right", path.display()))
        })
        .ok()
    }

    fn token(&mut self, section: TokenSection, state_dir: &Path, sign_timeout_ms: u64) -> Option<TokenSpec> {
        if !is_file_name(&section.name) {
            self.problem(format!("token {:?}: a name is of A-Z a-z 0-9 . _ -, and does not begin with a dot", section.name));
            return None;
        }
        let latch = PinLatch::at(self.dir.join(state_dir).join(format!("{}.pin-latch", section.name)));
        let pin = match (&section.pin_file, section.pin_variable) {
            (Some(file), None) => PinSource::File(self.dir.join(file)),
            (None, Some(name)) => PinSource::Variable(name),
            _ => {
                self.problem(format!("token {:?} has to have one of pin_file and pin_variable", section.name));
                return None;
            }
        };
        if section.hang_timeout_ms < 100 {
            self.problem(format!("token {:?}: hang_timeout_ms is {}; it is 100 or more", section.name, section.hang_timeout_ms));
        }
        if section.hang_timeout_ms >= sign_timeout_ms {
            self.problem(format!(
                "token {:?}: hang_timeout_ms is {}; it is less than signing.sign_timeout_ms ({sign_timeout_ms}), or what a hung \
                 worker held could not be signed elsewhere in time",
                section.name, section.hang_timeout_ms
            ));
        }
        if let (Some(rate), Some(workers)) = (section.max_signatures_per_second, section.workers.number())
            && (rate.get() as usize) < workers
        {
            self.problem(format!(
                "token {:?}: max_signatures_per_second is {rate} for {workers} workers; each needs one at least",
                section.name
            ));
        }
        if section.new_pin_file.is_some() && matches!(pin, PinSource::Variable(_)) {
            self.problem(format!(
                "token {:?}: new_pin_file, with a pin_variable: no worker can change a variable; keep the PIN in a pin_file",
                section.name
            ));
        }
        if section.so_pin_file.is_some() && [&section.pin_file, &section.new_pin_file].contains(&&section.so_pin_file) {
            self.problem(format!(
                "token {:?}: so_pin_file is a file of the user PIN too; the SO PIN is another, in a file of its own",
                section.name
            ));
        }
        let user = section.user.and_then(|user| self.user(&section.name, user));
        Some(TokenSpec {
            name: section.name,
            module: self.dir.join(section.module),
            label: section.label,
            serial: section.serial,
            pin,
            new_pin_file: section.new_pin_file.map(|file| self.dir.join(file)),
            so_pin_file: section.so_pin_file.map(|file| self.dir.join(file)),
            latch,
            workers: section.workers.number(),
            sessions: section.sessions.number(),
            environment: section.environment.into_iter().collect(),
            hang_timeout: Duration::from_millis(section.hang_timeout_ms),
            relaxed: section.relax_key_attributes,
            max_signatures_per_second: section.max_signatures_per_second,
            keep_alive: (section.keep_alive_seconds > 0).then(|| Duration::from_secs(section.keep_alive_seconds)),
            user,
        })
    }

    fn user(&mut self, token: &str, name: String) -> Option<WorkerUser> {
        match User::from_name(&name) {
            Ok(Some(user)) => return Some(WorkerUser { name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }),
            Ok(None) => self.problem(format!("token {token:?}: user: this machine has no user {name:?}")),
            Err(error) => self.problem(format!("token {token:?}: user {name:?} cannot be looked up: {error}")),
        }
        None
    }

    /// A key whose tokens are there.
    pub(super) fn known_key(&mut self, file: KeyFile, tokens: &[TokenSpec]) -> KeyFile {
        let (certificate, names) = (file.certificate.display(), &file.tokens);
        let what = match file.purpose {
            Purpose::Audit => "ledger.audit.certificate",
            Purpose::Upload => "revocation.certificate",
            Purpose::Certificate | Purpose::Proof => "dsc",
        };
        for (index, name) in names.iter().enumerate() {
            if !tokens.iter().any(|token| token.name == *name) {
                self.problem(format!("{what} {certificate}: there is no token {name:?}"));
            }
            if names[..index].contains(name) {
                self.problem(format!("{what} {certificate}: the token {name:?} stands twice"));
            }
        }
        if names.is_empty() {
            self.problem(format!("{what} {certificate}: its list of tokens is empty; it names those that hold its key"));
        }
        file
    }

    fn dsc_key(&self, section: DscSection) -> KeyFile {
        let certificate = self.dir.join(section.certificate);
        KeyFile { certificate, tokens: section.token.into_names(), purpose: Purpose::Certificate }
    }

    fn profile(
        &mut self,
        section: &ProfileSection,
        value_sets: &Arc<ValueSets>,
        max_payload_bytes: usize,
    ) -> Option<Arc<Profile>> {
        let name = section.name.clone();
        let issuer: Option<Country> =
            section.issuer.parse().map_err(|error| self.problem(format!("profile {name:?}: issuer: {error}"))).ok();
        let rules = self.rules(section);
        if section.vaccination_days == 0 || section.test_days == 0 || section.recovery_days == 0 {
            self.problem(format!("profile {name:?}: a duration of 0 days; a certificate is valid for 1 day or more"));
        }
        Some(Arc::new(Profile {
            name,
            algorithm: section.algorithm,
            issuer: issuer?,
            durations: Durations {
                vaccination_seconds: days(section.vaccination_days),
                test_seconds: days(section.test_days),
                recovery_seconds: days(section.recovery_days),
            },
            rulebook: Rulebook { rules, value_sets: Arc::clone(value_sets), max_payload_bytes },
        }))
    }

    fn rules(&mut self, section: &ProfileSection) -> RuleSet {
        let mut rules = match section.rules {
            Preset::All => RuleSet::ALL,
            Preset::Eu2021 => RuleSet::eu_2021(),
        };
        for name in &section.switch_off {
            let without = name.parse::<Rule>().map_err(|error| error.to_string());
            match without.and_then(|rule| rules.without(rule).map_err(|error| error.to_string())) {
                Ok(fewer) => rules = fewer,
                Err(problem) => self.problem(format!("profile {:?}: switch_off: {problem}", section.name)),
            }
        }
        rules
    }
}

/// Names of tokens are in file names.
fn checking(section: &SigningSection) -> Checking {
    match section.signature_check {
        _ if section.skip_signature_check_at_own_risk => Checking::Skipped,
        CheckWord::Batch => Checking::Batch,
        CheckWord::Each => Checking::Each,
    }
}

fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 64 && name.bytes().all(is_plain)
}

fn days(days: u32) -> i64 {
    i64::from(days) * 86_400
}

/// Puts every value-set file of a folder in the place of the built-in table.
fn replace_value_sets(sets: &mut ValueSets, dir: &Path) -> Result<(), String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err("there is no .json file in it".to_owned());
    }
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let replaced = sets.replace_from_json(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        tracing::info!(file = %path.display(), set = replaced.id, date = replaced.date, codes = replaced.codes, active = replaced.active, "value set replaced");
    }
    Ok(())
}
