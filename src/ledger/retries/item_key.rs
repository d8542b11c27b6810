//! What an item is found by.

use std::fmt;

use crate::domain::{CallerId, Digest, ItemId};

/// Stands for a caller and an `item_id`: the first 16 bytes of SHA-256 over both.
///
/// Two items of one key would take a caller 2^64 tries to find, and would merely be refused for each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey([u8; 16]);

impl ItemKey {
    /// The key of a caller's item. The length of the caller's name stands first, so that no two pairs hash alike.
    #[must_use]
    pub fn new(caller: &CallerId, item_id: &ItemId) -> Self {
        let (caller, item_id) = (caller.as_str().as_bytes(), item_id.as_str().as_bytes());
        let hash = Digest::of_parts(&[b"sceau item v1\0", &(caller.len() as u64).to_be_bytes(), caller, item_id]);
        let (head, _) = hash.as_bytes().split_first_chunk::<16>().expect("32 bytes hold 16");
        Self(*head)
    }

    /// One that was hashed elsewhere.
    #[must_use]
    pub(in crate::ledger) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Whoever has a list of item_ids could look a key up in it.
impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(caller: &str, item_id: &str) -> ItemKey {
        ItemKey::new(&CallerId::new(caller), &ItemId::new(item_id).unwrap())
    }

    #[test]
    fn the_same_item_of_a_caller_has_the_same_key_and_every_other_another() {
        assert_eq!(key("clinic", "a"), key("clinic", "a"));
        assert_ne!(key("clinic", "a"), key("clinic", "b"));
        assert_ne!(key("clinic", "a"), key("pharmacy", "a"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", key("clinic", "a")), "ItemKey(…)");
    }
}
