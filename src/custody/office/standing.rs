//! What a replica knows of the register, and since when: shared with whoever signs by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::reader::Unreadable;
use crate::custody::register::{Key, Register, State};
use crate::domain::{Dsc, KeyUse, NumericDate};

/// The register as a replica knows it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// As far as it was read, and found good.
    pub register: Arc<Register>,
    /// When it was as new as the store has it: when the last reading that succeeded began.
    pub read_at: Instant,
    /// Why it could not be read since; nothing where it could.
    pub trouble: Option<Unreadable>,
}

/// The register cannot be relied on: nothing is signed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// The chain is damaged.
    #[error(transparent)]
    Damaged(Unreadable),
    /// It was not read for too long: another replica may have stopped a key meanwhile.
    #[error("the custody chain was not read for {} s, and a change reaches every replica in {} s{}", .since.as_secs(), .lead.as_secs(),
        .because.as_ref().map_or_else(String::new, |because| format!(": {because}")))]
    Unread {
        /// For so long.
        since: Duration,
        /// For so long it may.
        lead: Duration,
        /// What the last try said.
        because: Option<Unreadable>,
    },
}

impl Standing {
    /// The register, where it is no older than `lead`, and not damaged.
    ///
    /// # Errors
    /// [`Stale`] says why nothing may be signed by it.
    pub fn fresh(&self, lead: Duration) -> Result<&Arc<Register>, Stale> {
        if let Some(trouble) = self.trouble.as_ref().filter(|trouble| trouble.is_damage()) {
            return Err(Stale::Damaged(trouble.clone()));
        }
        let since = self.read_at.elapsed();
        if since > lead { Err(Stale::Unread { since, lead, because: self.trouble.clone() }) } else { Ok(&self.register) }
    }

    /// Since when the register may not be what the store has.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read_at.elapsed()
    }

    /// The certificates of keys that sign, or may yet, with what they are used for.
    #[must_use]
    pub fn certified(&self, now: NumericDate) -> Vec<(Dsc, Option<KeyUse>)> {
        let signs_yet = |key: &&Key| key.state(now) <= State::Active;
        self.register.keys().filter(signs_yet).filter_map(|key| Some((key.dsc()?.clone(), key.used().cloned()))).collect()
    }

    /// Whether it may be relied on for as long as changes take to reach every replica.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.trouble.as_ref().is_some_and(Unreadable::is_damage)
    }

    /// Why its keys do not sign, when they do not.
    #[must_use]
    pub fn why_not(&self, lead: Duration) -> Arc<str> {
        match &self.trouble {
            Some(damage) if damage.is_damage() => damage.to_string().into(),
            trouble => {
                let (seconds, because) =
                    (lead.as_secs_f64(), trouble.as_ref().map_or_else(String::new, |why| format!(": {why}")));
                format!(
                    "the register of keys was not read for longer than {seconds} s, in which a key may have been stopped{because}"
                )
                .into()
            }
        }
    }
}

/// Where it is published.
#[derive(Debug)]
pub(super) struct Published(watch::Sender<Standing>);

impl Published {
    pub(super) fn new(register: Arc<Register>, read_at: Instant) -> Self {
        Self(watch::Sender::new(Standing { register, read_at, trouble: None }))
    }

    pub(super) fn current(&self) -> Standing {
        self.0.borrow().clone()
    }

    /// Whoever watches hears of another register, and of trouble that came or went; not of each reading.
    pub(super) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.0.subscribe()
    }

    /// The register is as the store had it at an instant.
    pub(super) fn was_read(&self, register: &Arc<Register>, began: Instant) {
        let mut mended = None;
        self.0.send_if_modified(|standing| {
            let is_new = !Arc::ptr_eq(&standing.register, register);
            if is_new {
                standing.register = Arc::clone(register);
            }
            standing.read_at = standing.read_at.max(began);
            mended = standing.trouble.take();
            is_new || mended.is_some()
        });
        if mended.is_some() {
            tracing::info!("the custody chain can be read again");
        }
    }

    /// It could not be read; what is known of it stays, and grows old.
    pub(super) fn was_not_read(&self, register: &Arc<Register>, trouble: Unreadable) {
        self.0.send_if_modified(|standing| {
            standing.register = Arc::clone(register);
            if standing.trouble.as_ref() == Some(&trouble) {
                return false;
            }
            tracing::error!(error = %trouble, "nothing is signed with custody's keys once they are older than the lead");
            standing.trouble = Some(trouble);
            true
        });
    }
}
