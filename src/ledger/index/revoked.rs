//! What was revoked, by the outcome that it stands in.

use std::collections::BTreeMap;

use crate::domain::NumericDate;
use crate::ledger::record::{Place, Revocation, RevokedOf};

/// Certificates of one outcome that one revocation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Whose chain the outcome is in: any of the store's, whichever chain the revocation is in.
    pub instance: String,
    /// The outcome's place there.
    pub seq: u64,
    /// The indexes of their entries among those of the outcome.
    pub indexes: Vec<u16>,
    /// The revocation's place in its own chain.
    pub by: u64,
    /// When that was put on record.
    pub at: NumericDate,
}

impl Revoked {
    /// What a revocation names, outcome by outcome.
    pub(super) fn all(revocation: &Revocation, mut places: &[u8], by: u64, at: NumericDate) -> Vec<Self> {
        let mut all = Vec::new();
        for RevokedOf { instance, certificates } in &revocation.chains {
            let (of_chain, rest) = places.split_at_checked(*certificates as usize * Place::BYTES).unwrap_or((places, &[]));
            places = rest;
            let mut outcomes: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
            for place in of_chain.as_chunks().0 {
                let place = Place::from_bytes(*place);
                outcomes.entry(place.seq).or_default().push(place.index);
            }
            let revoked = |(seq, indexes)| Self { instance: instance.clone(), seq, indexes, by, at };
            all.extend(outcomes.into_iter().map(revoked));
        }
        all
    }

    /// The indexes as a store has them: 2 bytes each, big-endian.
    pub(in crate::ledger) fn index_bytes(&self) -> Vec<u8> {
        self.indexes.iter().flat_map(|index| index.to_be_bytes()).collect()
    }

    /// Reads them.
    pub(in crate::ledger) fn indexes_of(bytes: &[u8]) -> Vec<u16> {
        bytes.as_chunks().0.iter().map(|index| u16::from_be_bytes(*index)).collect()
    }
}

/// When certificates were revoked, by the instance of their chain.
#[derive(Debug, Default)]
pub(super) struct Revocations(BTreeMap<String, BTreeMap<Place, NumericDate>>);

impl Revocations {
    pub(super) fn add(&mut self, Revoked { instance, seq, indexes, at, .. }: Revoked) {
        let of_chain = self.0.entry(instance).or_default();
        for index in indexes {
            let first = of_chain.entry(Place { seq, index }).or_insert(at);
            *first = at.min(*first);
        }
    }

    /// When a certificate was revoked, the first time.
    pub(super) fn at(&self, instance: &str, place: Place) -> Option<NumericDate> {
        self.0.get(instance)?.get(&place).copied()
    }
}

impl Extend<Revoked> for Revocations {
    fn extend<T: IntoIterator<Item = Revoked>>(&mut self, revoked: T) {
        revoked.into_iter().for_each(|revoked| self.add(revoked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, Octets};

    fn revocation(chains: &[(&str, u32)], places: &[u8]) -> Revocation {
        Revocation {
            by: "ada".to_owned(),
            reason: "a test".to_owned(),
            question: "{}".to_owned(),
            hash_type: "UCI".to_owned(),
            certificates: chains.iter().map(|(_, certificates)| certificates).sum(),
            places: Digest::of(places).into(),
            chains: chains
                .iter()
                .map(|(instance, certificates)| RevokedOf { instance: (*instance).to_owned(), certificates: *certificates })
                .collect(),
            lists: vec![Octets([0; 32])],
        }
    }

    fn bytes(places: &[(u64, u16)]) -> Vec<u8> {
        places.iter().flat_map(|(seq, index)| Place { seq: *seq, index: *index }.to_bytes()).collect()
    }

    #[test]
    fn what_a_revocation_names_is_told_by_chain_and_outcome() {
        let places = bytes(&[(3, 0), (3, 7), (9, 500), (3, 1)]);
        let at = NumericDate::from_seconds(40);
        let all = Revoked::all(&revocation(&[("north", 3), ("south", 1)], &places), &places, 12, at);
        let told: Vec<_> = all.iter().map(|one| (one.instance.as_str(), one.seq, one.indexes.as_slice())).collect();
        assert_eq!(told, [("north", 3, &[0, 7][..]), ("north", 9, &[500]), ("south", 3, &[1])]);
        assert!(all.iter().all(|one| (one.by, one.at) == (12, at)));
        for one in &all {
            assert_eq!(Revoked::indexes_of(&one.index_bytes()), one.indexes);
        }
    }

    #[test]
    fn a_record_whose_places_are_cut_off_names_those_that_are_there() {
        let places = bytes(&[(3, 0), (4, 0)]);
        let all =
            Revoked::all(&revocation(&[("north", 3), ("south", 1)], &places), &places[..15], 12, NumericDate::from_seconds(0));
        assert_eq!(all.iter().map(|one| one.seq).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn the_first_revocation_of_a_certificate_counts() {
        let of =
            |by, at| Revoked { instance: "north".to_owned(), seq: 3, indexes: vec![1], by, at: NumericDate::from_seconds(at) };
        let mut revocations = Revocations::default();
        revocations.extend([of(9, 90), of(7, 70), of(8, 80)]);
        assert_eq!(revocations.at("north", Place { seq: 3, index: 1 }), Some(NumericDate::from_seconds(70)));
        for (instance, index) in [("north", 0), ("south", 1)] {
            assert_eq!(revocations.at(instance, Place { seq: 3, index }), None);
        }
    }
}
