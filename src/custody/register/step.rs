//! One event after another: each is checked whole, then taken.

use super::{Contradiction, End, Filed, Key, Misfit, Register};
use crate::domain::NumericDate;
use crate::domain::officers::{
    Approved, ChainHead, Change, Decision, Event, GeneratedKey, Generation, KeyKind, KeyName, Label, Outcome, Proposal,
    ProposalId, Refusal, SignedText, Verdict,
};

impl Register {
    pub(super) fn step(&mut self, event: &Event, at: NumericDate, lead_seconds: u32) -> Result<(), Misfit> {
        match event {
            Event::Proposed(signed) => self.propose(signed, at, lead_seconds),
            Event::Approved(signed) => self.approve(signed, at, lead_seconds),
            Event::Rejected(signed) => self.reject(signed, at),
            Event::Executed { proposal, outcome } => self.execute(*proposal, outcome, at, lead_seconds),
            Event::Emergency(signed) => self.stop(signed, at),
        }
    }

    fn propose(&mut self, signed: &SignedText, at: NumericDate, lead_seconds: u32) -> Result<(), Misfit> {
        let proposal = self.file(signed, at)?;
        if proposal.change().is_emergency() {
            return Err(Misfit::Kind { event: "propose" });
        }
        self.check(proposal.change(), at, lead_seconds)?;
        self.proposals.insert(proposal.id(), Filed::new(proposal, self.head.seq));
        Ok(())
    }

    /// A proposal that is new here, of an officer, in its time, upon this chain.
    fn file(&self, signed: &SignedText, at: NumericDate) -> Result<Proposal, Misfit> {
        let proposal = Proposal::read(signed.clone())?;
        if self.proposals.contains_key(&proposal.id()) {
            return Err(Misfit::Again { id: proposal.id() });
        }
        self.roster.check_proposal(&proposal, at)?;
        self.check_head(proposal.text().head)?;
        Ok(proposal)
    }

