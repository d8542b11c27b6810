//! Checks what a chain's records say of each other: each intent is settled once, and what is forgotten was to be.

use std::collections::BTreeMap;

use super::finding::{Flaw, Part};
use super::places::Places;
use super::report::{DoubtfulIntent, MOST_DOUBTS_LISTED};
use crate::ledger::record::{Body, Entry, Outcome, Pruning, Record};

/// The intents of a chain, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlements {
    open: BTreeMap<u64, DoubtfulIntent>,
    /// Forgotten records that may have been intents, and were not settled.
    unknown: Places,
    /// What is forgotten, record or detail, and no pruning has said so.
    unpruned: Places,
    in_doubt: Vec<DoubtfulIntent>,
    in_doubt_count: u64,
    certificates: u64,
    revoked: u64,
}

impl Settlements {
    /// A record is forgotten; its digest is there.
    pub(super) fn forgotten_record(&mut self, seq: u64) {
        self.unknown.insert(seq, seq);
        self.unpruned.insert(seq, seq);
    }

    /// A detail is forgotten; its record is there.
    pub(super) fn forgotten_detail(&mut self, seq: u64) {
        self.unpruned.insert(seq, seq);
    }

    /// Takes the next record, and says what speaks against it. What refers to places that were `passed` over is not judged.
    pub(super) fn take(&mut self, record: &Record, detail: Option<&[u8]>, passed: &Places) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        match &record.body {
            Body::Intent(intent) => {
                let (certificates, kid, caller) = (intent.count, intent.kid, intent.caller.clone());
                self.open.insert(record.seq, DoubtfulIntent { seq: record.seq, certificates, kid, caller, at: record.at });
            }
            Body::Outcome(outcome) => {
                self.certificates += u64::from(outcome.signed);
                match self.settle(outcome.intent, End::Outcome, passed) {
                    Ok(intent) => flaws.extend(intent.and_then(|intent| contradiction(&intent, outcome, detail))),
                    Err(flaw) => flaws.push(flaw),
                }
            }
            Body::Doubt { intents } => {
                for intent in intents {
                    match self.settle(*intent, End::Doubt, passed) {
                        Ok(intent) => self.doubt(intent),
                        Err(flaw) => flaws.push(flaw),
                    }
                }
            }
            Body::Pruning(pruning) => flaws.extend(self.prune(record, pruning, passed)),
            Body::Revocation(revocation) => self.revoked += u64::from(revocation.certificates),
            Body::Opened(_) | Body::Seal(_) | Body::Custody(_) => {}
        }
        flaws
    }

    /// What a pruning says was forgotten. Only an intent goes whole, and only one of which an outcome is there.
    fn prune(&mut self, record: &Record, pruning: &Pruning, passed: &Places) -> Option<Flaw> {
        let mut is_other = false;
        for (from, to) in &pruning.ranges {
            let to = (*to).min(record.seq - 1);
            self.unpruned.remove(*from, to);
            is_other |= self.unknown.has_any_of(*from, to);
        }
        if pruning.before > record.at.div_euclid(1_000) {
            return Some(Flaw::Contradiction("it forgets what had not expired when it was written"));
        }
        let flaw = Flaw::Contradiction("a record is forgotten in its ranges that was no intent with an outcome");
        (is_other && passed.is_empty()).then_some(flaw)
    }

    /// Ends an intent; gives it where it was there. One in doubt is never forgotten.
    fn settle(&mut self, intent: u64, end: End, passed: &Places) -> Result<Option<DoubtfulIntent>, Flaw> {
        match self.open.remove(&intent) {
            Some(open) => Ok(Some(open)),
            None if end == End::Doubt && self.unknown.contains(intent) => Ok(None),
            None if self.unknown.take(intent) || passed.contains(intent) => Ok(None),
            None => Err(Flaw::Unmatched { intent }),
        }
    }

    fn doubt(&mut self, intent: Option<DoubtfulIntent>) {
        self.in_doubt_count += 1;
        self.in_doubt.extend(intent.filter(|_| self.in_doubt.len() < MOST_DOUBTS_LISTED));
    }

    /// What is forgotten without a word, as ranges.
    pub(super) fn unpruned(&self) -> impl Iterator<Item = (u64, u64)> {
        self.unpruned.ranges()
    }

    pub(super) const fn certificates(&self) -> u64 {
        self.certificates
    }

    pub(super) const fn revoked(&self) -> u64 {
        self.revoked
    }

    pub(super) fn in_doubt(&self) -> &[DoubtfulIntent] {
        &self.in_doubt
    }

    pub(super) const fn in_doubt_count(&self) -> u64 {
        self.in_doubt_count
    }

    pub(super) fn open(&self) -> u64 {
        self.open.len() as u64
    }
}

/// What ends an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Outcome,
    Doubt,
}

/// Whether an outcome is one of its intent.
fn contradiction(intent: &DoubtfulIntent, outcome: &Outcome, detail: Option<&[u8]>) -> Option<Flaw> {
    if u64::from(outcome.signed) + u64::from(outcome.unsigned) != u64::from(intent.certificates) {
        return Some(Flaw::Contradiction("the outcome is of another number of certificates than its intent"));
    }
    let entries = || detail.into_iter().flat_map(Entry::all);
    if detail.is_some() && entries().count() as u64 != u64::from(outcome.signed) {
        return Some(Flaw::Changed(Part::Detail));
    }
    let are_of_it = entries().all(|entry| u32::from(entry.place) < intent.certificates);
    (!are_of_it).then_some(Flaw::Contradiction("an entry of the outcome is of no digest of its intent"))
}
