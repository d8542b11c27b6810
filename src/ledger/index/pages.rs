//! Places sorted by a hash, in pages.

use std::collections::BTreeSet;

use super::Page;
use crate::ledger::record::Place;

/// Places a page: 4 KiB.
const PLACES: usize = 256;

/// The first 8 bytes of a hash, the record's place in 6 bytes, the entry's in 2.
const BYTES: usize = size_of::<Spot>();

/// The first 8 bytes of a hash.
pub(super) fn prefix(hash: &[u8]) -> u64 {
    hash.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

/// A place under a hash, as it stands on a page: one number, so that to sort many of them is to sort numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(u128);

impl Spot {
    /// The place of a certificate, under a hash of its.
    pub(super) fn new(hash: &[u8], place: Place) -> Self {
        Self(u128::from(prefix(hash)) << 64 | u128::from(place.seq << 16 | u64::from(place.index)))
    }

    const fn prefix(self) -> u64 {
        (self.0 >> 64) as u64
    }

    const fn place(self) -> Place {
        Place { seq: self.0 as u64 >> 16, index: self.0 as u16 }
    }
}

/// Cuts spots into pages; none are left, and their memory is for the next. Those of one prefix stand on one page, however many
/// they are.
pub(super) fn pages(spots: &mut Vec<Spot>) -> Vec<Page> {
    spots.sort_unstable();
    let mut pages: Vec<Page> = Vec::with_capacity(spots.len() / PLACES + 1);
    let mut last = None;
    for spot in spots.drain(..) {
        match pages.last_mut() {
            Some(page) if page.places.len() < PLACES * BYTES || last == Some(spot.prefix()) => push(&mut page.places, spot),
            _ => {
                let mut bytes = Vec::with_capacity(PLACES * BYTES);
                push(&mut bytes, spot);
                pages.push(Page { first: spot.prefix(), places: bytes });
            }
        }
        last = Some(spot.prefix());
    }
    pages
}

fn push(bytes: &mut Vec<u8>, spot: Spot) {
    bytes.extend_from_slice(&spot.0.to_be_bytes());
}

fn spots(page: &[u8]) -> impl Iterator<Item = Spot> {
    page.chunks_exact(BYTES).filter_map(|chunk| Some(Spot(u128::from_be_bytes(*chunk.first_chunk()?))))
}

/// The places of a prefix on a page.
pub(super) fn places(page: &[u8], prefix: u64) -> impl Iterator<Item = Place> {
    spots(page).filter(move |spot| spot.prefix() == prefix).map(Spot::place)
}

/// A page without the places of some outcomes; nothing where none of them is on it.
pub(in crate::ledger) fn without(page: &[u8], outcomes: &BTreeSet<u64>) -> Option<Vec<u8>> {
    let mut left = Vec::with_capacity(page.len());
    spots(page).filter(|spot| !outcomes.contains(&spot.place().seq)).for_each(|spot| push(&mut left, spot));
    (left.len() < page.len()).then_some(left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// With few different prefixes, so that some have more places than a page holds.
        #[test]
        fn every_place_is_on_the_page_where_it_is_looked_for(prefixes in proptest::collection::vec(0u64..8, 0..2_000)) {
            let all: Vec<(u64, Place)> =
                prefixes.iter().zip(0..).map(|(prefix, seq)| (*prefix, Place { seq, index: 3 })).collect();
            let mut spots = all.iter().map(|(prefix, place)| Spot::new(&prefix.to_be_bytes(), *place)).collect();
            let pages = pages(&mut spots);
            prop_assert!(spots.is_empty());
            prop_assert!(pages.windows(2).all(|pair| pair[0].first < pair[1].first));
            for wanted in 0..9 {
                let page = pages.iter().rev().find(|page| page.first <= wanted);
                let found: Vec<Place> = page.map(|page| places(&page.places, wanted).collect()).unwrap_or_default();
                let expected: Vec<Place> = all.iter().filter(|(prefix, _)| *prefix == wanted).map(|(_, place)| *place).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