    fn approve(&mut self, signed: &SignedText, at: NumericDate, lead_seconds: u32) -> Result<(), Misfit> {
        let (verdict, filed) = self.verdict(signed, at, Decision::Approve)?;
        let proposal = filed.proposal();
        let approvals = [filed.approvals(), std::slice::from_ref(&verdict)].concat();
        match self.roster.judge(proposal, &approvals, at) {
            Ok(_) => drop(self.check(proposal.change(), at, lead_seconds)?),
            Err(Refusal::NotEnough { .. }) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        self.filed(verdict.text().proposal).approve(verdict);
        Ok(())
    }

    fn reject(&mut self, signed: &SignedText, at: NumericDate) -> Result<(), Misfit> {
        let (verdict, _) = self.verdict(signed, at, Decision::Reject)?;
        let by = verdict.text().officer.clone();
        self.filed(verdict.text().proposal).close(End::Rejected { by });
        Ok(())
    }

    /// A verdict that counts, upon this chain, with the open proposal that it is about.
    fn verdict(&self, signed: &SignedText, at: NumericDate, decision: Decision) -> Result<(Verdict, &Filed), Misfit> {
        let verdict = Verdict::read(signed.clone())?;
        let text = verdict.text();
        if text.decision != decision {
            return Err(Misfit::Kind { event: decision.role().name() });
        }
        let filed = self.open(text.proposal)?;
        self.roster.check_proposal(filed.proposal(), at)?;
        self.roster.check_verdict(filed.proposal(), &verdict, at)?;
        self.check_head(text.head)?;
        if text.head.seq <= filed.after() {
            return Err(Refusal::Order { officer: text.officer.clone() }.into());
        }
        Ok((verdict, filed))
    }

    fn execute(&mut self, id: ProposalId, outcome: &Outcome, at: NumericDate, lead_seconds: u32) -> Result<(), Misfit> {
        let filed = self.open(id)?;
        let approved = self.roster.judge(filed.proposal(), filed.approvals(), at)?;
        if !matches!(outcome, Outcome::Failed { .. }) {
            self.check(approved.change(), at, lead_seconds)?;
            self.carry_out(&approved, outcome, at)?;
        }
        self.filed(id).close(End::Executed(outcome.clone()));
        Ok(())
    }

    fn stop(&mut self, signed: &SignedText, at: NumericDate) -> Result<(), Misfit> {
        let proposal = self.file(signed, at)?;
        if !proposal.change().is_emergency() {
            return Err(Misfit::Kind { event: "stop a key by one officer alone" });
        }
        let approved = self.roster.judge(&proposal, &[], at)?;
        self.check(approved.change(), at, 0)?;
        self.carry_out(&approved, &Outcome::Done, at)?;
        let mut filed = Filed::new(proposal, self.head.seq);
        filed.close(End::Executed(Outcome::Done));
        self.proposals.insert(approved.proposal().id(), filed);
        Ok(())
    }

    /// Does what was agreed on and fits. It fails before anything is changed, or not at all.
    fn carry_out(&mut self, approved: &Approved, outcome: &Outcome, at: NumericDate) -> Result<(), Misfit> {
        match (approved.change(), outcome) {
            (Change::Generate(generation), Outcome::Generated(made)) => return self.generate(generation, made, at),
            (Change::Generate(_), _) => return Err(outcome_of("generate", "the public key of the kind that was asked for")),
            (change, Outcome::Generated(_)) => return Err(outcome_of(change.name(), "no key")),
            (Change::Revoke(_), Outcome::Revoked { .. }) => {}
            (Change::Revoke(_), _) => return Err(outcome_of("revoke", "where the record of it is")),
            (change, Outcome::Revoked { .. }) => return Err(outcome_of(change.name(), "no revocation")),
            (Change::Certify(certification), _) => {
                let (_, dsc) = self.check_certify(certification, at)?;
                self.named_mut(&KeyName::Label(certification.label.clone()))?.certify(dsc);
            }
            (Change::Publish { kid, at }, _) => self.named_mut(&KeyName::Kid(*kid))?.publish(*at),
            (Change::Activate(activation), _) => self.named_mut(&KeyName::Kid(activation.kid))?.activate(activation),
            (Change::Retire { kid, at }, _) => self.named_mut(&KeyName::Kid(*kid))?.retire(*at),
            (Change::Compromise { kid, .. }, _) => self.named_mut(&KeyName::Kid(*kid))?.compromise(at),
            (Change::Destroy(name), _) => self.named_mut(name)?.destroy(at),
            (Change::Roster(change), _) => {
                let (roster, consent) = (self.roster.with(change), self.open(approved.proposal().id())?.consent());
                self.roster = roster.map_err(Contradiction::from)?;
                self.history.push(consent);
            }
            (Change::ChangePin { .. } | Change::InitialiseToken { .. }, _) => {}
        }
        Ok(())
    }

    fn generate(&mut self, generation: &Generation, made: &GeneratedKey, at: NumericDate) -> Result<(), Misfit> {
        let key = made.public_key().filter(|key| KeyKind::of(key) == Some(generation.key));
        let key = key.ok_or_else(|| outcome_of("generate", "the public key of the kind that was asked for"))?;
        if self.keys.values().any(|other| *other.public_key() == key) {
            return Err(outcome_of("generate", "a key that was not there before"));
        }
        self.keys.insert(generation.label.clone(), Key::new(generation.clone(), key, at));
        Ok(())
    }

    pub(super) fn open(&self, id: ProposalId) -> Result<&Filed, Misfit> {
        let filed = self.proposals.get(&id).ok_or(Misfit::Absent { id })?;
        match filed.end() {
            None => Ok(filed),
            Some(End::Rejected { .. }) => Err(Misfit::Over { id, how: "rejected" }),
            Some(End::Executed(Outcome::Failed { .. })) => Err(Misfit::Over { id, how: "tried, and failed" }),
            Some(End::Executed(_)) => Err(Misfit::Over { id, how: "executed" }),
        }
    }

    fn filed(&mut self, id: ProposalId) -> &mut Filed {
        self.proposals.get_mut(&id).expect("it was found a moment ago")
    }

    fn named_mut(&mut self, name: &KeyName) -> Result<&mut Key, Contradiction> {
        let label: Label = self.named(name)?.label().clone();
        Ok(self.keys.get_mut(&label).expect("it was found a moment ago"))
    }

    fn check_head(&self, head: ChainHead) -> Result<(), Misfit> {
        if self.links.get(&head.seq) == Some(&head.link) { Ok(()) } else { Err(Misfit::Head { seq: head.seq }) }
    }
}

const fn outcome_of(change: &'static str, wanted: &'static str) -> Misfit {
    Misfit::Outcome { change, wanted }
}
