//! A set of places in a chain, kept as ranges.

use std::collections::BTreeMap;

/// Places; as large as it has gaps, however many places are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(BTreeMap<u64, u64>);

impl Places {
    /// Adds a range, both ends included; nothing where it ends before it begins.
    pub(super) fn insert(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let (mut low, mut high) = (from, to);
        // Those that overlap, and those that touch.
        while let Some((&start, &end)) = self.0.range(..=high.saturating_add(1)).next_back() {
            if end.saturating_add(1) < low {
                break;
            }
            self.0.remove(&start);
            (low, high) = (low.min(start), high.max(end));
        }
        self.0.insert(low, high);
    }

    /// Takes a range out, both ends included.
    pub(super) fn remove(&mut self, from: u64, to: u64) {
        while from <= to
            && let Some((&start, &end)) = self.0.range(..=to).next_back()
            && end >= from
        {
            self.0.remove(&start);
            if end > to {
                self.0.insert(to + 1, end);
            }
            if start < from {
                self.0.insert(start, from - 1);
                break;
            }
        }
    }

    pub(super) fn contains(&self, place: u64) -> bool {
        self.0.range(..=place).next_back().is_some_and(|(_, &end)| end >= place)
    }

    /// Whether a place of a range is in it, both ends included.
    pub(super) fn has_any_of(&self, from: u64, to: u64) -> bool {
        from <= to && self.0.range(..=to).next_back().is_some_and(|(_, &end)| end >= from)
    }

    /// Takes one place out, and says whether it was there.
    pub(super) fn take(&mut self, place: u64) -> bool {
        let was_there = self.contains(place);
        self.remove(place, place);
        was_there
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges in order, both ends included.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(&from, &to)| (from, to))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_the_set_that_it_stands_for(steps in proptest::collection::vec((any::<bool>(), 0u64..40, 0u64..12), 0..40)) {
            let (mut places, mut plain) = (Places::default(), BTreeSet::new());
            for (adds, from, length) in steps {
                let to = (from + length).saturating_sub(2);
                if adds {
                    places.insert(from, to);
                    if from <= to { plain.extend(from..=to); }
                } else {
                    places.remove(from, to);
                    plain.retain(|place| !(from..=to).contains(place));
                }
                prop_assert!((0..60).all(|place| places.contains(place) == plain.contains(&place)));
                let ranges: Vec<_> = places.ranges().collect();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{ranges:?}");
                prop_assert_eq!(places.is_empty(), plain.is_empty());
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_places_too() {
        let mut places = Places::default();
        places.insert(0, u64::MAX);
        assert!(places.contains(0) && places.contains(u64::MAX));
        assert!(places.take(u64::MAX) && places.take(0) && !places.take(0));
        assert_eq!(places.ranges().collect::<Vec<_>>(), [(1, u64::MAX - 1)]);
        places.insert(5, 4);
        assert_eq!(places.ranges().count(), 1);
    }
}
