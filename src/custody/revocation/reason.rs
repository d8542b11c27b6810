//! Why an officer revokes.

use std::fmt;
use std::str::FromStr;

/// The most characters.
const LONGEST: usize = 500;

/// Why certificates are revoked, in the officer's words: a line of 1 to 500 characters. It stands in the ledger in clear, so it
/// names no certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(String);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// It is empty, or too long.
    #[error("a reason is 1 to {LONGEST} characters")]
    Length,
    /// It has a line break, or the like.
    #[error("a reason is one line of plain text")]
    Control,
    /// It names a certificate.
    #[error("a reason stands on record in clear: say why, and no UVCI, certificate text or item_id")]
    Identifier,
}

impl Reason {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, where it does not name the item that was asked for either.
    ///
    /// # Errors
    /// [`InvalidReason::Identifier`]. A short `item_id` is a part of any text, and is passed over.
    pub fn without(self, item_id: Option<&str>) -> Result<Self, InvalidReason> {
        let names = |item_id: &str| item_id.len() >= 6 && self.0.contains(item_id);
        if item_id.is_some_and(names) { Err(InvalidReason::Identifier) } else { Ok(self) }
    }
}

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if !(1..=LONGEST).contains(&text.chars().count()) {
            return Err(InvalidReason::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidReason::Control);
        }
        let capitals = text.to_ascii_uppercase();
        if capitals.contains("UVCI:") || capitals.contains("HC1:") {
            return Err(InvalidReason::Identifier);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Nothing of it: an officer may have written a name all the same.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reason(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_a_few_words() {
        assert_eq!(" keys of a caller were stolen ".parse::<Reason>().unwrap().as_str(), "keys of a caller were stolen");
        for text in ["", " ", &"x".repeat(501)] {
            assert_eq!(text.parse::<Reason>(), Err(InvalidReason::Length));
        }
        assert!("é".repeat(500).parse::<Reason>().is_ok());
        assert_eq!("one\ntwo".parse::<Reason>(), Err(InvalidReason::Control));
    }

    #[test]
    fn a_reason_names_no_certificate() {
        for text in ["lost: urn:uvci:01:FR:X#1", "was HC1:NCF"] {
            assert_eq!(text.parse::<Reason>(), Err(InvalidReason::Identifier));
        }
        let reason: Reason = "fraud on visit-4711".parse().unwrap();
        assert_eq!(reason.clone().without(Some("visit-4711")), Err(InvalidReason::Identifier));
        assert!(reason.clone().without(Some("visit-1")).is_ok() && reason.without(Some("v")).is_ok());
    }
}
