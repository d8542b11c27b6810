//! Officers for tests: each has a key, and signs what a test wants signed.

use std::sync::LazyLock;

use super::*;
use crate::domain::{NumericDate, Octets};

/// 2024-02-29T00:00:00Z: a leap day begins.
pub(crate) const MIDNIGHT: NumericDate = NumericDate::from_seconds(1_709_164_800);
pub(crate) const NAMES: [&str; 5] = ["ada", "grace", "hedy", "joan", "mary"];

static KEYS: LazyLock<[OfficerKey; 5]> = LazyLock::new(|| std::array::from_fn(|_| OfficerKey::generate()));

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

pub(crate) fn key(name: &str) -> &'static OfficerKey {
    &KEYS[NAMES.iter().position(|other| *other == name).unwrap()]
}

pub(crate) fn officer(name: &str) -> Officer {
    Officer { name: label(name), key: key(name).public() }
}

/// ada, grace and hedy, of whom two have to agree, within a day.
pub(crate) fn three() -> Roster {
    Roster::new(["ada", "grace", "hedy"].map(officer).to_vec(), 1, 86_400).unwrap()
}

pub(crate) fn head(seq: u64) -> ChainHead {
    ChainHead { seq, link: if seq == 0 { Octets([0; 32]) } else { Octets([seq as u8; 32]) } }
}

/// What an officer proposes at [`MIDNIGHT`], under the first roster, upon an empty chain.
pub(crate) fn proposing(officer: &str, change: Change) -> ProposalText {
    ProposalText {
        v: 1,
        change,
        officer: label(officer),
        made_at: MIDNIGHT,
        valid_until: MIDNIGHT.plus_seconds(3_600),
        roster: 0,
        head: head(0),
        nonce: Octets([7; 16]),
    }
}

pub(crate) fn propose(officer: &str, change: Change) -> Proposal {
    key(officer).propose(&proposing(officer, change)).unwrap()
}

/// What an officer thinks of a proposal at once, upon a chain that holds it.
pub(crate) fn judging(officer: &str, decision: Decision, proposal: &Proposal) -> VerdictText {
    let (made_at, seq) = (proposal.text().made_at, proposal.text().head.seq + 1);
    VerdictText { v: 1, decision, proposal: proposal.id(), officer: label(officer), made_at, head: head(seq) }
}

pub(crate) fn approve(officer: &str, proposal: &Proposal) -> Verdict {
    key(officer).judge(&judging(officer, Decision::Approve, proposal)).unwrap()
}

pub(crate) fn reject(officer: &str, proposal: &Proposal) -> Verdict {
    key(officer).judge(&judging(officer, Decision::Reject, proposal)).unwrap()
}

pub(crate) fn change_pin() -> Change {
    Change::ChangePin { token: label("hsm-a") }
}

pub(crate) fn roster_change(add: &[&str], remove: &[&str], quorum: u32) -> Change {
    let (add, remove) = (add.iter().map(|name| officer(name)).collect(), remove.iter().map(|name| label(name)).collect());
    Change::Roster(RosterChange { add, remove, quorum })
}

pub(crate) fn consent(proposal: &Proposal, approvals: &[Verdict]) -> Consent {
    Consent {
        proposal: proposal.signed().clone(),
        approvals: approvals.iter().map(|approval| approval.signed().clone()).collect(),
    }
}
