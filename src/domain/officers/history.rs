//! How the roster became what it is: whoever knows the first one checks the rest.

use serde::{Deserialize, Serialize};

use super::approved::{NoConsent, signed_at};
use super::{Change, Consent, InvalidRoster, Roster};

/// Every change of the roster, in order, each with the signatures that carried it.
///
/// A reader that holds the first roster needs to trust nobody for the last one: each step was agreed on by officers of the
/// step before. What it cannot see is that steps are missing at the end; each proposal names its roster by number, so that
/// then too an officer of today has to sign under a roster of yesterday.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RosterHistory(Vec<Consent>);

impl RosterHistory {
    /// Adds a step.
    pub fn push(&mut self, step: Consent) {
        self.0.push(step);
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Consent] {
        &self.0
    }

    /// The roster at the end of it.
    ///
    /// # Errors
    /// [`BrokenHistory`] says at which step it breaks.
    pub fn roster(&self, first: &Roster) -> Result<Roster, BrokenHistory> {
        self.fold(first, |_| ())
    }

    /// Every roster that there was, by its number: the first one, and one more for each step.
    ///
    /// # Errors
    /// [`BrokenHistory`] says at which step it breaks.
    pub fn rosters(&self, first: &Roster) -> Result<Vec<Roster>, BrokenHistory> {
        let mut rosters = Vec::with_capacity(self.0.len() + 1);
        let last = self.fold(first, |roster| rosters.push(roster.clone()))?;
        rosters.push(last);
        Ok(rosters)
    }

    /// Follows it to its end; `passed` hears each roster but the last.
    fn fold(&self, first: &Roster, mut passed: impl FnMut(&Roster)) -> Result<Roster, BrokenHistory> {
        (1..).zip(&self.0).try_fold(first.clone(), |roster, (step, consent)| {
            passed(&roster);
            next(&roster, consent).map_err(|reason| BrokenHistory { step, reason: Box::new(reason) })
        })
    }
}

fn next(roster: &Roster, consent: &Consent) -> Result<Roster, BrokenStep> {
    let (proposal, approvals) = consent.read()?;
    let approved = roster.judge(&proposal, &approvals, signed_at(&proposal, &approvals)).map_err(NoConsent::from)?;
    match approved.change() {
        Change::Roster(change) => Ok(roster.with(change)?),
        other => Err(BrokenStep::Change { change: other.name() }),
    }
}

/// A history of the roster that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the roster's change number {step} does not hold: {reason}")]
pub struct BrokenHistory {
    /// Which step, from 1 on.
    pub step: usize,
    reason: Box<BrokenStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BrokenStep {
    #[error(transparent)]
    Consent(#[from] NoConsent),
    #[error(transparent)]
    Roster(#[from] InvalidRoster),
    #[error("it is about {change}, not about the roster")]
    Change { change: &'static str },
}
