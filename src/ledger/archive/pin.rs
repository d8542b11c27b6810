//! What an auditor knows before an export is opened.

use std::str::FromStr;

use crate::domain::NumericDate;
use crate::ledger::record::Head;

/// A place of a chain and its link, kept from an earlier audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedHead {
    /// Whose chain it is.
    pub instance: String,
    /// The place and its link.
    pub head: Head,
}

/// A text that is no pinned head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head is INSTANCE:SEQ:LINK, as `sceau audit verify` prints it: a name, a number, 64 hexadecimal digits")]
pub struct InvalidPinnedHead;

impl FromStr for PinnedHead {
    type Err = InvalidPinnedHead;

    fn from_str(text: &str) -> Result<Self, InvalidPinnedHead> {
        let mut parts = text.rsplitn(3, ':');
        let mut part = || parts.next().ok_or(InvalidPinnedHead);
        let (link, seq, instance) = (part()?, part()?, part()?);
        let link = link.parse().map_err(|_| InvalidPinnedHead)?;
        let seq = seq.parse().map_err(|_| InvalidPinnedHead)?;
        Ok(Self { instance: instance.to_owned(), head: Head { seq, link } })
    }
}

/// What an export has to reach.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// Heads that have to be in it.
    pub heads: Vec<PinnedHead>,
    /// It must not have been made before.
    pub not_before: Option<NumericDate>,
}
