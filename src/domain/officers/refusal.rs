//! Why a proposal or a verdict does not count.

use super::{Label, ProposalId, Role};
use crate::domain::NumericDate;

/// A rule of two people that is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Who signed is no officer, or none any more.
    #[error("{officer} is no officer of the roster number {roster}, which is in force")]
    Unknown {
        /// Who signed.
        officer: Label,
        /// The roster's number.
        roster: u32,
    },
    /// The text was changed, or signed with another key or in another role.
    #[error("the signature is not {officer}'s over this text, to {}", role.name())]
    Signature {
        /// Who is said to have signed.
        officer: Label,
        /// What the signature should be for.
        role: Role,
    },
    /// It was made under another roster.
    #[error("it was proposed under the roster number {made}, and number {now} is in force: propose it anew")]
    RosterChanged {
        /// The proposal's.
        made: u32,
        /// The one in force.
        now: u32,
    },
    /// It would be open for too long, or for no time.
    #[error("a proposal is open for {limit_seconds} s at most, and not for none")]
    Limit {
        /// The roster's limit.
        limit_seconds: u32,
    },
    /// Its time is over.
    #[error("it expired at {at}: propose it anew")]
    Expired {
        /// Since when.
        at: NumericDate,
    },
    /// It was made in the future.
    #[error("it says that it was made at {at}, which is still to come: one of the clocks is wrong")]
    NotYet {
        /// When it says it was made.
        at: NumericDate,
    },
    /// A verdict is about another proposal.
    #[error("{officer}'s verdict is about the proposal {proposal}, and not about this one")]
    Other {
        /// Whose verdict.
        officer: Label,
        /// Which proposal it is about.
        proposal: ProposalId,
    },
    /// Who proposed it approves it.
    #[error("{officer} proposed it; another officer approves it")]
    Own {
        /// The proposer.
        officer: Label,
    },
    /// An officer approves it twice.
    #[error("{officer} stands there twice; each officer counts once")]
    Twice {
        /// Who.
        officer: Label,
    },
    /// A verdict was made upon a chain that did not hold the proposal yet.
    #[error("{officer}'s verdict was made before the proposal stood in the chain: look at the proposal, then sign again")]
    Order {
        /// Whose verdict.
        officer: Label,
    },
    /// A verdict says that it was made when the proposal was not open.
    #[error("{officer}'s verdict says that it was made at {at}, when the proposal was not open")]
    OutOfTime {
        /// Whose verdict.
        officer: Label,
        /// When it says it was made.
        at: NumericDate,
    },
    /// A rejection is among the approvals.
    #[error("{officer} rejected it")]
    Rejected {
        /// Who.
        officer: Label,
    },
    /// More have to approve.
    #[error("it has {approvals} of {needed} approvals")]
    NotEnough {
        /// How many approved.
        approvals: usize,
        /// How many have to.
        needed: u32,
    },
}
