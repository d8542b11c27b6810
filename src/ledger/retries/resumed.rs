//! What a process kept, for the one that comes after it.

use super::{InvalidKept, ItemKey, Kept};
use crate::domain::NumericDate;
use crate::ledger::LedgerKeys;
use crate::ledger::store::ToKeep;

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

/// Decrypts what was written, in its order, a group at a time: all of it may be much. Gives how many items cannot be read: they
/// were written under another ledger key, or are damaged.
pub fn open_kept(keys: &LedgerKeys, written: ToKeep, mut each: impl FnMut(KeptOf)) -> u64 {
    let mut unreadable = 0;
    for item in written.items {
        match keys.open(&item.key, &item.sealed) {
            Ok(kept) => each(KeptOf { key: item.key, kept, due: item.due }),
            Err(InvalidKept) => unreadable += 1,
        }
    }
    for group in written.groups {
        match keys.open_group(&group) {
            Ok(items) => items.into_iter().for_each(|(key, kept)| each(KeptOf { key, kept, due: group.due })),
            Err(InvalidKept) => unreadable += u64::from(group.count),
        }
    }
    unreadable
}
