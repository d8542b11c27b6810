//! The register as this replica knows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::custody::register::{Key, Register, State};
use crate::domain::{Dsc, KeyUse, NumericDate};

/// The register, and what it is worth.
#[derive(Clone, Debug)]
pub struct Reading {
    /// As far as it was read, and found good.
    pub register: Arc<Register>,
    /// When it was as new as the store has it: when the last reading that succeeded began.
    pub read_at: Instant,
    /// What is wrong since; nothing where it can be read.
    pub trouble: Option<Trouble>,
}

/// Why the chain is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be read at present.
    Unreadable(Arc<str>),
    /// It holds what does not follow: nothing in it is believed.
    Damaged(Arc<str>),
}

impl Reading {
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

    /// Whether its keys may sign, where changes reach every replica within `lead`.
    #[must_use]
    pub fn is_fresh(&self, lead: Duration) -> bool {
        self.is_good() && self.age() <= lead
    }

    /// Whether it may be relied on for as long as changes take to reach every replica.
    pub(super) const fn is_good(&self) -> bool {
        !matches!(self.trouble, Some(Trouble::Damaged(_)))
    }

    /// Why its keys do not sign, when they do not.
    pub(super) fn why_not(&self, lead: Duration) -> Arc<str> {
        let seconds = lead.as_secs_f64();
        let unread =
            format!("the register of keys was not read for longer than {seconds} s, in which a key may have been stopped");
        match &self.trouble {
            Some(Trouble::Damaged(why)) => format!("the custody chain is damaged: {why}").into(),
            Some(Trouble::Unreadable(why)) => format!("{unread}: {why}").into(),
            None => unread.into(),
        }
    }
}
