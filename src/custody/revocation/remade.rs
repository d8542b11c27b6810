//! The lists of a revocation, made again from its record and what it points to.

use std::collections::BTreeMap;

use super::plan::{PlainList, STEP};
use super::{RevokeError, Revoker, on_a_thread};
use crate::domain::{Country, Kid, NumericDate, RevocationHashes};
use crate::encode::cms::SignedMessage;
use crate::encode::revocation::batches;
use crate::ledger::record::{Body, Entry, Intent, Place, Record, Revocation, RevokedOf};
use crate::ledger::store::{ChainState, Row, Store, StoreError};

/// A revocation as it is on record, with its lists.
#[derive(Debug)]
pub struct Remade {
    /// Whose chain it is in.
    pub instance: String,
    /// Its place there.
    pub seq: u64,
    /// How many certificates.
    pub certificates: u32,
    /// What was asked for.
    pub asked: String,
    /// The lists, each with the signed message where there is one.
    pub lists: Vec<(PlainList, Option<SignedMessage>)>,
    /// Why lists are plain; nothing where all are signed.
    pub plain: Option<String>,
}

type Certificates = BTreeMap<Country, Vec<(Kid, NumericDate, RevocationHashes)>>;

impl Revoker {
    /// Makes the lists of a revocation again, the same byte for byte, and has them signed anew. Nothing is put on record.
    ///
    /// # Errors
    /// Where the record is not there, what it points to was forgotten, or the upload key does not sign.
    pub async fn remake(&self, instance: &str, seq: u64) -> Result<Remade, RevokeError> {
        let store = &**self.records.store();
        let chains = store.chains().await?;
        let (record, detail) = read(store, &chains, instance, seq).await?;
        let Body::Revocation(revocation) = record.body else {
            return Err(RevokeError::NoRecord { instance: instance.to_owned(), seq });
        };
        let certificates = gather(store, &chains, &revocation, &detail).await?;
        let Revocation { question, certificates: count, lists: names, hash_type, .. } = revocation;
        let hash_type = hash_type.parse().map_err(|_| damaged(instance, seq))?;
        let lists = on_a_thread(move || {
            let all = certificates.into_iter().flat_map(|(country, certificates)| {
                batches(country, hash_type, NumericDate::from_seconds(i64::MIN), STEP, certificates).batches
            });
            all.map(PlainList::new).collect::<Vec<_>>()
        });
        let lists = lists.await?;
        if lists.iter().map(|list| list.digest).ne(names) {
            return Err(RevokeError::Changed);
        }
        let now = self.clock.signing_time()?;
        let plain = self.plain_at(&lists, now);
        let messages = self.sign(&lists, now).await?;
        let lists = lists.into_iter().zip(messages).collect();
        Ok(Remade { instance: instance.to_owned(), seq, certificates: count, asked: question, lists, plain })
    }
}

async fn gather(
    store: &dyn Store,
    chains: &[ChainState],
    revocation: &Revocation,
    mut places: &[u8],
) -> Result<Certificates, RevokeError> {
    let mut certificates = Certificates::new();
    for RevokedOf { instance, certificates: count } in &revocation.chains {
        let (of_chain, rest) = places.split_at_checked(*count as usize * Place::BYTES).ok_or_else(|| damaged(instance, 0))?;
        places = rest;
        // Those of one outcome follow each other.
        let mut group: Option<(u64, Intent, Country, Vec<Entry>)> = None;
        for place in of_chain.chunks_exact(Place::BYTES) {
            let place = Place::from_bytes(place.try_into().map_err(|_| damaged(instance, 0))?);
            if group.as_ref().is_none_or(|(seq, ..)| *seq != place.seq) {
                group = Some(read_group(store, chains, instance, place.seq).await?);
            }
            let Some((_, intent, country, entries)) = &group else { continue };
            let entry = entries.get(usize::from(place.index)).ok_or_else(|| damaged(instance, place.seq))?;
            let hashes = RevocationHashes { signature: entry.signature.0, uci: entry.uci.0, country_uci: entry.country_uci.0 };
            certificates.entry(*country).or_default().push((Kid::from(intent.kid.0), entry.expires_at, hashes));
        }
    }
    Ok(certificates)
}

async fn read_group(
    store: &dyn Store,
    chains: &[ChainState],
    instance: &str,
    seq: u64,
) -> Result<(u64, Intent, Country, Vec<Entry>), RevokeError> {
    let (outcome, entries) = read(store, chains, instance, seq).await?;
    let Body::Outcome(outcome) = outcome.body else { return Err(damaged(instance, seq)) };
    let (intent, _) = read(store, chains, instance, outcome.intent).await?;
    let Body::Intent(intent) = intent.body else { return Err(damaged(instance, outcome.intent)) };
    let country = intent.issuer.parse().map_err(|_| damaged(instance, outcome.intent))?;
    Ok((seq, intent, country, Entry::all(&entries).collect()))
}

/// A record with its detail.
async fn read(store: &dyn Store, chains: &[ChainState], instance: &str, seq: u64) -> Result<(Record, Vec<u8>), RevokeError> {
    let no_record = || RevokeError::NoRecord { instance: instance.to_owned(), seq };
    let chain = chains.iter().find(|state| state.instance == instance).ok_or_else(no_record)?.chain;
    let row = store.rows(chain, seq, 1).await?.into_iter().find(|row| row.seq == seq).ok_or_else(no_record)?;
    let Row { record: Some(record), detail: Some(detail), .. } = row else {
        return Err(RevokeError::Forgotten { instance: instance.to_owned(), seq });
    };
    let record = Record::from_cbor(&record).map_err(|_| damaged(instance, seq))?;
    if record.has_detail(&detail) { Ok((record, detail)) } else { Err(damaged(instance, seq)) }
}

fn damaged(instance: &str, seq: u64) -> RevokeError {
    StoreError::Damaged { reason: format!("record {seq} of the chain {instance:?} is not what a revocation points to") }.into()
}
