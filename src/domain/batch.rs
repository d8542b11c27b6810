//! Who asks, for which item, in which lane.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The caller's own reference of an item: 1 to 64 of `[A-Za-z0-9._:-]`.
///
/// It makes a retry safe, and it is often a patient's number: it goes back to the caller and into no log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Box<str>);

impl ItemId {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Takes a reference as the caller wrote it.
    ///
    /// # Errors
    /// [`InvalidItemId`] where it is empty, too long, or holds another character.
    pub fn new(text: &str) -> Result<Self, InvalidItemId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if text.is_empty() || text.len() > Self::MAX_CHARS || !text.bytes().all(allowed) {
            return Err(InvalidItemId);
        }
        Ok(Self(text.into()))
    }

    /// As the caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemId(…)")
    }
}

/// An `item_id` of another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item_id is 1 to 64 characters of A-Z a-z 0-9 . _ : -")]
pub struct InvalidItemId;

/// The issuance backend that a request comes from, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(Box<str>);

impl CallerId {
    /// A caller by its configured name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The configured name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The two priorities of signing work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Somebody waits at a counter: before all bulk work.
    #[default]
    Interactive,
    /// A job of thousands: all that interactive work leaves.
    Bulk,
}

impl Lane {
    /// Both, in the order of their priority.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// Its name in metrics, traces and thread names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_ids_of_the_form_are_taken() {
        for text in ["a", "nc-0001", "A.b_c:d-9", &"x".repeat(64)] {
            assert_eq!(ItemId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn item_ids_of_another_form_are_refused() {
        for text in ["", "é", "a b", "a/b", "a\0", &"x".repeat(65)] {
            assert_eq!(ItemId::new(text), Err(InvalidItemId), "{text:?}");
        }
    }

    #[test]
    fn an_item_id_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", ItemId::new("patient-1").unwrap()).contains("patient"));
    }
}
