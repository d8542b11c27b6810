//! A configuration that is read again while the service runs: what of it takes effect, and what waits for a restart.

use std::path::Path;

use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::service::Live;
use crate::service::tls::LiveTls;

/// What may be changed without a restart.
pub(crate) struct Reload<'r> {
    /// The configuration in force.
    pub(crate) config: Config,
    pub(crate) live: &'r Live,
    pub(crate) tls: Option<&'r LiveTls>,
}

impl Reload<'_> {
    /// Reads the file again. A file that does not hold together changes nothing.
    pub(crate) fn run(&mut self, file: &Path) {
        let next = match Config::load(file) {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the configuration is not taken over; the one before stays in force");
                return;
            }
        };
        if let (Some(live), Some(files)) = (self.tls, &next.tls) {
            match files.load() {
                Ok(tls) => {
                    tls.warnings(SystemClock.now()).iter().for_each(|warning| tracing::warn!("{warning}"));
                    live.replace(tls);
                }
                Err(error) => {
                    tracing::error!(%error, "the configuration is not taken over; the one before stays in force");
                    return;
                }
            }
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
        note(before.tls.is_some() != next.tls.is_some(), "whether there is a [server.tls]");
        note(before.admin_socket != next.admin_socket, "server.admin_socket");
        note(before.state_dir != next.state_dir, "server.state_dir");
        note(before.limits.max_request_bytes != next.limits.max_request_bytes, "server.max_request_bytes");
        note(before.limits.max_connections != next.limits.max_connections, "server.max_connections");
        note(before.drain != next.drain, "server.drain_seconds, drain_delay_seconds");
        note(before.max_clock_step != next.max_clock_step, "server.max_clock_step_seconds");
        note(before.signer != next.signer, "[signing] threads, sign_timeout_ms, skip_signature_check_at_own_risk");
        note(before.seen != next.seen, "[monitoring], [log]");
        note(before.retries != next.retries, "[retries]");
        note(before.ledger != next.ledger, "[ledger]");
        note(before.tokens != next.tokens, "[[token]]");
        note(before.dscs != next.dscs, "[[dsc]]");
        waits
    }
}
