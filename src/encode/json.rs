//! Any JSON as deterministic CBOR, for `sceau encode`: what is there goes in, legacy fields included.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::cbor::ToCbor;
use crate::domain::json::Json;

/// A JSON value whose objects have their keys in the bytewise order of their encoding, each once.
///
/// # Source
/// RFC 8949 section 4.2.1: for text keys, shorter first, then byte by byte.
#[derive(Debug)]
pub struct DeterministicJson<'a>(Json<'a>);

impl<'a> DeterministicJson<'a> {
    /// Sorts all objects.
    ///
    /// # Errors
    /// [`DuplicateKey`] where a name stands twice in an object: no CBOR map may hold it twice.
    pub fn new(mut json: Json<'a>) -> Result<Self, DuplicateKey> {
        sort(&mut json)?;
        Ok(Self(json))
    }
}

/// A member's name stands twice in one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member's name stands twice in one object; it stands once")]
pub struct DuplicateKey;

/// Depth is bounded by the parser ([`crate::domain::json::MAX_DEPTH`]).
fn sort(json: &mut Json<'_>) -> Result<(), DuplicateKey> {
    match json {
        Json::Array(items) => items.iter_mut().try_for_each(sort),
        Json::Object(members) => {
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(DuplicateKey);
            }
            members.iter_mut().try_for_each(|(_, value)| sort(value))
        }
        _ => Ok(()),
    }
}

impl ToCbor for DeterministicJson<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        ciborium::into_writer(&Sorted(&self.0), cbor).expect("a vector takes every byte, and every JSON value has a CBOR form");
    }
}

struct Sorted<'j, 'a>(&'j Json<'a>);

impl Serialize for Sorted<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Int(value) => serializer.serialize_i64(*value),
            Json::BigInt(value) => serializer.serialize_u64(*value),
            Json::Float(value) => serializer.serialize_f64(*value),
            Json::String(text) => serializer.serialize_str(text),
            Json::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| sequence.serialize_element(&Sorted(item)))?;
                sequence.end()
            }
            Json::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, &Sorted(value)))?;
                map.end()
            }
        }
    }
}
