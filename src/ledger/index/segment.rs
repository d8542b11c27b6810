//! A stretch of a chain, sorted for questions.

use std::collections::BTreeMap;

use super::pages::{Spot, pages};
use super::{HashKind, Revoked, Signing};
use crate::domain::NumericDate;
use crate::ledger::record::{Body, Entry, Head, Intent, Link, Place, Record};
use crate::ledger::store::{Row, StoreError};

/// When a segment is full.
#[derive(Clone, Copy, Debug)]
pub struct Enough {
    /// Certificates, signed or revoked.
    pub entries: usize,
    /// Groups: of small ones there are fewer certificates in a segment. Or outcomes of which something is revoked.
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
    /// What its revocations name, wherever that is.
    pub revoked: Vec<Revoked>,
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
    revoked: Vec<Revoked>,
    /// Certificates in them.
    revoked_entries: usize,
    /// By kind of hash.
    spots: [Vec<Spot>; 3],
}

/// What a row says that a question is about.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly all are the large one")]
pub(super) enum Told {
    Signed(Group),
    Revoked(Vec<Revoked>),
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
        let (intents, spots) = (BTreeMap::new(), Default::default());
        Self { chain, through: Head::EMPTY, intents, signings: Vec::new(), revoked: Vec::new(), revoked_entries: 0, spots }
    }

    /// Reads a row; gives the group that it ends, or what it revokes. An outcome whose intent was not read is `missing` it.
    pub(super) fn read(&mut self, row: &Row) -> Result<Option<Told>, Missing> {
        let Some(record) = row.record.as_deref().and_then(|record| Record::from_cbor(record).ok()) else { return Ok(None) };
        let at = NumericDate::from_seconds(record.at.div_euclid(1_000));
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
                let signing = Signing::new(self.chain, row.seq, at, &intent, &outcome, &entries);
                Ok(Some(Told::Signed(Group { signing, intent, entries })))
            }
            Body::Revocation(revocation) => {
                let places = row.detail.as_deref().unwrap_or_default();
                Ok(Some(Told::Revoked(Revoked::all(&revocation, places, row.seq, at))))
            }
            _ => Ok(None),
        }
    }

    /// Gives an intent that was missing.
    pub(super) fn supply(&mut self, seq: u64, intent: Intent) {
        self.intents.insert(seq, intent);
    }

    /// Takes a row that was read into the segment.
    pub(super) fn take(&mut self, row: &Row, told: Option<Told>) {
        let seq = row.seq;
        self.through = Head { seq, link: row.link };
        let Group { signing, entries, .. } = match told {
            Some(Told::Signed(group)) => group,
            Some(Told::Revoked(revoked)) => {
                self.revoked_entries += revoked.iter().map(|of_outcome| of_outcome.indexes.len()).sum::<usize>();
                return self.revoked.extend(revoked);
            }
            None => return,
        };
        for (entry, index) in entries.iter().zip(0..) {
            let place = Place { seq, index };
            for (spots, hash) in self.spots.iter_mut().zip([entry.uci.as_ref(), entry.item.as_ref(), entry.signature.as_ref()]) {
                spots.push(Spot::new(hash, place));
            }
        }
        self.signings.push(signing);
    }

    pub(super) fn has(&self, enough: Enough) -> bool {
        let (entries, groups) = (self.spots[0].len(), self.signings.len());
        entries.max(self.revoked_entries) >= enough.entries || groups.max(self.revoked.len()) >= enough.groups
    }

    /// What there is, sorted; the draft goes on behind it, with the intents that are open.
    pub(super) fn finish(&mut self) -> Segment {
        self.revoked_entries = 0;
        Segment {
            chain: self.chain,
            through: self.through.seq,
            link: self.through.link,
            pages: HashKind::ALL.into_iter().zip(self.spots.each_mut().map(pages)).collect(),
            signings: std::mem::take(&mut self.signings),
            revoked: std::mem::take(&mut self.revoked),
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
