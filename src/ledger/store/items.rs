//! What a database has to do so that several processes share claims, and what is kept of items.

use std::fmt;
use std::time::Duration;

use super::StoreFuture;
use crate::domain::{NumericDate, Octets};
use crate::ledger::{ItemKey, LedgerKeyId};

/// A claim of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemClaim {
    /// What was claimed, hashed under the ledger's key.
    pub key: ItemKey,
    /// The claim's number, which no other claim of the key has; below 2^63.
    pub claim: u64,
}

/// Who wants items.
#[derive(Clone, Copy, Debug)]
pub struct WantedItems<'a> {
    /// Their keys, each another.
    pub keys: &'a [ItemKey],
    /// The number of the claims; below 2^63.
    pub claim: u64,
    /// The holder of the chain that they will be settled in: when another takes that, they end.
    pub holder: &'a Octets<16>,
    /// When they end by themselves.
    pub lasts: Duration,
    /// What is kept and due is free.
    pub now: NumericDate,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundItem {
    /// It holds.
    Claimed,
    /// Another's holds.
    InWork {
        /// Its number.
        claim: u64,
        /// For so long, at most.
        left: Duration,
    },
    /// The item was signed.
    Kept {
        /// See [`crate::ledger::LedgerKeys::seal`].
        sealed: Vec<u8>,
        /// Until when, in seconds since 1970.
        due: NumericDate,
    },
    /// Another's held, and has just ended.
    Ended,
}

/// Keeps claims and items. Claims are settled by [`super::Append::kept`], with the outcome that they stand in.
pub trait ItemStore: Send + Sync + fmt::Debug {
    /// Claims items; one answer each, in their order.
    fn claim<'s>(&'s self, wanted: WantedItems<'s>) -> StoreFuture<'s, Vec<FoundItem>>;

    /// Those claims that have not ended.
    fn in_work<'s>(&'s self, claims: &'s [ItemClaim]) -> StoreFuture<'s, Vec<ItemClaim>>;

    /// Frees claims; without effect on those that have ended.
    fn release<'s>(&'s self, claims: &'s [ItemClaim]) -> StoreFuture<'s, ()>;

    /// Makes sure that all who share the items hash them under one key; fails where others do so under another.
    fn agree<'s>(&'s self, key: LedgerKeyId, holder: &'s Octets<16>) -> StoreFuture<'s, ()>;
}
