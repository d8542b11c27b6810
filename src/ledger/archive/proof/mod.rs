//! A proof that one certificate is on record: as much of a chain as it takes to come from the certificate's entry to something
//! that a token signed. It shows one certificate, with who asked for it, and nothing of the others.

mod prover;

pub use prover::{Prover, Wanted};

use serde::{Deserialize, Serialize};

use super::certificate::{Distrust, TrustedAuditors};
use super::trailer::SignedTrailer;
use crate::domain::{Digest, HashType, Octets, RevocationHashes, Signature};
use crate::encode::SignedHcert;
use crate::ledger::merkle;
use crate::ledger::record::{Blob, Body, Entry, Head, Intent, Outcome, Place, Record, Seal};

/// The version of the form; a reader refuses another.
pub const VERSION: u8 = 1;

/// A proof that one certificate is on record: one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// [`VERSION`].
    pub sceau_proof: u8,
    /// In whose chain it is.
    pub instance: String,
    /// Where.
    pub place: Place,
    /// From the certificate's entry to the head that was signed.
    pub passage: Passage,
    /// What vouches for that head.
    pub signed: Signed,
}

/// As much of a chain as leads from a certificate's entry to a head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The [`Entry`], in its bytes.
    pub entry: Blob,
    /// From the entry to the root over the outcome's entries.
    pub path: Vec<Octets<32>>,
    /// The end of the chain before the intent.
    pub before: Head,
    /// The intent's record.
    pub intent: Blob,
    /// The digests of the records between intent and outcome.
    pub between: Vec<Octets<32>>,
    /// The outcome's record.
    pub outcome: Blob,
    /// The digests of the records after it, up to the head.
    pub after: Vec<Octets<32>>,
}

/// What vouches for a chain's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// A seal of the chain.
    Seal(Seal),
    /// The trailer of an export, where the chain was not sealed after the certificate.
    End(SignedTrailer),
}

