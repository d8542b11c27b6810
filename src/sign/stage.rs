//! The stages of a batch's way, as they are seen from outside: how long each takes, in metrics and in traces.

use std::time::Instant;

use metrics::histogram;
use tracing::Span;

use crate::domain::Lane;

/// The histogram of [`Stage`] times: labels `stage` and `lane`, in seconds, one observation a slice (a batch for `queue`).
pub const STAGE_SECONDS: &str = "sceau_stage_seconds";

/// What spans of stages are filtered by: only traces want them.
pub const TRACE_TARGET: &str = "sceau::stage";

/// A step on the way of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A batch waits for its place in its lane.
    Queue,
    /// A slice is validated and encoded up to its digests; the wait for a thread counts.
    Prepare,
    /// A token signs what of a slice is bound to one DSC.
    Token,
    /// Signatures are checked and certificates put together; the wait for a thread counts.
    Finish,
    /// The ledger says of a slice what it knows of its items, or keeps what was signed.
    Ledger,
}

impl Stage {
    /// Every stage, in the order of the way.
    pub const ALL: &'static [Self] = &[Self::Queue, Self::Prepare, Self::Token, Self::Finish, Self::Ledger];

    /// Its name in labels and spans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Prepare => "prepare",
            Self::Token => "token",
            Self::Finish => "finish",
            Self::Ledger => "ledger",
        }
    }

    /// Begins it, for so many items; it ends where the value is dropped, also where it is given up.
    #[must_use]
    pub fn begin(self, lane: Lane, items: usize) -> Running {
        let span = tracing::trace_span!(target: TRACE_TARGET, "stage", otel.name = self.name(), lane = lane.name(), items);
        Running { stage: self, lane, since: Instant::now(), _span: span }
    }
}

/// A stage that goes on. It costs a fraction of a microsecond, so it is for slices and batches, not for items.
#[derive(Debug)]
pub struct Running {
    stage: Stage,
    lane: Lane,
    since: Instant,
    /// Closed with this value.
    _span: Span,
}

impl Drop for Running {
    fn drop(&mut self) {
        histogram!(STAGE_SECONDS, "stage" => self.stage.name(), "lane" => self.lane.name()).record(self.since.elapsed());
    }
}
