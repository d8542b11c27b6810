//! The tree of hashes over an outcome's entries: its root stands in the chain, so that one certificate can be proven to be on
//! record without showing the others.
//!
//! # Source
//! RFC 9162 section 2.1 (the tree of RFC 6962): SHA-256, 0x00 before a leaf, 0x01 before two children.

use crate::domain::{Digest, Octets};

type Hash = Octets<32>;

fn leaf(data: &[u8]) -> Hash {
    Digest::of_parts(&[&[0], data]).into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Digest::of_parts(&[&[1], left.as_ref(), right.as_ref()]).into()
}

/// One level up; a node that is left over goes up as it is.
fn level_up(hashes: &mut Vec<Hash>) {
    let parents = hashes.len().div_ceil(2);
    for index in 0..parents {
        hashes[index] = match hashes.get(2 * index + 1) {
            Some(right) => node(&hashes[2 * index], right),
            None => hashes[2 * index],
        };
    }
    hashes.truncate(parents);
}

/// The root over some leaves; that of none is the hash of nothing.
#[must_use]
pub fn root<'l>(leaves: impl Iterator<Item = &'l [u8]>) -> Hash {
    let mut hashes: Vec<Hash> = leaves.map(leaf).collect();
    while hashes.len() > 1 {
        level_up(&mut hashes);
    }
    hashes.first().copied().unwrap_or_else(|| Digest::of(&[]).into())
}

/// The hashes that lead from a leaf to the root, the lowest first; none where there is no such leaf.
#[must_use]
pub fn path<'l>(leaves: impl Iterator<Item = &'l [u8]>, index: usize) -> Option<Vec<Hash>> {
    let mut hashes: Vec<Hash> = leaves.map(leaf).collect();
    let (mut index, mut path) = ((index < hashes.len()).then_some(index)?, Vec::new());
    while hashes.len() > 1 {
        path.extend(hashes.get(index ^ 1));
        level_up(&mut hashes);
        index /= 2;
    }
    Some(path)
}

/// The root to which a path leads from the leaf at `index` of `count`; none where the path is of another length.
#[must_use]
pub fn root_by_path(data: &[u8], index: usize, count: usize, path: &[Hash]) -> Option<Hash> {
    let (mut hash, mut index, mut count) = ((index < count).then(|| leaf(data))?, index, count);
    let mut path = path.iter();
    while count > 1 {
        if index ^ 1 < count {
            let sibling = path.next()?;
            hash = if index % 2 == 0 { node(&hash, sibling) } else { node(sibling, &hash) };
        }
        index /= 2;
        count = count.div_ceil(2);
    }
    path.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(data: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
        data.iter().map(Vec::as_slice)
    }

    /// RFC 9162 section 2.1.1, word for word: it splits at the largest power of two that is smaller.
    fn by_definition(data: &[Vec<u8>]) -> Hash {
        match data {
            [] => Digest::of(&[]).into(),
            [one] => leaf(one),
            _ => {
                let (left, right) = data.split_at(data.len().next_power_of_two() / 2);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn the_empty_tree_and_a_single_leaf_are_as_the_rfc_has_them() {
        assert_eq!(root([].into_iter()).to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(root([&b""[..]].into_iter()).to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_leaf_is_proven_and_no_other_in_its_place(count in 1usize..80, other in any::<u8>()) {
            let data: Vec<Vec<u8>> = (0..count).map(|number| vec![number as u8; 3]).collect();
            let root = root(leaves(&data));
            prop_assert_eq!(root, by_definition(&data));
            for (index, leaf) in data.iter().enumerate() {
                let path = path(leaves(&data), index).unwrap();
                prop_assert_eq!(root_by_path(leaf, index, count, &path), Some(root));
                prop_assert_ne!(root_by_path(&[other, 1], index, count, &path), Some(root));
                prop_assert_ne!(root_by_path(leaf, (index + 1) % count, count, &path), Some(root).filter(|_| count > 1));
                let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
                prop_assert_eq!(root_by_path(leaf, index, count, &longer), None);
            }
            prop_assert_eq!(path(leaves(&data), count), None);
        }
    }
}
