//! Answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::builder::{ROWS_AT_ONCE, intent, read_row};
use super::pages::{places, prefix};
use super::segment::Draft;
use super::{IndexStore, Question, Signing};
use crate::domain::CertificateType;
use crate::ledger::record::{Body, Entry, Intent, Place, Record};
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
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn certificates(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn add(&mut self, question: &Question, signing: &Signing) {
        self.groups += 1;
        for (kind, count) in CertificateType::ALL.into_iter().zip(&mut self.counts) {
            if question.kind.is_none_or(|wanted| wanted == kind) {
                *count += u64::from(signing.count(kind));
            }
        }
    }

    fn add_one(&mut self, kind: CertificateType) {
        for (known, count) in CertificateType::ALL.into_iter().zip(&mut self.counts) {
            *count += u64::from(known == kind);
        }
    }
}

/// A chain, and up to where it is indexed.
struct Indexed {
    instance: String,
    indexed: u64,
}

/// Signings that are asked of the index at once.
const SIGNINGS_AT_ONCE: usize = 1_000;

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

    /// Gives every certificate that a question means to `take`, in the order of chain and place, until it says no.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn find(&self, question: &Question, mut take: impl AsyncFnMut(Found) -> bool) -> Result<(), StoreError> {
        let chains = self.chains().await?;
        let is_indexed = |chain: i64, seq: u64| chains.get(&chain).is_some_and(|chain| seq <= chain.indexed);
        let name = |chain: i64| chains.get(&chain).map(|chain| chain.instance.as_str()).unwrap_or_default();
        if question.is_pointed() {
            for (chain, seqs) in self.pointed(question).await? {
                for seq in seqs.into_iter().filter(|seq| is_indexed(chain, *seq)) {
                    if !self.give(question, name(chain), chain, seq, &mut take).await? {
                        return Ok(());
                    }
                }
            }
        } else {
            let mut after = (0, 0);
            loop {
                let signings = self.index.signings(question, after, SIGNINGS_AT_ONCE).await?;
                let Some(last) = signings.last() else { break };
                after = (last.chain, last.seq);
                for signing in signings.iter().filter(|signing| is_indexed(signing.chain, signing.seq)) {
                    if !self.give(question, name(signing.chain), signing.chain, signing.seq, &mut take).await? {
                        return Ok(());
                    }
                }
            }
        }
        let mut goes_on = true;
        for (chain, state) in &chains {
            let look = async |signing: Signing, group: Intent, entries: Vec<Entry>| {
                goes_on = goes_on && hand_over(question, &state.instance, &signing, &group, &entries, &mut take).await;
                goes_on
            };
            self.look_through(*chain, state.indexed, look).await?;
        }
        Ok(())
    }

    /// Counts the certificates that a question means.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn count(&self, question: &Question) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        if question.is_pointed() {
            let mut groups = BTreeSet::new();
            self.find(question, async |found| {
                groups.insert((found.instance, found.signing.seq));
                tally.add_one(found.entry.kind);
                true
            })
            .await?;
            tally.groups = groups.len() as u64;
            return Ok(tally);
        }
        let chains = self.chains().await?;
        let is_indexed = |signing: &&Signing| chains.get(&signing.chain).is_some_and(|chain| signing.seq <= chain.indexed);
        let mut after = (0, 0);
        loop {
            let signings = self.index.signings(question, after, SIGNINGS_AT_ONCE).await?;
            let Some(last) = signings.last() else { break };
            after = (last.chain, last.seq);
            signings.iter().filter(is_indexed).for_each(|signing| tally.add(question, signing));
        }
        for (chain, state) in &chains {
            let look = async |signing: Signing, _: Intent, _: Vec<Entry>| {
                if question.admits(&signing) {
                    tally.add(question, &signing);
                }
                true
            };
            self.look_through(*chain, state.indexed, look).await?;
        }
        Ok(tally)
    }

    /// What is indexed at this moment: a segment that is written meanwhile is looked through.
    async fn chains(&self) -> Result<BTreeMap<i64, Indexed>, StoreError> {
        let mut chains = BTreeMap::new();
        for ChainState { chain, instance, .. } in self.store.chains().await? {
            chains.insert(chain, Indexed { instance, indexed: self.index.indexed(chain).await? });
        }
        Ok(chains)
    }

    /// Outcomes that may hold what hashes point to, by chain.
    async fn pointed(&self, question: &Question) -> Result<BTreeMap<i64, BTreeSet<u64>>, StoreError> {
        let mut found: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
        for (kind, hash) in question.hashes() {
            let prefix = prefix(hash);
            for (chain, page) in self.index.pages(kind, prefix).await? {
                found.entry(chain).or_default().extend(places(&page, prefix).map(|place| place.seq));
            }
        }
        Ok(found)
    }

    /// Gives what of one outcome is meant.
    async fn give(
        &self,
        question: &Question,
        instance: &str,
        chain: i64,
        seq: u64,
        take: &mut impl AsyncFnMut(Found) -> bool,
    ) -> Result<bool, StoreError> {
        let Some(row) = self.store.rows(chain, seq, 1).await?.into_iter().find(|row| row.seq == seq) else { return Ok(true) };
        let Some(intent_seq) = row.record.as_deref().and_then(intent_of) else { return Ok(true) };
        let mut draft = Draft::new(chain);
        let Some(intent) = intent(&*self.store, chain, intent_seq).await? else { return Ok(true) };
        draft.supply(intent_seq, intent);
        let Some(group) = draft.read(&row)? else { return Ok(true) };
        Ok(hand_over(question, instance, &group.signing, &group.intent, &group.entries, take).await)
    }

    /// Reads what of a chain is not indexed yet, until `look` says no.
    async fn look_through(
        &self,
        chain: i64,
        indexed: u64,
        mut look: impl AsyncFnMut(Signing, Intent, Vec<Entry>) -> bool,
    ) -> Result<(), StoreError> {
        let (mut draft, mut next) = (Draft::new(chain), indexed + 1);
        loop {
            let rows = self.store.rows(chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
            for row in &rows {
                let group = read_row(&*self.store, &mut draft, chain, row).await?;
                if let Some(group) = group
                    && !look(group.signing, group.intent, group.entries).await
                {
                    return Ok(());
                }
            }
            next = last + 1;
        }
    }
}

async fn hand_over(
    question: &Question,
    instance: &str,
    signing: &Signing,
    group: &Intent,
    entries: &[Entry],
    take: &mut impl AsyncFnMut(Found) -> bool,
) -> bool {
    if !question.admits(signing) {
        return true;
    }
    for (entry, index) in entries.iter().zip(0..).filter(|(entry, _)| question.means(entry)) {
        let (instance, signing, group) = (instance.to_owned(), signing.clone(), group.clone());
        if !take(Found { instance, index, signing, group, entry: *entry }).await {
            return false;
        }
    }
    true
}

fn intent_of(record: &[u8]) -> Option<u64> {
    match Record::from_cbor(record).ok()?.body {
        Body::Outcome(outcome) => Some(outcome.intent),
        _ => None,
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("store", &self.store).finish_non_exhaustive()
    }
}
