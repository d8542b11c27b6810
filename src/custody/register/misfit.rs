//! Why an event does not follow from what stands before it.

use super::Contradiction;
use crate::domain::officers::{InvalidText, ProposalId, Refusal};

/// Why an event is not taken. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// A text has not the form.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// A rule of two people is broken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The change does not fit what there is.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The text was signed upon another chain.
    #[error("it was signed upon a chain whose record {seq} is another than here, or upon one that is ahead")]
    Head {
        /// The place that it names.
        seq: u64,
    },
    /// The proposal is there already.
    #[error("the proposal {id} is there already")]
    Again {
        /// Which.
        id: ProposalId,
    },
    /// There is no such proposal.
    #[error("there is no proposal {id}")]
    Absent {
        /// Which.
        id: ProposalId,
    },
    /// The proposal has ended.
    #[error("the proposal {id} has ended: it was {how}")]
    Over {
        /// Which.
        id: ProposalId,
        /// How it ended.
        how: &'static str,
    },
    /// The event and its text are of two minds.
    #[error("the text of the event is not one to {event}")]
    Kind {
        /// The event's name.
        event: &'static str,
    },
    /// What came of it does not belong to the change.
    #[error("what is said to have come of it does not belong to {change}: {wanted}")]
    Outcome {
        /// The change.
        change: &'static str,
        /// What would belong to it.
        wanted: &'static str,
    },
}

/// A chain whose events do not follow from each other: another program wrote it, or it was changed.
#[derive(Debug, thiserror::Error)]
#[error("the custody chain is damaged at record {seq}: {source}")]
pub struct Damaged {
    /// The record.
    pub seq: u64,
    /// What does not follow.
    pub source: Misfit,
}
