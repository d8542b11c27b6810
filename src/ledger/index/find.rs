//! Answers.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::builder::{ROWS_AT_ONCE, read_row};
use super::pages::{places, prefix};
use super::revoked::{Revocations, Revoked};
use super::segment::{Draft, Group, Told};
use super::{IndexStore, Question, Signing};
use crate::domain::{CertificateType, NumericDate};
use crate::ledger::record::{Entry, Intent, Place};
use crate::ledger::store::{ChainState, Store, StoreError};

/// The records of all chains of a store, to ask.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    index: Arc<dyn IndexStore>,
}

/// A certificate on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whose chain it is in.
    pub instance: String,
    /// The index of its entry among those of the outcome.
    pub index: u16,
    /// Its group.
    #[serde(flatten)]
    pub signing: Signing,
    /// The intent of the group.
    pub group: Intent,
    /// What stands on record of it.
    pub entry: Entry,
    /// When a revocation that names it was put on record, the first one; nothing where there is none.
    pub revoked_at: Option<NumericDate>,
}

impl Found {
    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { seq: self.signing.seq, index: self.index }
    }
}

/// How many certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Of each type, in the order of [`CertificateType::ALL`].
    pub counts: [u64; 3],
    /// Signed together in so many groups.
    pub groups: u64,
    /// When the first of the groups was put on record.
    pub first_at: Option<NumericDate>,
    /// When the last was.
    pub last_at: Option<NumericDate>,
    /// When the last certificate of them expires.
    pub expires_at: Option<NumericDate>,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn certificates(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn add(&mut self, question: &Question, signing: &Signing) {
        self.groups += 1;
        self.note(signing);
        for (kind, count) in CertificateType::ALL.into_iter().zip(&mut self.counts) {
            if question.kind.is_none_or(|wanted| wanted == kind) {
                *count += u64::from(signing.count(kind));
            }
        }
    }

    fn note(&mut self, signing: &Signing) {
        self.first_at = Some(self.first_at.map_or(signing.at, |first| first.min(signing.at)));
        self.last_at = self.last_at.max(Some(signing.at));
        self.expires_at = self.expires_at.max(Some(signing.expires_at));
    }

    fn add_one(&mut self, kind: CertificateType) {
        for (known, count) in CertificateType::ALL.into_iter().zip(&mut self.counts) {
            *count += u64::from(known == kind);
        }
    }
}

/// A chain, and up to where it is indexed.
#[derive(Clone, Debug)]
struct Indexed {
    chain: i64,
    instance: String,
    indexed: u64,
}

/// Signings that are asked of the index at once.
const SIGNINGS_AT_ONCE: usize = 1_000;

/// Outcomes of which it is asked at once what was revoked of them.
const OUTCOMES_AT_ONCE: usize = 64;

impl Records {
    /// The records of a store.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>, index: Arc<dyn IndexStore>) -> Self {
        Self { store, index }
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Every chain, and up to where it is indexed.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn chains(&self) -> Result<Vec<(ChainState, u64)>, StoreError> {
        let mut chains = Vec::new();
        for state in self.store.chains().await? {
            let indexed = self.index.indexed(state.chain).await?;
            chains.push((state, indexed));
        }
        Ok(chains)
    }

