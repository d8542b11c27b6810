//! One line of an export.

use serde::{Deserialize, Serialize};

use super::trailer::SignedTrailer;
use crate::domain::Octets;
use crate::ledger::record::{Blob, Link, Record};
use crate::ledger::store::Row;

/// The version of the form; a reader refuses another.
pub const VERSION: u8 = 1;

/// The first line: whose chains follow, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub sceau_export: u8,
    /// Whose chains they are.
    pub instances: Vec<String>,
}

/// One record, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    /// Whose chain it is in.
    pub chain: String,
    /// Its place there, from 1 on.
    pub seq: u64,
    /// The link up to and with it, as it was stored: it shows where a chain was changed, and proves nothing by itself.
    pub link: Link,
    /// The record in CBOR; absent where it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Blob>,
    /// Its SHA-256, where the record is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Octets<32>>,
    /// Its detail, empty where it has none; absent where it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Blob>,
}

impl RecordLine {
    /// A row, as it is stored.
    #[must_use]
    pub fn of(instance: &str, row: &Row) -> Self {
        Self {
            chain: instance.to_owned(),
            seq: row.seq,
            link: row.link,
            record: row.record.clone().map(Blob),
            digest: row.record.is_none().then_some(row.digest),
            detail: row.detail.clone().map(Blob),
        }
    }

    /// What the chain's link takes of it: of the record where it is there, else as the line has it; none where it has neither.
    #[must_use]
    pub fn record_digest(&self) -> Option<Octets<32>> {
        self.record.as_ref().map(|record| Record::digest_of(&record.0)).or(self.digest)
    }
}

/// Any line but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A record.
    Record(RecordLine),
    /// The last line.
    Trailer(SignedTrailer),
}

/// A line that is something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no line of an export: {reason}")]
pub struct InvalidLine {
    /// What is wrong; it quotes nothing of the line.
    reason: String,
}

impl Line {
    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidLine`] where it is neither a record nor a trailer.
    pub fn read(text: &[u8]) -> Result<Self, InvalidLine> {
        let is_trailer = text.starts_with(br#"{"trailer""#);
        let read = if is_trailer {
            serde_json::from_slice(text).map(Self::Trailer)
        } else {
            serde_json::from_slice(text).map(Self::Record)
        };
        read.map_err(|error| InvalidLine::at(&error))
    }
}

impl Header {
    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidLine`] where it is something else, or of another version.
    pub fn read(text: &[u8]) -> Result<Self, InvalidLine> {
        let header: Self = serde_json::from_slice(text).map_err(|error| InvalidLine::at(&error))?;
        let version = header.sceau_export;
        if version == VERSION {
            Ok(header)
        } else {
            Err(InvalidLine { reason: format!("it has version {version}; this program reads version {VERSION}") })
        }
    }
}

impl InvalidLine {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    fn at(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a member is missing, unknown or of another kind",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is no JSON",
        };
        Self::new(format!("{what}, at column {}", error.column()))
    }
}