/// What a proof says, once it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// In whose chain it is.
    pub instance: String,
    /// Where.
    pub place: Place,
    /// What is on record of it.
    pub entry: Entry,
    /// Who asked for it, and under which DSC it was signed.
    pub intent: Intent,
    /// What it was signed with.
    pub outcome: Outcome,
    /// When the outcome was written, in milliseconds since 1970.
    pub written_at: i64,
    /// The chain's head that a token signed.
    pub head: Head,
    /// When it did, in milliseconds since 1970.
    pub signed_at: i64,
    /// Whether that was a seal of the chain, and not the trailer of an export.
    pub is_sealed: bool,
    /// The subject of the audit certificate.
    pub signed_by: String,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// A part of it cannot be read.
    #[error("its {0} is of another form, or of a later version")]
    Form(&'static str),
    /// A record is of another chain or place, or says something else.
    #[error("its {0} is a record of another place")]
    Place(&'static str),
    /// The entry is not one of the outcome's.
    #[error("the certificate is not among those of the outcome")]
    Entry,
    /// The records do not lead to the head that was signed.
    #[error("its records do not lead to what was signed")]
    Chain,
    /// What was signed vouches for nothing.
    #[error("what was signed: {0}")]
    Signature(#[from] Distrust),
}

impl Proof {
    /// Checks all of it, and says what it proves.
    ///
    /// # Errors
    /// [`NoProof`] says what does not hold.
    pub fn check(&self, trusted: &TrustedAuditors) -> Result<Proven, NoProof> {
        if self.sceau_proof != VERSION {
            return Err(NoProof::Form("version"));
        }
        let chain = self.passage.walk(&self.instance, self.place)?;
        let signed = self.signed.check(&self.instance, chain.head, trusted)?;
        Ok(Proven {
            instance: self.instance.clone(),
            place: self.place,
            entry: chain.entry,
            intent: chain.intent,
            outcome: chain.outcome,
            written_at: chain.written_at,
            head: chain.head,
            signed_at: signed.at,
            is_sealed: matches!(self.signed, Signed::Seal(_)),
            signed_by: signed.by,
        })
    }

    /// Whether its records lead to what was signed, whoever signed it.
    fn leads_to_its_end(&self) -> bool {
        let walked = self.passage.walk(&self.instance, self.place);
        walked.is_ok_and(|walked| self.signed.head(&self.instance) == Some(walked.head))
    }
}

impl Passage {
    /// Goes from the intent to the head.
    fn walk(&self, instance: &str, place: Place) -> Result<Walked, NoProof> {
        let record = |name, bytes, head| record(instance, name, bytes, head);
        let (Record { body: Body::Intent(intent), .. }, head) = record("intent", &self.intent, self.before)? else {
            return Err(NoProof::Place("intent"));
        };
        let head = self.between.iter().try_fold(head, step).ok_or(NoProof::Chain)?;
        let (Record { body: Body::Outcome(outcome), at: written_at, .. }, head) = record("outcome", &self.outcome, head)? else {
            return Err(NoProof::Place("outcome"));
        };
        if head.seq != place.seq || outcome.intent.checked_sub(1) != Some(self.before.seq) {
            return Err(NoProof::Place("outcome"));
        }
        let entry = Entry::read(&self.entry.0).ok_or(NoProof::Form("entry"))?;
        let root = merkle::root_by_path(&self.entry.0, place.index.into(), outcome.signed as usize, &self.path);
        if root != Some(outcome.root) || u32::from(entry.place) >= intent.count {
            return Err(NoProof::Entry);
        }
        let head = self.after.iter().try_fold(head, step).ok_or(NoProof::Chain)?;
        Ok(Walked { entry, intent, outcome, written_at, head })
    }
}

/// The next record, and the head with it.
fn record(instance: &str, name: &'static str, bytes: &Blob, head: Head) -> Result<(Record, Head), NoProof> {
    let record = Record::from_cbor(&bytes.0).map_err(|_| NoProof::Form(name))?;
    let head = step(head, &Record::digest_of(&bytes.0)).ok_or(NoProof::Chain)?;
    if record.instance == instance && record.seq == head.seq { Ok((record, head)) } else { Err(NoProof::Place(name)) }
}

/// None past the last place that a number can name.
fn step(head: Head, digest: &Octets<32>) -> Option<Head> {
    (head.seq < u64::MAX).then(|| head.next(digest))
}

struct Walked {
    entry: Entry,
    intent: Intent,
    outcome: Outcome,
    written_at: i64,
    head: Head,
}

struct SignedHead {
    at: i64,
    by: String,
}

impl Signed {
    /// The head of an instance's chain that it is about.
    fn head(&self, instance: &str) -> Option<Head> {
        match self {
            Self::Seal(seal) => Some(Head { seq: seal.head, link: seal.link }),
            Self::End(trailer) => trailer.read()?.chain(instance).map(super::trailer::ChainEnd::head),
        }
    }

    fn check(&self, instance: &str, head: Head, trusted: &TrustedAuditors) -> Result<SignedHead, NoProof> {
        if self.head(instance) != Some(head) {
            return Err(NoProof::Chain);
        }
        match self {
            Self::Seal(seal) => {
                let digest = head.sealed_digest(instance, seal.at);
                let by = trusted.check(&seal.certificate, &digest, &seal.signature.0, seal.at)?;
                Ok(SignedHead { at: seal.at, by: by.subject().to_owned() })
            }
            Self::End(signed) => {
                let trailer = signed.read().ok_or(NoProof::Form("trailer"))?;
                let by = signed.check(trusted, trailer.at)?;
                Ok(SignedHead { at: trailer.at, by: by.subject().to_owned() })
            }
        }
    }
}

impl Proven {
    /// Whether it is about the certificate with this UVCI.
    #[must_use]
    pub fn is_of_uvci(&self, uvci: &str) -> bool {
        uci_of(uvci) == self.entry.uci
    }

    /// Whether it is about this very certificate: its signature, DSC, UVCI, type and times.
    #[must_use]
    pub fn is_of(&self, hcert: &SignedHcert) -> bool {
        let (entry, intent) = (&self.entry, &self.intent);
        signature_of(hcert) == entry.signature
            && hcert.uvci().is_some_and(|uvci| self.is_of_uvci(uvci))
            && intent.kid.0 == *hcert.kid().as_bytes()
            && hcert.certificate_type() == Some(entry.kind)
            && hcert.issuer() == Some(&intent.issuer)
            && (hcert.issued_at().seconds(), hcert.expires_at()) == (intent.issued_at, entry.expires_at)
    }
}

/// What an entry has of a UVCI.
fn uci_of(uvci: &str) -> Octets<32> {
    Digest::of(uvci.as_bytes()).into()
}

/// What an entry has of a certificate's signature.
fn signature_of(hcert: &SignedHcert) -> Octets<16> {
    let signature = Signature::new(hcert.signature().to_vec());
    Octets(RevocationHashes::of(hcert.algorithm(), &signature, "", "").of_type(HashType::Signature))
}