    /// Looks for every certificate that a question means: first by the index, then through what is not indexed yet. That is also
    /// read before: what is indexed may be revoked there.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn search(&self, question: Question) -> Result<Search, StoreError> {
        let chains = self.indexed().await?;
        let (pending, after) = match question.is_pointed() {
            true => (self.pointed(&question, &chains).await?, None),
            false => (VecDeque::new(), Some((0, 0))),
        };
        let (records, known) = (self.clone(), Revocations::default());
        let mut search = Search {
            records,
            question,
            chains,
            pending,
            after,
            known,
            looked_up: VecDeque::new(),
            unindexed: Revocations::default(),
            read: VecDeque::new(),
            tails: VecDeque::new(),
        };
        search.read_tails().await?;
        Ok(search)
    }

    /// Counts the certificates that a question means.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn count(&self, question: &Question) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        if question.is_pointed() {
            let mut search = self.search(question.clone()).await?;
            while let Some(found) = search.next().await? {
                tally.groups += found.iter().map(|one| (&one.instance, one.signing.seq)).collect::<BTreeSet<_>>().len() as u64;
                found.iter().for_each(|one| tally.add_one(one.entry.kind));
                found.iter().for_each(|one| tally.note(&one.signing));
            }
            return Ok(tally);
        }
        let chains = self.indexed().await?;
        let mut after = (0, 0);
        loop {
            let signings = self.index.signings(question, after, SIGNINGS_AT_ONCE).await?;
            let Some(last) = signings.last() else { break };
            after = (last.chain, last.seq);
            let indexed = signings.iter().filter(|signing| is_indexed(&chains, signing.chain, signing.seq));
            indexed.for_each(|signing| tally.add(question, signing));
        }
        for mut tail in chains.iter().map(Tail::of) {
            while let Some((groups, _)) = tail.next(&*self.store).await? {
                let meant = groups.iter().filter(|group| question.admits(&group.signing));
                meant.for_each(|group| tally.add(question, &group.signing));
            }
        }
        Ok(tally)
    }

    /// What is indexed at this moment: a segment that is written meanwhile is looked through.
    async fn indexed(&self) -> Result<Vec<Indexed>, StoreError> {
        let indexed = |(state, indexed): (ChainState, u64)| Indexed { chain: state.chain, instance: state.instance, indexed };
        Ok(self.chains().await?.into_iter().map(indexed).collect())
    }

    /// Outcomes that may hold what hashes point to.
    async fn pointed(&self, question: &Question, chains: &[Indexed]) -> Result<VecDeque<(i64, u64)>, StoreError> {
        let mut found = BTreeSet::new();
        for (kind, hash) in question.hashes() {
            let prefix = prefix(hash);
            for (chain, page) in self.index.pages(kind, prefix).await? {
                found.extend(places(&page, prefix).map(|place| (chain, place.seq)));
            }
        }
        Ok(found.into_iter().filter(|(chain, seq)| is_indexed(chains, *chain, *seq)).collect())
    }

    /// One outcome with its intent.
    async fn group(&self, chain: i64, seq: u64) -> Result<Option<Group>, StoreError> {
        let Some(row) = self.store.rows(chain, seq, 1).await?.into_iter().find(|row| row.seq == seq) else { return Ok(None) };
        match read_row(&*self.store, &mut Draft::new(chain), chain, &row).await? {
            Some(Told::Signed(group)) => Ok(Some(group)),
            Some(Told::Revoked(_)) | None => Ok(None),
        }
    }

    /// What the index knows to be revoked of outcomes, each with its chain's instance.
    async fn revoked(&self, outcomes: &[(&str, u64)]) -> Result<Revocations, StoreError> {
        let mut revocations = Revocations::default();
        for of_chain in outcomes.chunk_by(|one, next| one.0 == next.0) {
            let seqs: Vec<u64> = of_chain.iter().map(|(_, seq)| *seq).collect();
            let Some((instance, _)) = of_chain.first() else { continue };
            revocations.extend(self.index.revoked(instance, &seqs).await?);
        }
        Ok(revocations)
    }
}

fn is_indexed(chains: &[Indexed], chain: i64, seq: u64) -> bool {
    chains.iter().any(|known| known.chain == chain && seq <= known.indexed)
}

/// A search that goes on as far as its answers are asked for.
#[derive(Debug)]
pub struct Search {
    records: Records,
    question: Question,
    chains: Vec<Indexed>,
    /// Outcomes that the index gave.
    pending: VecDeque<(i64, u64)>,
    /// Those of which it is `known` what was revoked.
    looked_up: VecDeque<(i64, u64)>,
    /// By the index, of those and no others.
    known: Revocations,
    /// Of all, behind the index.
    unindexed: Revocations,
    /// Where the index is asked next; nothing when it has given all.
    after: Option<(i64, u64)>,
    /// Groups of tails that were read already.
    read: VecDeque<Group>,
    tails: VecDeque<Tail>,
}

impl Search {
    /// The next certificates that are meant, at least one; nothing after the last.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<Found>>, StoreError> {
        loop {
            let groups: Vec<Group> = if let Some((chain, seq)) = self.looked_up.pop_front() {
                self.records.group(chain, seq).await?.into_iter().collect()
            } else if !self.pending.is_empty() {
                self.look_up().await?;
                continue;
            } else if let Some(after) = self.after.take() {
                self.ask_index(after).await?;
                continue;
            } else if let Some(groups) = self.next_unindexed().await? {
                groups
            } else {
                return Ok(None);
            };
            let found: Vec<Found> = groups.into_iter().flat_map(|group| self.meant(&group)).collect();
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
    }

