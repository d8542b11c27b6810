//! Checks one record by itself: its form, its place, its detail.

use super::finding::{Flaw, Part};
use super::line::RecordLine;
use crate::ledger::record::{Body, Record};

/// A record that was looked at.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What it says, where it can be read and is of its place.
    pub(super) record: Option<Record>,
    /// What speaks against it.
    pub(super) flaws: Vec<Flaw>,
}

/// Looks at a line of an instance's chain.
pub(super) fn check(instance: &str, line: &RecordLine) -> Checked {
    match &line.record {
        None => Checked { record: None, flaws: without_record(line) },
        Some(bytes) => match Record::from_cbor(&bytes.0) {
            Err(error) => Checked { record: None, flaws: vec![Flaw::Unreadable(error.to_string())] },
            Ok(record) => with_record(instance, line, record),
        },
    }
}

fn without_record(line: &RecordLine) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if line.digest.is_none() {
        flaws.push(Flaw::Unreadable("the line has neither the record nor its digest".to_owned()));
    }
    if line.detail.is_some() {
        flaws.push(Flaw::Changed(Part::Record));
    }
    flaws
}

fn with_record(instance: &str, line: &RecordLine, record: Record) -> Checked {
    if record.instance != instance || record.seq != line.seq {
        return Checked { record: None, flaws: vec![Flaw::Inserted("the record is of another place, or of another chain")] };
    }
    let mut flaws = Vec::new();
    if line.digest.is_some_and(|digest| line.record_digest() != Some(digest)) {
        flaws.push(Flaw::Changed(Part::Digest));
    }
    let holds = match &line.detail {
        Some(detail) => record.has_detail(&detail.0),
        None => leaves_its_detail(&record.body),
    };
    if !holds {
        flaws.push(Flaw::Changed(Part::Detail));
    }
    Checked { record: Some(record), flaws }
}

/// Whether there is a detail that can be forgotten while the record stays.
const fn leaves_its_detail(body: &Body) -> bool {
    matches!(body, Body::Outcome(_))
}
