//! A stretch of a chain, sorted for questions.

use std::collections::BTreeMap;

use super::pages::{pages, prefix};
use super::{HashKind, Signing};
use crate::domain::NumericDate;
use crate::ledger::record::{Body, Entry, Head, Intent, Link, Place, Record};
use crate::ledger::store::{Row, StoreError};

/// When a segment is full.
#[derive(Clone, Copy, Debug)]
pub struct Enough {
    /// Certificates.
    pub entries: usize,
    /// Groups: of small ones there are fewer certificates in a segment.
    pub groups: usize,
}

impl Default for Enough {
    fn default() -> Self {
        Self { entries: 65_536, groups: 8_192 }
    }
}

/// What is written of a stretch of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The chain's number.
    pub chain: i64,
    /// The last record in it.
    pub through: u64,
    /// The chain's link there, by which an index is known to be this chain's.
    pub link: Link,
    /// By kind of hash.
    pub pages: Vec<(HashKind, Vec<Page>)>,
    /// Its groups.
    pub signings: Vec<Signing>,
}

/// Places sorted by a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The first 8 bytes of the first hash on it.
    pub first: u64,
    /// See `pages`.
    pub places: Vec<u8>,
}

/// A segment while it is read.
#[derive(Debug)]
pub(super) struct Draft {
    chain: i64,
    through: Head,
    /// Intents whose outcome has not come yet.
    intents: BTreeMap<u64, Intent>,
    signings: Vec<Signing>,
    places: [Vec<(u64, Place)>; 3],
}

/// An outcome, with what it says of each certificate.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) signing: Signing,
    pub(super) intent: Intent,
    pub(super) entries: Vec<Entry>,
}

impl Draft {
    pub(super) fn new(chain: i64) -> Self {
        Self { chain, through: Head::EMPTY, intents: BTreeMap::new(), signings: Vec::new(), places: Default::default() }
    }

    /// Reads a row; gives the group that it ends. An outcome whose intent was not read is `missing` it.
    pub(super) fn read(&mut self, row: &Row) -> Result<Option<Group>, Missing> {
        let Some(record) = row.record.as_deref().and_then(|record| Record::from_cbor(record).ok()) else { return Ok(None) };
        match record.body {
            Body::Intent(intent) => {
                self.intents.insert(row.seq, intent);
                Ok(None)
            }
            Body::Doubt { intents } => {
                intents.iter().for_each(|intent| drop(self.intents.remove(intent)));
                Ok(None)
            }
            Body::Outcome(outcome) => {
                let intent = self.intents.remove(&outcome.intent).ok_or(Missing { intent: outcome.intent })?;
                let entries: Vec<Entry> = Entry::all(row.detail.as_deref().unwrap_or_default()).collect();
                if entries.is_empty() {
                    return Ok(None);
                }
                let at = NumericDate::from_seconds(record.at.div_euclid(1_000));
                let signing = Signing::new(self.chain, row.seq, at, &intent, &outcome, &entries);
                Ok(Some(Group { signing, intent, entries }))
            }
            _ => Ok(None),
        }
    }

    /// Gives an intent that was missing.
    pub(super) fn supply(&mut self, seq: u64, intent: Intent) {
        self.intents.insert(seq, intent);
    }

    /// Takes a row that was read into the segment.
    pub(super) fn take(&mut self, row: &Row, group: Option<Group>) {
        let seq = row.seq;
        self.through = Head { seq, link: row.link };
        let Some(Group { signing, entries, .. }) = group else { return };
        for (entry, index) in entries.iter().zip(0..) {
            let place = Place { seq, index };
            for (places, hash) in self.places.iter_mut().zip([entry.uci.as_ref(), entry.item.as_ref(), entry.signature.as_ref()])
            {
                places.push((prefix(hash), place));
            }
        }
        self.signings.push(signing);
    }

    pub(super) fn has(&self, enough: Enough) -> bool {
        self.places[0].len() >= enough.entries || self.signings.len() >= enough.groups
    }

    /// What there is, sorted; the draft goes on behind it, with the intents that are open.
    pub(super) fn finish(&mut self) -> Segment {
        let places = std::mem::take(&mut self.places);
        Segment {
            chain: self.chain,
            through: self.through.seq,
            link: self.through.link,
            pages: HashKind::ALL.into_iter().zip(places.map(pages)).collect(),
            signings: std::mem::take(&mut self.signings),
        }
    }
}

/// An outcome came whose intent was not read: it stands before the segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) intent: u64,
}

impl From<Missing> for StoreError {
    fn from(Missing { intent }: Missing) -> Self {
        Self::Damaged { reason: format!("there is an outcome of record {intent}, which is no intent") }
    }
}
