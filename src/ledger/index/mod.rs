//! What questions need, built behind the path of a certificate.
//!
//! A segment of a chain (some ten thousand certificates) is sorted by each hash that is asked for and written in pages, once, in
//! order: an index that grew row by row would rewrite a page somewhere for each hash. A question looks into one page a segment,
//! and looks through what is not in a segment yet, so its answer lacks nothing that is on record. What was revoked is indexed by
//! outcome: a revocation names places, of any chain, and stands anywhere behind them.

mod builder;
mod find;
pub(super) mod pages;
mod question;
mod revoked;
mod segment;

#[cfg(test)]
mod tests;

pub use builder::{IndexProgress, IndexTask, Indexer};
pub use find::{Found, Records, Search, Tally};
pub use question::{Question, Signing};
pub use revoked::Revoked;
pub use segment::{Enough, Page, Segment};

use super::store::StoreFuture;

/// A hash that certificates are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-256 of the UVCI.
    Uci = 1,
    /// The keyed hash of the `item_id`.
    Item = 2,
    /// The hash of the signature.
    Signature = 3,
}

impl HashKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Uci, Self::Item, Self::Signature];
}

/// Where an index is kept: beside the chains.
pub trait IndexStore: Send + Sync + std::fmt::Debug {
    /// Up to which place a chain is indexed.
    fn indexed(&self, chain: i64) -> StoreFuture<'_, u64>;

    /// Writes a segment, all or nothing.
    fn add<'s>(&'s self, segment: &'s Segment) -> StoreFuture<'s, ()>;

    /// Of each segment the page in which a hash with these first 8 bytes would be, with the segment's chain.
    fn pages(&self, kind: HashKind, prefix: u64) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>>;

    /// What was revoked of outcomes of an instance's chain, as far as the revocations are indexed.
    fn revoked<'s>(&'s self, instance: &'s str, outcomes: &'s [u64]) -> StoreFuture<'s, Vec<Revoked>>;

    /// Signings that a question may mean, in the order of chain and place, behind `after`, at most `most`.
    fn signings<'s>(&'s self, question: &'s Question, after: (i64, u64), most: usize) -> StoreFuture<'s, Vec<Signing>>;
}
