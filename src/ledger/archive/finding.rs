//! What speaks against an export.

use std::fmt;

use serde::{Serialize, Serializer};

use super::certificate::Distrust;
use crate::domain::NumericDate;

/// One thing that speaks against an export, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In whose chain; absent where it is about the export as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// At which places of the chain, from and to, both of them too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<(u64, u64)>,
    /// In which line of the file, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What it is.
    #[serde(flatten)]
    pub flaw: Flaw,
}

/// A part of a line that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record.
    Record,
    /// Its detail.
    Detail,
    /// The digest that stands for a forgotten record.
    Digest,
    /// Some of what comes before a place that a token vouches for, with links that were made anew.
    Past,
}

/// What can speak against an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A line cannot be read.
    Unreadable(String),
    /// Records are not there.
    Missing,
    /// Something is not what was written.
    Changed(Part),
    /// A record stands elsewhere than it was written.
    Reordered,
    /// Something stands there that was never written there.
    Inserted(&'static str),
    /// The end is not there.
    CutOff(&'static str),
    /// Something is forgotten, and no later record says that it was to be.
    Forgotten,
    /// A record settles an intent that is not there, or was settled before.
    Unmatched {
        /// The intent's place.
        intent: u64,
    },
    /// What a record says contradicts another.
    Contradiction(&'static str),
    /// A signature counts for nothing.
    Untrusted(Distrust),
    /// It is older than what the auditor knows of.
    Older(NumericDate),
    /// It has another link at the place that the auditor pinned.
    NotPinned,
}

impl Flaw {
    /// Its name, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Missing => "missing",
            Self::Changed(_) => "changed",
            Self::Reordered => "reordered",
            Self::Inserted(_) => "inserted",
            Self::CutOff(_) => "cut_off",
            Self::Forgotten => "forgotten",
            Self::Unmatched { .. } => "unmatched",
            Self::Contradiction(_) => "contradiction",
            Self::Untrusted(_) => "untrusted",
            Self::Older(_) => "older",
            Self::NotPinned => "not_pinned",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "unreadable: {reason}"),
            Self::Missing => f.write_str("missing: it is not in the export"),
            Self::Changed(Part::Record) => f.write_str("changed: the record is not the one that was written"),
            Self::Changed(Part::Detail) => f.write_str("changed: the detail is not the one that the record was written with"),
            Self::Changed(Part::Digest) => f.write_str("changed: the digest or the link is not the one that was written"),
            Self::Changed(Part::Past) => f.write_str("changed: somewhere here; what was signed is not what stands here"),
            Self::Reordered => f.write_str("reordered: it stands elsewhere than it was written"),
            Self::Inserted(what) => write!(f, "inserted: {what}"),
            Self::CutOff(what) => write!(f, "cut off: {what}"),
            Self::Forgotten => f.write_str("forgotten: it is left out, and no pruning on record says that it was to be"),
            Self::Unmatched { intent } => write!(f, "unmatched: it settles record {intent}, which is no open intent"),
            Self::Contradiction(what) => write!(f, "contradiction: {what}"),
            Self::Untrusted(why) => write!(f, "untrusted: {why}"),
            Self::Older(at) => write!(f, "older: the export was made at {at}, which is earlier than asked for"),
            Self::NotPinned => f.write_str("not pinned: the link here is not the pinned one"),
        }
    }
}

impl Serialize for Flaw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("finding", self.name())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.chain, self.places) {
            (Some(chain), Some((from, to))) if from == to => write!(f, "{chain}, record {from}")?,
            (Some(chain), Some((from, to))) => write!(f, "{chain}, records {from} to {to}")?,
            (Some(chain), None) => write!(f, "{chain}")?,
            (None, _) => f.write_str("the export")?,
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

/// How many findings are listed; of the others only the number is known.
pub const MOST_LISTED: usize = 1_000;

/// What was found, as far as it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    unlisted: u64,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        if self.listed.len() < MOST_LISTED {
            self.listed.push(finding);
        } else {
            self.unlisted += 1;
        }
    }

    /// The first of them.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.listed.len() as u64 + self.unlisted
    }
}
