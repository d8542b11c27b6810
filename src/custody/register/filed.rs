//! A proposal as it stands in the chain: who approved it, and how it ended.

use super::Contradiction;
use crate::domain::NumericDate;
use crate::domain::officers::{Change, Consent, Label, Outcome, Proposal, ProposalId, Verdict};

/// A proposal that was filed.
#[derive(Clone, Debug)]
pub struct Filed {
    proposal: Proposal,
    /// The chain's last place before the proposal's own.
    after: u64,
    approvals: Vec<Verdict>,
    end: Option<End>,
}

/// How a proposal ended. What expires, or is void since the roster changed, just stays open and counts no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was done, or tried.
    Executed(Outcome),
    /// An officer rejected it.
    Rejected {
        /// Who.
        by: Label,
    },
}

impl Filed {
    pub(super) const fn new(proposal: Proposal, after: u64) -> Self {
        Self { proposal, after, approvals: Vec::new(), end: None }
    }

    /// The proposal.
    #[must_use]
    pub const fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The approvals, in order.
    #[must_use]
    pub fn approvals(&self) -> &[Verdict] {
        &self.approvals
    }

    /// How it ended.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether what it says was done.
    #[must_use]
    pub const fn is_carried_out(&self) -> bool {
        matches!(self.end, Some(End::Executed(Outcome::Done | Outcome::Generated(_) | Outcome::Revoked { .. })))
    }

    /// Its place in the chain is the next one: what stood there before it.
    #[must_use]
    pub const fn follows(&self) -> u64 {
        self.after
    }

    /// Texts and signatures, for whoever has to check them.
    #[must_use]
    pub fn consent(&self) -> Consent {
        let approvals = self.approvals.iter().map(|approval| approval.signed().clone()).collect();
        Consent { proposal: self.proposal.signed().clone(), approvals }
    }

    pub(super) const fn after(&self) -> u64 {
        self.after
    }

    pub(super) fn approve(&mut self, verdict: Verdict) {
        self.approvals.push(verdict);
    }

    pub(super) fn close(&mut self, end: End) {
        self.end = Some(end);
    }
}

/// A proposal that officers may still approve.
#[derive(Debug)]
pub struct Pending<'r> {
    /// Its name.
    pub id: ProposalId,
    /// What it would do.
    pub change: &'r Change,
    /// Who proposed it.
    pub proposer: &'r Label,
    /// Who approved it.
    pub approvers: Vec<&'r Label>,
    /// How many have to. Where as many have, it is about to be executed.
    pub needed: u32,
    /// The instant from which it is void.
    pub until: NumericDate,
    /// Why it could not be done any more, where something else was done first.
    pub contradiction: Option<Contradiction>,
}
