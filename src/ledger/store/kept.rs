//! What is kept of items, as it is written down: encrypted.

use crate::domain::NumericDate;
use crate::ledger::ItemKey;

/// What is kept of the items of an outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToKeep {
    /// One by one, where claims are shared: each is for whoever claims it next. Files of earlier versions have them, too.
    pub items: Vec<KeptItem>,
    /// Together, where the process that signed keeps them in memory: it reads them again when it starts.
    pub groups: Vec<KeptGroup>,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptItem {
    /// What the item was claimed by, hashed under the ledger's key.
    pub key: ItemKey,
    /// The number of the claim.
    pub claim: u64,
    /// See [`crate::ledger::LedgerKeys::seal`].
    pub sealed: Vec<u8>,
    /// Until when, in seconds since 1970.
    pub due: NumericDate,
}

/// Items that were signed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptGroup {
    /// How many.
    pub count: u32,
    /// See [`crate::ledger::LedgerKeys::seal_group`].
    pub sealed: Vec<u8>,
    /// Until when, in seconds since 1970.
    pub due: NumericDate,
}

impl ToKeep {
    /// Nothing is kept.
    pub const NOTHING: Self = Self { items: Vec::new(), groups: Vec::new() };

    /// What is kept of others, too.
    pub(in crate::ledger) fn extend(&mut self, others: Self) {
        self.items.extend(others.items);
        self.groups.extend(others.groups);
    }
}
