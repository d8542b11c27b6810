//! Officers with keys of their own, and what they sign.

use std::collections::BTreeMap;

use sceau::domain::officers::{
    ChainHead, Change, Decision, Label, OfficerKey, Proposal, ProposalId, ProposalText, SignedText, VerdictText,
};
use sceau::domain::{NumericDate, Octets};

/// ada, grace and hedy, of whom two have to agree.
pub(crate) struct Officers(pub(crate) BTreeMap<&'static str, OfficerKey>);

/// What an officer signs upon.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) now: NumericDate,
    pub(crate) roster: u32,
    pub(crate) head: ChainHead,
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

impl Officers {
    pub(crate) fn new() -> Self {
        Self(["ada", "grace", "hedy"].map(|name| (name, OfficerKey::generate())).into())
    }

    /// As a configuration names them.
    pub(crate) fn section(&self) -> String {
        let officer =
            |(name, key): (&&str, &OfficerKey)| format!("[[custody.officer]]\nname = \"{name}\"\nkey = \"{}\"\n", key.public());
        std::iter::once("[custody]\n".to_owned()).chain(self.0.iter().map(officer)).collect()
    }

    pub(crate) fn propose(&self, officer: &str, change: Change, Seen { now, roster, head }: Seen) -> Proposal {
        let (officer, valid_until) = (label(officer), now.plus_seconds(3_600));
        let nonce = Octets(rand::random());
        let text = ProposalText { v: 1, change, officer: officer.clone(), made_at: now, valid_until, roster, head, nonce };
        self.0[officer.as_str()].propose(&text).unwrap()
    }

    pub(crate) fn decide(
        &self,
        officer: &str,
        decision: Decision,
        proposal: ProposalId,
        Seen { now, head, .. }: Seen,
    ) -> SignedText {
        let text = VerdictText { v: 1, decision, proposal, officer: label(officer), made_at: now, head };
        self.0[officer].judge(&text).unwrap().signed().clone()
    }
}
