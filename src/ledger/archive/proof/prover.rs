//! Finds certificates in an export, and makes their proofs, in one passage.

use std::collections::{BTreeMap, VecDeque};

use super::{Passage, Proof, Signed, VERSION, signature_of, uci_of};
use crate::domain::Octets;
use crate::encode::SignedHcert;
use crate::ledger::archive::line::{Line, RecordLine};
use crate::ledger::merkle;
use crate::ledger::record::{Blob, Body, Entry, Head, Outcome, Place, Record, Seal};

/// Which certificate is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those of a UVCI: more than one where a certificate was signed again.
    Uvci(Octets<32>),
    /// The one with a signature.
    Signature(Octets<16>),
    /// The one at a place, in an instance's chain or in any.
    Place(Option<String>, Place),
}

impl Wanted {
    /// Those with a UVCI.
    #[must_use]
    pub fn uvci(uvci: &str) -> Self {
        Self::Uvci(uci_of(uvci))
    }

    /// This very certificate.
    #[must_use]
    pub fn certificate(hcert: &SignedHcert) -> Self {
        Self::Signature(signature_of(hcert))
    }

    fn is_met_by(&self, instance: &str, place: Place, entry: &Entry) -> bool {
        match self {
            Self::Uvci(uci) => entry.uci == *uci,
            Self::Signature(signature) => entry.signature == *signature,
            Self::Place(of, wanted) => place == *wanted && of.as_deref().is_none_or(|of| of == instance),
        }
    }
}

/// Makes proofs from an export that is read once. It holds the digests of the records since the oldest open intent, and those
/// since a certificate that was found, up to the next seal.
#[derive(Debug)]
pub struct Prover {
    wanted: Wanted,
    instance: String,
    /// The records since the oldest open intent, with one before them.
    recent: VecDeque<Recent>,
    /// The records of open intents.
    open: BTreeMap<u64, Vec<u8>>,
    /// Certificates whose seal is still to come.
    unsealed: Vec<Unsealed>,
    proofs: Vec<Proof>,
    broken: u64,
}

#[derive(Debug)]
struct Recent {
    head: Head,
    digest: Octets<32>,
}

#[derive(Debug)]
struct Unsealed {
    instance: String,
    place: Place,
    passage: Passage,
}

impl Prover {
    /// One that looks for a certificate.
    #[must_use]
    pub const fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            instance: String::new(),
            recent: VecDeque::new(),
            open: BTreeMap::new(),
            unsealed: Vec::new(),
            proofs: Vec::new(),
            broken: 0,
        }
    }

    /// Takes the next line.
    pub fn push(&mut self, line: Line) {
        match line {
            Line::Record(line) => self.take(line),
            Line::Trailer(trailer) => {
                for unsealed in std::mem::take(&mut self.unsealed) {
                    self.finish(unsealed, Signed::End(trailer.clone()));
                }
            }
        }
    }

    /// The proofs, and of how many certificates that were found the records do not hold together.
    #[must_use]
    pub fn end(self) -> (Vec<Proof>, u64) {
        (self.proofs, self.broken + self.unsealed.len() as u64)
    }

    fn take(&mut self, line: RecordLine) {
        if line.chain != self.instance {
            self.instance = line.chain.clone();
            self.recent = VecDeque::from([Recent { head: Head::EMPTY, digest: Octets([0; 32]) }]);
            self.open = BTreeMap::new();
        }
        let Some(digest) = line.record_digest() else { return };
        let of_it = self.unsealed.iter_mut().filter(|unsealed| unsealed.instance == self.instance);
        of_it.for_each(|unsealed| unsealed.passage.after.push(digest));
        self.recent.push_back(Recent { head: Head { seq: line.seq, link: line.link }, digest });
        let Some(bytes) = line.record else { return self.forget() };
        match Record::from_cbor(&bytes.0).map(|record| record.body) {
            Ok(Body::Intent(_)) => {
                self.open.insert(line.seq, bytes.0);
            }
            Ok(Body::Outcome(outcome)) => {
                let detail = line.detail.map(|detail| detail.0).unwrap_or_default();
                self.look_into(line.seq, &outcome, bytes, &detail);
                self.open.remove(&outcome.intent);
            }
            Ok(Body::Doubt { intents }) => intents.iter().for_each(|intent| {
                self.open.remove(intent);
            }),
            Ok(Body::Seal(seal)) => self.seal(&seal),
            Ok(Body::Opened(_) | Body::Revocation(_) | Body::Pruning(_) | Body::Custody(_)) | Err(_) => {}
        }
        self.forget();
    }

    /// What comes before the oldest open intent, and the record before it, is needed no more.
    fn forget(&mut self) {
        let needed = self.open.keys().next().map(|seq| seq.saturating_sub(1));
        let is_needed = |seq: u64| needed.is_some_and(|needed| seq >= needed);
        while self.recent.len() > 1 && !self.recent.front().is_some_and(|recent| is_needed(recent.head.seq)) {
            self.recent.pop_front();
        }
    }

    fn look_into(&mut self, seq: u64, outcome: &Outcome, record: Blob, detail: &[u8]) {
        for (index, entry) in (0u16..=u16::MAX).zip(detail.chunks(Entry::BYTES)) {
            let place = Place { seq, index };
            if !Entry::read(entry).is_some_and(|entry| self.wanted.is_met_by(&self.instance, place, &entry)) {
                continue;
            }
            match self.passage(place, outcome, record.clone(), detail) {
                Some(passage) => self.unsealed.push(Unsealed { instance: self.instance.clone(), place, passage }),
                None => self.broken += 1,
            }
        }
    }

    /// The passage up to the outcome; what comes after it is still to come.
    fn passage(&self, place: Place, outcome: &Outcome, record: Blob, detail: &[u8]) -> Option<Passage> {
        let intent = self.open.get(&outcome.intent)?;
        let before = self.recent.iter().find(|recent| Some(recent.head.seq) == outcome.intent.checked_sub(1))?;
        let is_between = |recent: &&Recent| (outcome.intent + 1..place.seq).contains(&recent.head.seq);
        let index = usize::from(place.index);
        Some(Passage {
            entry: Blob(detail.chunks(Entry::BYTES).nth(index)?.to_vec()),
            path: merkle::path(detail.chunks(Entry::BYTES), index)?,
            before: before.head,
            intent: Blob(intent.clone()),
            between: self.recent.iter().filter(is_between).map(|recent| recent.digest).collect(),
            outcome: record,
            after: Vec::new(),
        })
    }

    /// A seal vouches for what it is of, and for nothing after that.
    fn seal(&mut self, seal: &Seal) {
        let (sealed, unsealed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unsealed)
            .into_iter()
            .partition(|unsealed| unsealed.instance == self.instance && unsealed.place.seq <= seal.head);
        self.unsealed = unsealed;
        for mut sealed in sealed {
            let count = usize::try_from(seal.head - sealed.place.seq).unwrap_or(usize::MAX);
            sealed.passage.after.truncate(count);
            self.finish(sealed, Signed::Seal(seal.clone()));
        }
    }

    fn finish(&mut self, unsealed: Unsealed, signed: Signed) {
        let Unsealed { instance, place, passage } = unsealed;
        let proof = Proof { sceau_proof: VERSION, instance, place, passage, signed };
        if proof.leads_to_its_end() {
            self.proofs.push(proof);
        } else {
            self.broken += 1;
        }
    }
}
