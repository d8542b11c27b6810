//! What an order comes to: the certificates that are meant, and the lists that would revoke them.

use std::collections::BTreeMap;

use super::{RevocationOrder, RevokeError};
use crate::domain::{Country, Digest, Kid, NumericDate, Octets, RevocationHashes};
use crate::encode::revocation::{Batches, ExpiryStep, RevocationBatch, batches};
use crate::ledger::index::Found;
use crate::ledger::record::{Body, Place, Revocation, RevokedOf};
use crate::ledger::store::StoreError;

/// The most certificates of one order: 10 MB in the ledger, some 200 MB of memory while they are grouped.
pub const MOST_CERTIFICATES: u32 = 1_000_000;

/// How finely expiries are told apart. The form of the record relies on it.
pub(super) const STEP: ExpiryStep = ExpiryStep::Day;

/// A revocation that is ready to be carried out. Nothing is on record of it yet, and nothing is signed.
#[derive(Debug)]
pub struct RevocationPlan {
    revocation: Revocation,
    places: Vec<u8>,
    lists: Vec<PlainList>,
    expired: u64,
    repeated: u64,
}

/// A list before it is signed.
#[derive(Debug)]
pub struct PlainList {
    /// What is in it.
    pub batch: RevocationBatch,
    /// The same in JSON, as it is uploaded.
    pub json: Vec<u8>,
    /// SHA-256 of that: its name on record.
    pub digest: Octets<32>,
}

impl PlainList {
    pub(super) fn new(batch: RevocationBatch) -> Self {
        let json = batch.to_json();
        let digest = Digest::of(&json).into();
        Self { batch, json, digest }
    }
}

impl RevocationPlan {
    /// How many certificates would be revoked.
    #[must_use]
    pub const fn certificates(&self) -> u32 {
        self.revocation.certificates
    }

    /// What was asked for, as it stands on record.
    #[must_use]
    pub fn asked(&self) -> &str {
        &self.revocation.question
    }

    /// How many are meant, have expired, and are left out.
    #[must_use]
    pub const fn expired(&self) -> u64 {
        self.expired
    }

    /// How many have a hash that another of the same kid has as well; it stands in the lists once.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The lists, by country, kid, expiry and hash.
    #[must_use]
    pub fn lists(&self) -> &[PlainList] {
        &self.lists
    }

    /// What is put on record, and the lists.
    pub(super) fn into_parts(self) -> (Body, Vec<u8>, Vec<PlainList>) {
        (Body::Revocation(self.revocation), self.places, self.lists)
    }
}

/// Certificates on their way into a plan.
#[derive(Debug)]
pub(super) struct Gathering {
    /// What has ended by then is left out.
    cutoff: Option<NumericDate>,
    places: BTreeMap<String, Vec<Place>>,
    certificates: BTreeMap<Country, Vec<(Kid, NumericDate, RevocationHashes)>>,
    count: u32,
    expired: u64,
}

impl Gathering {
    pub(super) const fn new(order: &RevocationOrder, now: NumericDate) -> Self {
        let cutoff = if order.with_expired { None } else { Some(now) };
        Self { cutoff, places: BTreeMap::new(), certificates: BTreeMap::new(), count: 0, expired: 0 }
    }

    /// Takes what was found.
    pub(super) fn take(&mut self, found: &[Found]) -> Result<(), RevokeError> {
        found.iter().try_for_each(|found| self.take_one(found))
    }

    fn take_one(&mut self, found: &Found) -> Result<(), RevokeError> {
        let Found { instance, group, entry, .. } = found;
        if self.cutoff.is_some_and(|cutoff| entry.expires_at <= cutoff) {
            self.expired += 1;
            return Ok(());
        }
        if self.count >= MOST_CERTIFICATES {
            return Err(RevokeError::TooMany);
        }
        let country = group.issuer.parse::<Country>().map_err(|_| not_a_country(found))?;
        let hashes = RevocationHashes { signature: entry.signature.0, uci: entry.uci.0, country_uci: entry.country_uci.0 };
        self.certificates.entry(country).or_default().push((Kid::from(group.kid.0), entry.expires_at, hashes));
        match self.places.get_mut(instance) {
            Some(places) => places.push(found.place()),
            None => drop(self.places.insert(instance.clone(), vec![found.place()])),
        }
        self.count += 1;
        Ok(())
    }

    /// What it comes to. Sorts all of them: some 200 ms for the most that there can be.
    pub(super) fn plan(self, order: RevocationOrder) -> RevocationPlan {
        let question = order.asked();
        let (mut lists, mut repeated) = (Vec::new(), 0);
        for (country, certificates) in self.certificates {
            // What has expired and is here was asked for by name.
            let never = NumericDate::from_seconds(i64::MIN);
            let Batches { batches, repeated: again, .. } = batches(country, order.hash_type, never, STEP, certificates);
            lists.extend(batches.into_iter().map(PlainList::new));
            repeated += again as u64;
        }
        let (mut places, mut chains) = (Vec::with_capacity(self.count as usize * Place::BYTES), Vec::new());
        for (instance, mut of_chain) in self.places {
            of_chain.sort_unstable();
            places.extend(of_chain.iter().flat_map(|place| place.to_bytes()));
            let certificates = u32::try_from(of_chain.len()).unwrap_or(u32::MAX);
            chains.push(RevokedOf { instance, certificates });
        }
        let revocation = Revocation {
            by: order.by,
            reason: order.reason.as_str().to_owned(),
            question,
            hash_type: order.hash_type.to_string(),
            certificates: self.count,
            places: Digest::of(&places).into(),
            chains,
            lists: lists.iter().map(|list| list.digest).collect(),
        };
        RevocationPlan { revocation, places, lists, expired: self.expired, repeated }
    }
}

fn not_a_country(found: &Found) -> RevokeError {
    let (instance, intent) = (&found.instance, found.signing.intent);
    StoreError::Damaged { reason: format!("record {intent} of the chain {instance:?} has an issuer that is no country") }.into()
}
