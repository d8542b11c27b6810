//! The register: which keys there are, in which state, and what officers are about to change.
//!
//! It is a fold over the events of the custody chain, in their order, and over nothing else: no configuration but the first
//! roster, no clock but the records' own. So every replica that reads the chain has the same register.
//!
//! ```text
//! generated -> certified -> published -> active -> retired -> destroyed        compromised, from any with a certificate
//! ```
//! - An event that does not follow is refused before it is written ([`Register::admit`]); a chain that holds one is [`Damaged`].
//! - A change fits what there is when it is proposed, when its last approval arrives, and when it is executed. Of two proposals
//!   that contradict each other the one that is executed first wins.
//! - Windows are half-open, [from, to), and judged by `iat`; they end with the certificate, whose own `notAfter` is inclusive.

mod contradiction;
mod effect;
mod filed;
mod fit;
mod key;
mod misfit;
mod papers;
mod step;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use contradiction::Contradiction;
pub use effect::Effect;
pub use filed::{End, Filed, Pending};
pub use key::{Key, State, Use, Window};
pub use misfit::{Damaged, Misfit};
pub use papers::{Papers, StopOrder};

use crate::domain::officers::{Approved, ChainHead, Event, Label, ProposalId, Roster, RosterHistory};
use crate::domain::{CertificateTypes, Dsc, Kid, NumericDate, Octets};

/// Keys, proposals and officers, as the chain up to its head has them.
#[derive(Clone, Debug)]
pub struct Register {
    roster: Roster,
    history: RosterHistory,
    keys: BTreeMap<Label, Key>,
    proposals: BTreeMap<ProposalId, Filed>,
    head: ChainHead,
    /// Every link by its place, 40 bytes a record: what a text may say that its officer saw.
    links: BTreeMap<u64, Octets<32>>,
}

/// A key that may sign at an instant, and what.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'r> {
    /// Its certificate.
    pub dsc: &'r Dsc,
    /// Its label on the token.
    pub label: &'r Label,
    /// The name of its token in the configuration.
    pub token: &'r Label,
    /// What it signs.
    pub types: CertificateTypes,
    /// Its share of the work among the keys that fit.
    pub weight: u16,
    /// When it signs.
    pub window: Window,
}

impl Register {
    /// That of an empty chain, under the roster that custody begins with.
    #[must_use]
    pub fn new(first: Roster) -> Self {
        Self {
            roster: first,
            history: RosterHistory::default(),
            keys: BTreeMap::new(),
            proposals: BTreeMap::new(),
            head: ChainHead::EMPTY,
            links: BTreeMap::from([(0, ChainHead::EMPTY.link)]),
        }
    }

    /// Takes the next record of the chain: its event, where it has one, when it was written, and the chain's head with it.
    ///
    /// # Errors
    /// [`Damaged`] where the event does not follow. The register stays as it was before.
    pub fn follow(&mut self, event: Option<&Event>, at: NumericDate, head: ChainHead) -> Result<(), Damaged> {
        if let Some(event) = event {
            self.apply(event, at).map_err(|source| Damaged { seq: head.seq, source })?;
        }
        self.advance(head);
        Ok(())
    }

    /// Takes an event that is the next record's, written at an instant. [`Self::advance`] follows.
    ///
    /// # Errors
    /// [`Misfit`] where it does not follow; nothing has changed then.
    pub fn apply(&mut self, event: &Event, at: NumericDate) -> Result<(), Misfit> {
        self.step(event, at, 0)
    }

    /// Whether an event may be written as the next record; `lead_seconds`: how long a change takes to reach every replica.
    ///
    /// # Errors
    /// [`Misfit`] says why not.
    pub fn admit(&self, event: &Event, at: NumericDate, lead_seconds: u32) -> Result<(), Misfit> {
        self.clone().step(event, at, lead_seconds)
    }

    /// The chain has another record; texts may name its head from now on.
    pub fn advance(&mut self, head: ChainHead) {
        self.head = head;
        self.links.insert(head.seq, head.link);
    }

    /// The end of the chain, as far as it was read: what officers sign upon.
    #[must_use]
    pub const fn head(&self) -> ChainHead {
        self.head
    }

    /// The officers now.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How they became the officers, for whoever has the first roster.
    #[must_use]
    pub const fn roster_history(&self) -> &RosterHistory {
        &self.history
    }

    /// Every key that there ever was, by label.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The key of a label.
    #[must_use]
    pub fn key(&self, label: &Label) -> Option<&Key> {
        self.keys.get(label)
    }

    /// The key of a certificate.
    #[must_use]
    pub fn key_of(&self, kid: Kid) -> Option<&Key> {
        self.keys.values().find(|key| key.kid() == Some(kid))
    }

    /// What may sign under an `iat`, as the register knows it now. A key that was stopped may not, whatever the instant.
    pub fn keys_at(&self, iat: NumericDate) -> impl Iterator<Item = InForce<'_>> {
        self.keys.values().filter_map(move |key| {
            let (used, dsc) = (key.in_force(iat)?, key.dsc()?);
            let (types, weight, window) = (used.types, used.weight, used.window);
            Some(InForce { dsc, label: key.label(), token: key.token(), types, weight, window })
        })
    }

    /// A proposal, with what officers said of it and how it ended.
    #[must_use]
    pub fn proposal(&self, id: ProposalId) -> Option<&Filed> {
        self.proposals.get(&id)
    }

    /// Every proposal that there ever was, in no order.
    pub fn proposals(&self) -> impl Iterator<Item = &Filed> {
        self.proposals.values()
    }

    /// The proposals that officers may approve at an instant, the one that expires first in front.
    #[must_use]
    pub fn pending(&self, now: NumericDate) -> Vec<Pending<'_>> {
        let is_open = |filed: &&Filed| filed.end().is_none() && self.roster.check_proposal(filed.proposal(), now).is_ok();
        let mut pending: Vec<_> = self.proposals.values().filter(is_open).map(|filed| self.describe(filed, now)).collect();
        pending.sort_by_key(|pending| (pending.until, pending.id));
        pending
    }

    fn describe<'r>(&'r self, filed: &'r Filed, now: NumericDate) -> Pending<'r> {
        let proposal = filed.proposal();
        Pending {
            id: proposal.id(),
            change: proposal.change(),
            proposer: &proposal.text().officer,
            approvers: filed.approvals().iter().map(|approval| &approval.text().officer).collect(),
            needed: self.roster.approvals_needed(proposal),
            until: proposal.text().valid_until,
            contradiction: self.check(proposal.change(), now, 0).err(),
        }
    }

    /// A proposal that enough officers agreed on and that fits: what may be executed at an instant.
    ///
    /// # Errors
    /// [`Misfit`] says why it may not.
    pub fn approved(&self, id: ProposalId, now: NumericDate, lead_seconds: u32) -> Result<Approved, Misfit> {
        let filed = self.open(id)?;
        let approved = self.roster.judge(filed.proposal(), filed.approvals(), now)?;
        self.check(approved.change(), now, lead_seconds)?;
        Ok(approved)
    }
}
