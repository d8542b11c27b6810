//! What a database has to do so that records can be forgotten.

use std::collections::BTreeSet;
use std::fmt;

use super::StoreFuture;
use crate::domain::NumericDate;

/// What of a chain is to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Places of intents: record and detail go.
    pub intents: BTreeSet<u64>,
    /// Places of outcomes: the detail goes, and what the index has of it.
    pub outcomes: BTreeSet<u64>,
}

/// What the index knows to have expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredCount {
    /// Groups that were signed together.
    pub groups: u64,
    /// The certificates in them.
    pub certificates: u64,
}

/// Forgets records. A pruning is planned, put on record by the chain's writer, carried out, and finished; what is planned and not
/// finished is gone on with.
pub trait PruningStore: Send + Sync + fmt::Debug {
    /// Puts down, durably, that a pruning is about to be put on record behind a place.
    fn plan(&self, chain: i64, behind: u64) -> StoreFuture<'_, ()>;

    /// Behind which place there may be a pruning that is not carried out; nothing where all are.
    fn planned(&self, chain: i64) -> StoreFuture<'_, Option<u64>>;

    /// Puts down that every pruning of the chain is carried out, and, where there was one, before which instant all had ended that
    /// it was about.
    fn finish(&self, chain: i64, before: Option<NumericDate>) -> StoreFuture<'_, ()>;

    /// The places of outcomes, as far as they are indexed, of which each certificate expired before an instant; the first to expire
    /// in front, at most `most`.
    fn expired(&self, chain: i64, before: NumericDate, most: usize) -> StoreFuture<'_, Vec<u64>>;

    /// How many those are.
    fn count_expired(&self, chain: i64, before: NumericDate) -> StoreFuture<'_, ExpiredCount>;

    /// Forgets, in steps that hold up no commit. Without effect on what is forgotten already.
    fn forget<'s>(&'s self, chain: i64, forgotten: &'s Forgotten) -> StoreFuture<'s, ()>;
}

/// Of segments in a row, each with its last record, those that have outcomes of these. The first of them is the first that ends where
/// the first outcome is, or later.
pub(super) fn having(segments: impl IntoIterator<Item = (i64, u64)>, outcomes: &BTreeSet<u64>) -> Vec<i64> {
    let mut after = 0;
    let mut has_one = |through: u64| {
        let begins = std::mem::replace(&mut after, through);
        outcomes.range(..=through).next_back().is_some_and(|seq| *seq > begins)
    };
    segments.into_iter().filter(|(_, through)| has_one(*through)).map(|(segment, _)| segment).collect()
}
