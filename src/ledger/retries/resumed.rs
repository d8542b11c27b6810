//! What a process kept, for the one that comes after it.

use super::{InvalidKept, ItemKey, Kept};
use crate::domain::NumericDate;
use crate::ledger::LedgerKeys;
use crate::ledger::store::ToKeep;

/// What was kept, as it was written down, decrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// In the order in which it was written.
    pub items: Vec<KeptOf>,
    /// How many items cannot be read: they were written under another ledger key, or are damaged.
    pub unreadable: u64,
}

/// What is kept of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOf {
    /// What the item was claimed by, hashed under the ledger's key.
    pub key: ItemKey,
    /// What is kept.
    pub kept: Kept,
    /// Until when.
    pub due: NumericDate,
}

impl Resumed {
    /// Decrypts what was written.
    #[must_use]
    pub fn open(keys: &LedgerKeys, written: &ToKeep) -> Self {
        let mut resumed = Self::default();
        for item in &written.items {
            match keys.open(&item.key, &item.sealed) {
                Ok(kept) => resumed.items.push(KeptOf { key: item.key, kept, due: item.due }),
                Err(InvalidKept) => resumed.unreadable += 1,
            }
        }
        for group in &written.groups {
            match keys.open_group(&group.sealed) {
                Ok(items) => resumed.items.extend(items.into_iter().map(|(key, kept)| KeptOf { key, kept, due: group.due })),
                Err(InvalidKept) => resumed.unreadable += u64::from(group.count),
            }
        }
        resumed
    }
}
