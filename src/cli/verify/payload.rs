//! A payload as JSON, for people who may read it.

use ciborium::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// CBOR as JSON: tags off, byte strings in hex, the members in their order. Depth is bounded by the decoder.
#[derive(Debug)]
pub(super) struct AsJson<'v>(pub(super) &'v Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => serializer.collect_str(&i128::from(*number)),
            },
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&hex::encode(bytes)),
            Value::Tag(_, inner) => AsJson(inner).serialize(serializer),
            Value::Array(items) => serializer.collect_seq(items.iter().map(AsJson)),
            Value::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(&name(key), &AsJson(value)))?;
                map.end()
            }
            _ => serializer.serialize_unit(),
        }
    }
}

/// JSON's names are strings: any other key goes in as its JSON text.
fn name(key: &Value) -> String {
    match key {
        Value::Text(text) => text.clone(),
        other => serde_json::to_string(&AsJson(other)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cbor: &str) -> String {
        let value: Value = ciborium::from_reader(hex::decode(cbor).unwrap().as_slice()).unwrap();
        serde_json::to_string(&AsJson(&value)).unwrap()
    }

    #[test]
    fn members_keep_their_order() {
        assert_eq!(json("a2 6162 01 6161 81 f5".replace(' ', "").as_str()), r#"{"b":1,"a":[true]}"#);
    }

    #[test]
    fn tags_go_and_bytes_become_hex() {
        assert_eq!(json("c0647465787 4".replace(' ', "").as_str()), r#""text""#);
        assert_eq!(json("4201ff"), r#""01ff""#);
    }

    #[test]
    fn what_json_lacks_has_a_form_all_the_same() {
        assert_eq!(json("3bffffffffffffffff"), r#""-18446744073709551616""#);
        assert_eq!(json("1bffffffffffffffff"), "18446744073709551615");
        assert_eq!(json("a101f6"), r#"{"1":null}"#);
        assert_eq!(json("f97e00"), "null");
    }
}
