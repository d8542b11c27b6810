//! A configuration that is read again while the service runs: what of it takes effect, and what waits for a restart.

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::config::{Config, ConfigError};
use crate::domain::{Clock, SystemClock};
use crate::service::Live;
use crate::service::tls::{LiveTls, TlsError};

/// What may be changed without a restart.
pub(crate) struct Reload<'r> {
    /// The configuration in force.
    pub(crate) config: Config,
    pub(crate) live: &'r Live,
    pub(crate) tls: Option<&'r LiveTls>,
}

/// Why a configuration is not taken over.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The callers of one transport are not those of the other: with the new ones alone, every call would be refused.
    #[error("whether there is a [server.tls] changes with a restart, and the callers with it")]
    Transport,
}

impl Reload<'_> {
    /// Reads the file again. A file that does not hold together changes nothing.
    pub(crate) fn run(&mut self, file: &Path) {
        if let Err(error) = self.take_over(file) {
            tracing::error!(%error, "the configuration is not taken over; the one before stays in force");
        }
    }

    fn take_over(&mut self, file: &Path) -> Result<(), Refused> {
        let next = Config::load(file)?;
        let identity = match (self.tls, &next.tls) {
            (Some(live), Some(files)) => Some((live, files.load()?)),
            (None, None) => None,
            _ => return Err(Refused::Transport),
        };
        if let Some((live, tls)) = identity {
            tls.warnings(SystemClock.now()).iter().for_each(|warning| tracing::warn!("{warning}"));
            live.replace(tls);
        }
        let waits = self.waits_for_a_restart(&next);
        self.live.replace(next.live());
        tracing::info!(
            callers = next.callers.len(),
            profiles = next.profiles.len(),
            "configuration read again: callers, profiles, limits and certificates are in force"
        );
        if !waits.is_empty() {
            tracing::warn!(changed = waits.join(", "), "these changes wait for a restart");
        }
        let before = std::mem::replace(&mut self.config, next);
        // What was not taken over is still what a later change is compared with.
        self.config.keep_what_waits(before);
        Ok(())
    }

    fn waits_for_a_restart(&self, next: &Config) -> Vec<&'static str> {
        let before = &self.config;
        let mut waits = Vec::new();
        let mut note = |is_changed: bool, what| {
            if is_changed {
                waits.push(what);
            }
        };
        note(before.listen != next.listen, "server.listen");
        note(before.admin_socket != next.admin_socket, "server.admin_socket");
        note(before.state_dir != next.state_dir, "server.state_dir");
        note(before.limits.max_request_bytes != next.limits.max_request_bytes, "server.max_request_bytes");
        note(before.limits.max_connections != next.limits.max_connections, "server.max_connections");
        note(before.awake_while_waiting != next.awake_while_waiting, "server.awake_while_waiting");
        note(before.drain != next.drain, "server.drain_seconds, drain_delay_seconds");
        note(before.max_clock_step != next.max_clock_step, "server.max_clock_step_seconds");
        note(
            before.signer != next.signer,
            "[signing] threads, sign_timeout_ms, signature_check, skip_signature_check_at_own_risk",
        );
        note(before.uvci_maker != next.uvci_maker, "signing.uvci_secret_file");
        note(before.seen != next.seen, "[monitoring], [log]");
        note(before.retries != next.retries, "[retries]");
        note(before.ledger != next.ledger, "[ledger]");
        note(before.revocation != next.revocation, "[revocation]");
        note(before.custody != next.custody, "[custody]");
        note(before.tokens != next.tokens, "[[token]]");
        note(before.dscs != next.dscs, "[[dsc]]");
        waits
    }
}
