//! What is kept of items that were signed together, as one text: what most of them have alike stands in it once.
//!
//! ```text
//! group = item*
//! item  = number of a shape u16, and the shape where that is a new one | key 16 | digest 32 | signature
//! shape = kid 8 | algorithm 1 | iat i64 | exp i64 | who set exp 1 | length of signature u16 | length of profile u16 | profile
//! ```

use super::kept::{self, InvalidKept, Kept};
use super::{Expiry, ItemKey};
use crate::domain::{Digest, Kid, NumericDate, Signature};

/// The most items of one text. The number of a shape has two bytes; what an outcome has is seldom more than 512.
pub(in crate::ledger) const MOST_ITEMS: usize = 4_096;

/// How far back a shape is looked for. A batch has few; where each item has one of its own, to look through all of them would take
/// longer than it saves.
const NEAR: usize = 8;

/// An item's text where its shape is not new, without the signature.
const ITEM_BYTES: usize = 2 + 16 + 32;

/// A signature by ES256, which most are.
const SIGNATURE_BYTES: usize = 64;

/// Some shapes, and what stands behind the text when it is encrypted.
const SPARE_BYTES: usize = 256;

/// Writes items, [`MOST_ITEMS`] at most, behind what is there.
pub(in crate::ledger) fn write<'k>(items: impl ExactSizeIterator<Item = (ItemKey, &'k Kept)>, bytes: &mut Vec<u8>) {
    debug_assert!(items.len() <= MOST_ITEMS, "a shape's number has to fit");
    let mut shapes: Vec<&Kept> = Vec::new();
    bytes.reserve(SPARE_BYTES + items.len() * (ITEM_BYTES + SIGNATURE_BYTES));
    for (key, item) in items {
        let near = shapes.len().saturating_sub(NEAR);
        let known = shapes[near..].iter().rposition(|shape| is_alike(shape, item)).map(|place| near + place);
        let number = known.unwrap_or(shapes.len());
        bytes.extend_from_slice(&u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
        if known.is_none() {
            shapes.push(item);
            write_shape(item, bytes);
        }
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(item.digest.as_bytes());
        bytes.extend_from_slice(item.signature.as_bytes());
    }
}

/// Reads a group again.
pub(in crate::ledger) fn read(mut bytes: &[u8]) -> Result<Vec<(ItemKey, Kept)>, InvalidKept> {
    let (mut shapes, mut items) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let (key, item, rest) = read_item(bytes, &mut shapes).ok_or(InvalidKept)?;
        items.push((key, item));
        bytes = rest;
    }
    Ok(items)
}

/// An item without what is its own, and the length of its signature.
type Shape = (Kept, usize);

fn read_item<'b>(bytes: &'b [u8], shapes: &mut Vec<Shape>) -> Option<(ItemKey, Kept, &'b [u8])> {
    let (number, mut rest) = bytes.split_first_chunk()?;
    let number = usize::from(u16::from_be_bytes(*number));
    if number == shapes.len() {
        let (shape, behind) = read_shape(rest)?;
        shapes.push(shape);
        rest = behind;
    }
    let (shape, signature_bytes) = shapes.get(number)?;
    let (key, rest) = rest.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let (signature, rest) = rest.split_at_checked(*signature_bytes)?;
    let (digest, signature) = (Digest::from_bytes(*digest), Signature::new(signature.to_vec()));
    Some((ItemKey::from_bytes(*key), Kept { digest, signature, ..shape.clone() }, rest))
}

fn is_alike(one: &Kept, other: &Kept) -> bool {
    let of =
        |kept: &Kept| (kept.expires_at, kept.expiry, kept.issued_at, kept.kid, kept.algorithm, kept.signature.as_bytes().len());
    of(one) == of(other) && one.profile == other.profile
}

fn write_shape(item: &Kept, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(item.kid.as_bytes());
    bytes.push(kept::code_of(item.algorithm));
    bytes.extend_from_slice(&item.issued_at.seconds().to_be_bytes());
    bytes.extend_from_slice(&item.expires_at.seconds().to_be_bytes());
    bytes.push(u8::from(item.expiry == Expiry::OfItem));
    for length in [item.signature.as_bytes().len(), item.profile.len()] {
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }
    bytes.extend_from_slice(item.profile.as_bytes());
}