    /// Asks what was revoked of the next outcomes.
    async fn look_up(&mut self) -> Result<(), StoreError> {
        let some = self.pending.len().min(OUTCOMES_AT_ONCE);
        self.looked_up = self.pending.drain(..some).collect();
        let outcomes: Vec<_> = self.looked_up.iter().map(|(chain, seq)| (self.instance(*chain), *seq)).collect();
        self.known = self.records.revoked(&outcomes).await?;
        Ok(())
    }

    /// The next groups behind the index, those that may be meant; nothing behind the last.
    async fn next_unindexed(&mut self) -> Result<Option<Vec<Group>>, StoreError> {
        let mut groups: Vec<Group> = self.read.drain(..).collect();
        while groups.is_empty()
            && let Some(tail) = self.tails.front_mut()
        {
            match tail.next(&*self.records.store).await? {
                Some((some, _)) => groups.extend(some.into_iter().filter(|group| has_meant(&self.question, group))),
                None => drop(self.tails.pop_front()),
            }
        }
        let outcomes: Vec<_> = groups.iter().map(|group| (self.instance(group.signing.chain), group.signing.seq)).collect();
        self.known = self.records.revoked(&outcomes).await?;
        Ok(if groups.is_empty() { None } else { Some(groups) })
    }

    /// Reads what is not indexed: what is revoked there, and, where single certificates are asked for, what is meant, which is little.
    /// Otherwise it is read once more when its turn has come.
    async fn read_tails(&mut self) -> Result<(), StoreError> {
        for mut tail in self.chains.iter().map(Tail::of) {
            while let Some((groups, revoked)) = tail.next(&*self.records.store).await? {
                self.unindexed.extend(revoked);
                if self.question.is_pointed() {
                    self.read.extend(groups.into_iter().filter(|group| has_meant(&self.question, group)));
                }
            }
        }
        if !self.question.is_pointed() {
            self.tails = self.chains.iter().map(Tail::of).collect();
        }
        Ok(())
    }

    async fn ask_index(&mut self, after: (i64, u64)) -> Result<(), StoreError> {
        let signings = self.records.index.signings(&self.question, after, SIGNINGS_AT_ONCE).await?;
        self.after = signings.last().map(|last| (last.chain, last.seq));
        let places = signings.iter().map(|signing| (signing.chain, signing.seq));
        self.pending.extend(places.filter(|(chain, seq)| is_indexed(&self.chains, *chain, *seq)));
        Ok(())
    }

    fn meant(&self, group: &Group) -> Vec<Found> {
        if !self.question.admits(&group.signing) {
            return Vec::new();
        }
        let (instance, seq) = (self.instance(group.signing.chain), group.signing.seq);
        let found = |(entry, index): (&Entry, u16)| {
            let place = Place { seq, index };
            Found {
                instance: instance.to_owned(),
                index,
                signing: group.signing.clone(),
                group: group.intent.clone(),
                entry: *entry,
                revoked_at: [&self.known, &self.unindexed].into_iter().filter_map(|known| known.at(instance, place)).min(),
            }
        };
        group.entries.iter().zip(0..).filter(|(entry, _)| self.question.means(entry)).map(found).collect()
    }

    fn instance(&self, chain: i64) -> &str {
        self.chains.iter().find(|known| known.chain == chain).map_or("", |known| &known.instance)
    }
}

fn has_meant(question: &Question, group: &Group) -> bool {
    question.admits(&group.signing) && group.entries.iter().any(|entry| question.means(entry))
}

/// What of a chain is not indexed yet.
#[derive(Debug)]
struct Tail {
    draft: Draft,
    chain: i64,
    next: u64,
}

impl Tail {
    fn of(chain: &Indexed) -> Self {
        Self { draft: Draft::new(chain.chain), chain: chain.chain, next: chain.indexed + 1 }
    }

    /// The groups of the next rows, and what is revoked there; nothing behind the last row.
    async fn next(&mut self, store: &dyn Store) -> Result<Option<(Vec<Group>, Vec<Revoked>)>, StoreError> {
        let rows = store.rows(self.chain, self.next, ROWS_AT_ONCE).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
        self.next = last + 1;
        let (mut groups, mut revoked) = (Vec::new(), Vec::new());
        for row in &rows {
            match read_row(store, &mut self.draft, self.chain, row).await? {
                Some(Told::Signed(group)) => groups.push(group),
                Some(Told::Revoked(some)) => revoked.extend(some),
                None => {}
            }
        }
        Ok(Some((groups, revoked)))
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("store", &self.store).finish_non_exhaustive()
    }
}
