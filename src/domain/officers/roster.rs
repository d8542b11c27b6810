//! The officers, and how many of them have to agree.

use std::collections::BTreeSet;

use super::{Approved, Decision, Label, Officer, Proposal, Refusal, Role, RosterChange, SignedText, Verdict};
use crate::domain::NumericDate;

/// Who the officers are at a time.
///
/// What is proposed under one roster is judged under that one: once another is in force, it is void. So nobody's approval
/// counts who is no officer any more, and no smaller quorum makes an older proposal pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    number: u32,
    officers: Vec<Officer>,
    quorum: u32,
    limit_seconds: u32,
}

/// How far ahead of ours an officer's clock may be, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 60;

impl Roster {
    /// The roster that custody begins with, number 0.
    ///
    /// `quorum`: how many approvals a proposal needs beside its proposer's signature. `limit_seconds`: how long after it was
    /// made a proposal may be approved, at most.
    ///
    /// # Errors
    /// [`InvalidRoster`] where two people could not agree under it, or one could count as two.
    pub fn new(officers: Vec<Officer>, quorum: u32, limit_seconds: u32) -> Result<Self, InvalidRoster> {
        let roster = Self { number: 0, officers, quorum, limit_seconds };
        roster.check()?;
        Ok(roster)
    }

    /// The same officers under a number that somebody says they have: for whoever looks at what a service tells. What lets anything
    /// happen is judged under a roster that [`super::RosterHistory`] leads to.
    #[must_use]
    pub fn as_told(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// How many changes there were before it.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The officers, in the order in which they came.
    #[must_use]
    pub fn officers(&self) -> &[Officer] {
        &self.officers
    }

    /// How many approvals a proposal needs beside its proposer's signature.
    #[must_use]
    pub const fn quorum(&self) -> u32 {
        self.quorum
    }

    /// How long after it was made a proposal may be approved, at most, in seconds.
    #[must_use]
    pub const fn limit_seconds(&self) -> u32 {
        self.limit_seconds
    }

    /// The officer of a name.
    #[must_use]
    pub fn officer(&self, name: &Label) -> Option<&Officer> {
        self.officers.iter().find(|officer| officer.name == *name)
    }

    /// The next roster.
    ///
    /// # Errors
    /// [`InvalidRoster`] where it could not be.
    pub fn with(&self, change: &RosterChange) -> Result<Self, InvalidRoster> {
        let stranger = change.remove.iter().find(|name| self.officer(name).is_none());
        if let Some(name) = stranger {
            return Err(InvalidRoster::Stranger { name: name.clone() });
        }
        let stay = self.officers.iter().filter(|officer| !change.remove.contains(&officer.name));
        let officers = stay.chain(&change.add).cloned().collect();
        let number = self.number.checked_add(1).ok_or(InvalidRoster::Numbers)?;
        let next = Self { number, officers, quorum: change.quorum, limit_seconds: self.limit_seconds };
        next.check()?;
        Ok(next)
    }

    fn check(&self) -> Result<(), InvalidRoster> {
        if self.quorum == 0 {
            return Err(InvalidRoster::NoQuorum);
        }
        if self.limit_seconds == 0 {
            return Err(InvalidRoster::NoLimit);
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for officer in &self.officers {
            if !names.insert(&officer.name) {
                return Err(InvalidRoster::Name { name: officer.name.clone() });
            }
            if !keys.insert(officer.key.to_string()) {
                return Err(InvalidRoster::Key { name: officer.name.clone() });
            }
        }
        if self.officers.len() as u64 <= u64::from(self.quorum) {
            return Err(InvalidRoster::TooFew { officers: self.officers.len(), quorum: self.quorum });
        }
        Ok(())
    }

    /// Whether a proposal may be made, or approved, at an instant: an officer's, under this roster, in its time.
    ///
    /// # Errors
    /// [`Refusal`] says which rule it breaks.
    pub fn check_proposal(&self, proposal: &Proposal, now: NumericDate) -> Result<(), Refusal> {
        let text = proposal.text();
        self.check_signature(&text.officer, Role::Propose, proposal.signed())?;
        if text.roster != self.number {
            return Err(Refusal::RosterChanged { made: text.roster, now: self.number });
        }
        if text.valid_until <= text.made_at || text.valid_until > text.made_at.plus_seconds(self.limit_seconds.into()) {
            return Err(Refusal::Limit { limit_seconds: self.limit_seconds });
        }
        if now >= text.valid_until {
            return Err(Refusal::Expired { at: text.valid_until });
        }
        check_made(text.made_at, now)
    }

    /// Whether a verdict counts for a proposal at an instant.
    ///
    /// # Errors
    /// [`Refusal`] says which rule it breaks.
    pub fn check_verdict(&self, proposal: &Proposal, verdict: &Verdict, now: NumericDate) -> Result<(), Refusal> {
        let (text, proposed) = (verdict.text(), proposal.text());
        if text.proposal != proposal.id() {
            return Err(Refusal::Other { officer: text.officer.clone(), proposal: text.proposal });
        }
        self.check_signature(&text.officer, text.decision.role(), verdict.signed())?;
        if text.decision == Decision::Approve && text.officer == proposed.officer {
            return Err(Refusal::Own { officer: text.officer.clone() });
        }
        if text.head.seq <= proposed.head.seq {
            return Err(Refusal::Order { officer: text.officer.clone() });
        }
        if text.made_at.plus_seconds(CLOCK_SKEW_SECONDS) < proposed.made_at || text.made_at >= proposed.valid_until {
            return Err(Refusal::OutOfTime { officer: text.officer.clone(), at: text.made_at });
        }
        check_made(text.made_at, now)
    }

    /// Judges a proposal with its approvals at an instant.
    ///
    /// # Errors
    /// [`Refusal`] says which rule is broken. One approval that does not count refuses the whole: whoever put it there did
    /// not look.
    pub fn judge(&self, proposal: &Proposal, approvals: &[Verdict], now: NumericDate) -> Result<Approved, Refusal> {
        self.check_proposal(proposal, now)?;
        let mut officers: Vec<Label> = Vec::with_capacity(approvals.len());
        for approval in approvals {
            self.check_verdict(proposal, approval, now)?;
            let officer = &approval.text().officer;
            if approval.text().decision != Decision::Approve {
                return Err(Refusal::Rejected { officer: officer.clone() });
            }
            if officers.contains(officer) {
                return Err(Refusal::Twice { officer: officer.clone() });
            }
            officers.push(officer.clone());
        }
        let needed = self.approvals_needed(proposal);
        if officers.len() as u64 >= u64::from(needed) {
            return Ok(Approved::new(proposal.clone(), officers, now));
        }
        Err(Refusal::NotEnough { approvals: officers.len(), needed })
    }

    /// How many approvals a proposal needs.
    #[must_use]
    pub const fn approvals_needed(&self, proposal: &Proposal) -> u32 {
        if proposal.change().is_emergency() { 0 } else { self.quorum }
    }

    fn check_signature(&self, name: &Label, role: Role, signed: &SignedText) -> Result<(), Refusal> {
        let officer = self.officer(name).ok_or_else(|| Refusal::Unknown { officer: name.clone(), roster: self.number })?;
        if officer.key.has_signed(role, signed) { Ok(()) } else { Err(Refusal::Signature { officer: name.clone(), role }) }
    }
}

fn check_made(made_at: NumericDate, now: NumericDate) -> Result<(), Refusal> {
    if made_at > now.plus_seconds(CLOCK_SKEW_SECONDS) { Err(Refusal::NotYet { at: made_at }) } else { Ok(()) }
}

/// Officers under whom nothing could be agreed on, or by one person alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoster {
    /// Nobody would have to approve.
    #[error("the quorum is 0; one officer at least approves what another proposes")]
    NoQuorum,
    /// No time to approve in.
    #[error("the time limit is 0 seconds; a proposal is open for a time")]
    NoLimit,
    /// There are too few.
    #[error("there are {officers} officers, too few for a quorum of {quorum}: that takes {} at least, the proposer and those who approve", u64::from(*.quorum) + 1)]
    TooFew {
        /// How many there are.
        officers: usize,
        /// How many approvals are needed.
        quorum: u32,
    },
    /// Two have a name.
    #[error("the officer {name} stands there twice; each name is one person's")]
    Name {
        /// The name.
        name: Label,
    },
    /// Two have a key: one person would count as two.
    #[error("the key of the officer {name} is another officer's too; each has a key of their own")]
    Key {
        /// The second one.
        name: Label,
    },
    /// Who is to go is not there.
    #[error("there is no officer {name} to remove")]
    Stranger {
        /// The name.
        name: Label,
    },
    /// There were four thousand million changes.
    #[error("there are no more numbers for rosters")]
    Numbers,
}
