//! How custody's keys are, for whoever watches.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::custody::office::Standing;
use crate::domain::Kid;
use crate::domain::officers::Label;

/// The register as it was read last, and which keys are not where they should be.
#[derive(Clone, Debug)]
pub struct DutyView {
    standings: watch::Receiver<Standing>,
    absent: Arc<ArcSwap<Vec<Absent>>>,
    lead: Duration,
}

/// A key that is to sign, now or later, and that its token does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its label.
    pub label: Label,
    /// Its certificate's kid.
    pub kid: Kid,
    /// Why.
    pub reason: Arc<str>,
}

impl DutyView {
    pub(super) fn new(standings: watch::Receiver<Standing>, lead: Duration) -> Self {
        Self { standings, absent: Arc::default(), lead }
    }

    /// The register as it was read last.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standings.borrow().clone()
    }

    /// How old it may become before its keys sign no more.
    #[must_use]
    pub const fn lead(&self) -> Duration {
        self.lead
    }

    /// The keys that are to sign and cannot.
    #[must_use]
    pub fn absent(&self) -> Arc<Vec<Absent>> {
        self.absent.load_full()
    }

    pub(super) fn tell(&self, absent: Vec<Absent>) {
        self.absent.store(Arc::new(absent));
    }
}
