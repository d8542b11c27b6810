//! CBOR, written: heads in their shortest form and what stands behind them, without a tree between.
//!
//! # Source
//! RFC 8949 sections 3 and 4.2.1.

use std::ops::Deref;

/// What has one form in deterministic CBOR.
pub trait ToCbor {
    /// Writes it behind what is there.
    fn write(&self, cbor: &mut Vec<u8>);
}

impl<T: ToCbor + ?Sized> ToCbor for &T {
    fn write(&self, cbor: &mut Vec<u8>) {
        (**self).write(cbor);
    }
}

/// The major types that are written here, where they stand in a head.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Major {
    Unsigned = 0 << 5,
    Negative = 1 << 5,
    Bytes = 2 << 5,
    Text = 3 << 5,
    Array = 4 << 5,
    Map = 5 << 5,
}

/// What an item begins with: its major type, and a value or a length in its shortest form.
pub(super) struct Head {
    bytes: [u8; 9],
    len: usize,
}

impl Head {
    #[inline]
    fn new(major: Major, argument: u64) -> Self {
        let (additional, size) = match argument {
            0..24 => (argument as u8, 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        let mut bytes = [0; 9];
        bytes[0] = major as u8 | additional;
        bytes[1..=size].copy_from_slice(&argument.to_be_bytes()[8 - size..]);
        Self { bytes, len: 1 + size }
    }

    /// That of a byte string.
    pub(super) fn of_bytes(len: usize) -> Self {
        Self::new(Major::Bytes, len as u64)
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Nearly every head in a certificate is of one or two bytes, and a copy of a length that is known costs a fraction of one that is not.
#[inline]
fn head(cbor: &mut Vec<u8>, major: Major, argument: u64) {
    match argument {
        0..24 => cbor.push(major as u8 | argument as u8),
        24..=0xff => cbor.extend_from_slice(&[major as u8 | 24, argument as u8]),
        _ => cbor.extend_from_slice(&Head::new(major, argument)),
    }
}

pub(super) fn integer(cbor: &mut Vec<u8>, value: i64) {
    let (major, argument) = if value < 0 { (Major::Negative, !value) } else { (Major::Unsigned, value) };
    head(cbor, major, argument.unsigned_abs());
}

pub(super) fn text(cbor: &mut Vec<u8>, text: &str) {
    head(cbor, Major::Text, text.len() as u64);
    cbor.extend_from_slice(text.as_bytes());
}

/// The head of an array; its items are to follow.
pub(super) fn array(cbor: &mut Vec<u8>, items: usize) {
    head(cbor, Major::Array, items as u64);
}

/// The head of a map; its members are to follow, their keys in the bytewise order of their encoding.
pub(super) fn map(cbor: &mut Vec<u8>, members: usize) {
    head(cbor, Major::Map, members as u64);
}

/// A member of a map: a text under a text.
#[inline]
pub(super) fn member(cbor: &mut Vec<u8>, key: &str, value: &str) {
    text(cbor, key);
    text(cbor, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ciborium(value: &impl serde::Serialize) -> Vec<u8> {
        let mut cbor = Vec::new();
        ciborium::into_writer(value, &mut cbor).unwrap();
        cbor
    }

    #[test]
    fn integers_are_as_short_as_another_library_writes_them() {
        let edges = [0, 23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, i64::MAX - 1];
        for value in edges.into_iter().flat_map(|edge| [edge, edge + 1, -edge, -edge - 1, -edge - 2]) {
            let mut cbor = Vec::new();
            integer(&mut cbor, value);
            assert_eq!(cbor, ciborium(&value), "{value}");
        }
    }

    #[test]
    fn texts_and_maps_are_as_another_library_writes_them() {
        for len in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let content = "é".repeat(len / 2);
            let mut cbor = Vec::new();
            map(&mut cbor, 1);
            member(&mut cbor, "fn", &content);
            assert_eq!(cbor, ciborium(&std::collections::BTreeMap::from([("fn", &content)])), "{len}");
        }
    }
}