fn read_shape(bytes: &[u8]) -> Option<(Shape, &[u8])> {
    let (kid, rest) = bytes.split_first_chunk::<8>()?;
    let (algorithm, rest) = rest.split_first()?;
    let (issued_at, rest) = rest.split_first_chunk()?;
    let (expires_at, rest) = rest.split_first_chunk()?;
    let (expiry, rest) = rest.split_first()?;
    let (signature_bytes, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (profile, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let shape = Kept {
        digest: Digest::from_bytes([0; 32]),
        signature: Signature::new(Vec::new()),
        kid: Kid::from(*kid),
        algorithm: kept::algorithm_of(*algorithm)?,
        issued_at: NumericDate::from_seconds(i64::from_be_bytes(*issued_at)),
        expires_at: NumericDate::from_seconds(i64::from_be_bytes(*expires_at)),
        expiry: if *expiry == 0 { Expiry::OfProfile } else { Expiry::OfItem },
        profile: std::str::from_utf8(profile).ok()?.into(),
    };
    Some(((shape, usize::from(u16::from_be_bytes(*signature_bytes))), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Algorithm;

    prop_compose! {
        /// Of few kinds, so that some are alike.
        fn kept()(
            own in any::<u8>(), exp in 0i64..12, of_item in any::<bool>(), rsa in any::<bool>(), profile in "[a-c]{0,1}"
        ) -> Kept {
            Kept {
                digest: Digest::from_bytes([own; 32]),
                signature: Signature::new(vec![own; if rsa { 256 } else { 64 }]),
                kid: Kid::from([u8::from(rsa); 8]),
                algorithm: if rsa { Algorithm::Ps256 } else { Algorithm::Es256 },
                issued_at: NumericDate::from_seconds(-3),
                expires_at: NumericDate::from_seconds(exp),
                expiry: if of_item { Expiry::OfItem } else { Expiry::OfProfile },
                profile: profile.into(),
            }
        }
    }

    fn written(items: &[(ItemKey, Kept)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(items.iter().map(|(key, kept)| (*key, kept)), &mut bytes);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_and_nothing_that_is_cut_off_inside_an_item(items in proptest::collection::vec(kept(), 0..60)) {
            let items: Vec<(ItemKey, Kept)> =
                items.into_iter().zip(0u8..).map(|(kept, number)| (ItemKey::from_bytes([number; 16]), kept)).collect();
            let bytes = written(&items);
            prop_assert_eq!(read(&bytes), Ok(items.clone()));
            let ends: Vec<usize> = (0..=items.len()).map(|count| written(&items[..count]).len()).collect();
            for length in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..length]).is_ok(), ends.contains(&length), "{}", length);
            }
        }
    }

    #[test]
    fn items_that_are_alike_take_their_own_bytes_alone_and_a_new_shape_is_the_next() {
        let kept = |expires_at| Kept {
            digest: Digest::of(b"1"),
            signature: Signature::new(vec![7; 64]),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Es256,
            issued_at: NumericDate::from_seconds(0),
            expires_at: NumericDate::from_seconds(expires_at),
            expiry: Expiry::OfProfile,
            profile: "dcc".into(),
        };
        let items: Vec<_> = (0..300).map(|number| (ItemKey::from_bytes([1; 16]), kept(number % 3))).collect();
        let shape = 8 + 1 + 8 + 8 + 1 + 2 + 2 + 3;
        assert_eq!(written(&items).len(), 300 * (ITEM_BYTES + SIGNATURE_BYTES) + 3 * shape);
        assert_eq!(read(&[0, 1]), Err(InvalidKept), "the first shape has the number 0");
    }

    #[test]
    fn as_many_shapes_as_items_are_written_and_read() {
        let kept = |number: usize| Kept {
            digest: Digest::of(b"1"),
            signature: Signature::new(vec![7; 64]),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Es256,
            issued_at: NumericDate::from_seconds(0),
            expires_at: NumericDate::from_seconds(number as i64),
            expiry: Expiry::OfItem,
            profile: "dcc".into(),
        };
        let items: Vec<_> = (0..MOST_ITEMS).map(|number| (ItemKey::from_bytes([1; 16]), kept(number))).collect();
        assert_eq!(read(&written(&items)), Ok(items));
    }
}
