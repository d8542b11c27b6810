//! What was agreed on.

use serde::{Deserialize, Serialize};

use super::{Change, InvalidText, Label, Proposal, Refusal, Roster, SignedText, Verdict};
use crate::domain::NumericDate;

/// A change that enough officers agreed on. [`Roster::judge`] alone makes one.
///
/// It is for one time: whoever does what it says, and has no chain that says what was done, keeps the proposal's id until the
/// proposal expires, and does not do it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    proposal: Proposal,
    approvers: Vec<Label>,
    at: NumericDate,
}

impl Approved {
    pub(super) const fn new(proposal: Proposal, approvers: Vec<Label>, at: NumericDate) -> Self {
        Self { proposal, approvers, at }
    }

    /// What is to be done: exactly that, and nothing else.
    #[must_use]
    pub const fn change(&self) -> &Change {
        self.proposal.change()
    }

    /// The proposal.
    #[must_use]
    pub const fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// Who approved it, the proposer left out.
    #[must_use]
    pub fn approvers(&self) -> &[Label] {
        &self.approvers
    }

    /// The instant that it was judged at.
    #[must_use]
    pub const fn at(&self) -> NumericDate {
        self.at
    }
}

/// A proposal with its approvals, as a worker gets them: to be judged, and worth nothing before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The proposal, as its officer signed it.
    pub proposal: SignedText,
    /// The approvals, as each officer signed theirs.
    pub approvals: Vec<SignedText>,
}

impl Consent {
    /// The most approvals that are read: more officers than any roster has.
    pub const MAX_APPROVALS: usize = 64;

    /// Judges it under a roster at an instant.
    ///
    /// # Errors
    /// [`NoConsent`] where a text has not the form, or a rule is broken.
    pub fn judge(&self, roster: &Roster, now: NumericDate) -> Result<Approved, NoConsent> {
        let (proposal, approvals) = self.read()?;
        Ok(roster.judge(&proposal, &approvals, now)?)
    }

    /// Judges it as history: at the instant of its last signature, under the roster that its proposal names. It says what was
    /// agreed on then, and nothing about what may be done now.
    ///
    /// `rosters`: every roster that there was, as [`super::RosterHistory::rosters`] gives them.
    ///
    /// # Errors
    /// [`NoConsent`] as [`Self::judge`], and where there was no roster of that number.
    pub fn judge_when_signed(&self, rosters: &[Roster]) -> Result<Approved, NoConsent> {
        let (proposal, approvals) = self.read()?;
        let (made, now) = (proposal.text().roster, rosters.last().map_or(0, Roster::number));
        let roster = rosters.iter().find(|roster| roster.number() == made).ok_or(Refusal::RosterChanged { made, now })?;
        Ok(roster.judge(&proposal, &approvals, signed_at(&proposal, &approvals))?)
    }

    pub(super) fn read(&self) -> Result<(Proposal, Vec<Verdict>), NoConsent> {
        if self.approvals.len() > Self::MAX_APPROVALS {
            return Err(NoConsent::TooMany { approvals: self.approvals.len() });
        }
        let approvals = self.approvals.iter().cloned().map(Verdict::read).collect::<Result<_, _>>()?;
        Ok((Proposal::read(self.proposal.clone())?, approvals))
    }
}

/// The instant of the last signature: what is history was in time if that was.
pub(super) fn signed_at(proposal: &Proposal, approvals: &[Verdict]) -> NumericDate {
    approvals.iter().map(|approval| approval.text().made_at).fold(proposal.text().made_at, NumericDate::max)
}

/// Why texts and signatures let nothing happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConsent {
    /// A text has not the form.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// A rule is broken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There are more approvals than officers.
    #[error("there are {approvals} approvals; {} are read at most", Consent::MAX_APPROVALS)]
    TooMany {
        /// How many.
        approvals: usize,
    },
}
