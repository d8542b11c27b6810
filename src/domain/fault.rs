//! What is wrong with an item, where, and what would be right.

use std::fmt;

use super::Rule;

/// One fault of an item.
///
/// The message is for the caller, who holds the payload anyway. It quotes codes, never names, dates of birth or
/// certificate identifiers, and no fault is written to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: `v[0].mp`, `nam.fnt`, `item_id`; `$` is the whole payload.
    pub path: String,
    /// Which rule.
    pub rule: Rule,
    /// What was wrong and what would be right; lower case, no full stop.
    pub message: String,
}

impl Fault {
    /// A fault at a path.
    #[must_use]
    pub fn new(path: impl Into<String>, rule: Rule, message: impl Into<String>) -> Self {
        Self { path: path.into(), rule, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.path, self.rule, self.message)
    }
}

/// All faults of one item; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Some, or nothing where the list is empty.
    #[must_use]
    pub fn from_list(list: Vec<Fault>) -> Option<Self> {
        (!list.is_empty()).then_some(Self(list))
    }

    /// These, and others behind them.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The faults, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.0)
    }
}

/// Writes all that is wrong, in one line.
pub(crate) fn write_all(f: &mut fmt::Formatter<'_>, faults: &[impl fmt::Display]) -> fmt::Result {
    for (index, fault) in faults.iter().enumerate() {
        if index > 0 {
            f.write_str("; ")?;
        }
        write!(f, "{fault}")?;
    }
    Ok(())
}

impl std::error::Error for Faults {}
