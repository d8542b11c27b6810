//! JSON text to a tree that borrows from it, with bounds.
//!
//! A tree of our own, and not `serde_json::Value`, because an issuer must see what `Value` hides: that a key stands
//! twice, and in which order the members came; and because it borrows its text, which halves the cost.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The deepest nesting that is read. A DCC needs four levels.
pub const MAX_DEPTH: usize = 16;

/// A JSON value that borrows its strings wherever they hold no escape.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number written as an integer that fits `i64`.
    Int(i64),
    /// A number written as an integer above `i64`, within `u64`.
    BigInt(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object: its members in the order of the text, a key as often as it stands there.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Json<'a> {
    /// Reads one JSON value and nothing behind it.
    ///
    /// # Errors
    /// [`SyntaxError`] with line and column. Its text holds nothing of the input.
    pub fn parse(text: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Node { depth: 0 }.deserialize(&mut reader).map_err(SyntaxError)?;
        reader.end().map_err(SyntaxError)?;
        Ok(value)
    }

    /// What kind of value it is, in JSON's words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The text is not one JSON value within the bounds.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct SyntaxError(serde_json::Error);

#[derive(Clone, Copy)]
struct Node {
    depth: usize,
}

impl Node {
    fn child<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Json::BigInt(value), Json::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let child = self.child()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(child)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let child = self.child()?;
        let mut object = Vec::with_capacity(TYPICAL_MEMBERS);
        while let Some(key) = members.next_key_seed(Key)? {
            object.push((key, members.next_value_seed(child)?));
        }
        Ok(Json::Object(object))
    }
}

/// An entry of a vaccination certificate has ten members; growing by doubling would copy them three times.
const TYPICAL_MEMBERS: usize = 10;

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &[u8]) -> String {
        Json::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn members_keep_their_order_and_their_repetition() {
        let Json::Object(members) = Json::parse(br#"{"b":1,"a":2,"b":3}"#).unwrap() else { panic!("an object") };
        let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
    }

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        assert!(matches!(Json::parse(r#""é""#.as_bytes()).unwrap(), Json::String(Cow::Borrowed("é"))));
        assert!(matches!(Json::parse(br#""\u00e9""#).unwrap(), Json::String(Cow::Owned(text)) if text == "é"));
    }

    #[test]
    fn integers_and_other_numbers_are_told_apart() {
        assert_eq!(Json::parse(b"-3").unwrap(), Json::Int(-3));
        assert_eq!(Json::parse(b"1.0").unwrap(), Json::Float(1.0));
        assert_eq!(Json::parse(b"18446744073709551615").unwrap(), Json::BigInt(u64::MAX));
    }

    #[test]
    fn refusals_say_where_and_quote_nothing() {
        assert!(refusal(br#"{"fn": "Dupont" "gn": 1}"#).contains("line 1 column 17"));
        assert!(!refusal(br#"{"fn": "Dupont" "gn": 1}"#).contains("Dupont"));
        assert!(refusal(b"{} {}").contains("trailing characters"));
        assert!(refusal(b"").contains("EOF"));
        assert!(refusal(b"\"\xff\"").contains("unicode"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(10_000);
        assert!(refusal(deep.as_bytes()).contains("nested deeper than 16 levels"));
        let fine = format!("{}{}", "[".repeat(16), "]".repeat(16));
        assert!(Json::parse(fine.as_bytes()).is_ok());
    }
}
