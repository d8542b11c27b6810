//! A value of the file as serde reads it.

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::form::Reading;
use super::form_error::FormError;
use super::path::{Path, Step};

/// A place, with what is there.
pub(super) struct Node<'r> {
    reading: &'r Reading<'r>,
    at: Path,
    found: Found<'r>,
}

enum Found<'r> {
    Given(&'r Spanned<DeValue<'r>>),
    /// What the file lacks: whatever is asked for, with this text where it is a text.
    MadeUp(&'static str),
}

impl<'r> Node<'r> {
    pub(super) fn root(reading: &'r Reading<'r>) -> Self {
        Self { reading, at: Path::default(), found: Found::Given(reading.root()) }
    }

    fn given(&self) -> Option<&'r DeValue<'r>> {
        match self.found {
            Found::Given(value) => Some(value.get_ref()),
            Found::MadeUp(_) => None,
        }
    }

    fn entries(&self, table: Option<&'r DeTable<'r>>, known: Option<&[&str]>) -> Entries<'r> {
        let mut entries = Vec::new();
        for (key, value) in table.into_iter().flatten() {
            let at = self.at.with(Step::Key(key.get_ref().to_string()));
            match known {
                Some(known) if !known.contains(&key.get_ref().as_ref()) => self.reading.tell_unknown(&self.at, key, known),
                _ if self.reading.is_left_out(&at) => {}
                _ => entries.push((key.get_ref().clone(), Node { reading: self.reading, at, found: Found::Given(value) })),
            }
        }
        for key in self.reading.made_up_in(&self.at) {
            let at = self.at.with(Step::Key(key.clone()));
            if let Some(text) = self.reading.stand_in(&at) {
                entries.push((Cow::Owned(key), Node { reading: self.reading, at, found: Found::MadeUp(text) }));
            }
        }
        Entries { rest: entries.into_iter(), value: None }
    }

    fn elements(&self, array: &'r [Spanned<DeValue<'r>>]) -> Elements<'r> {
        let node =
            |(index, value)| Node { reading: self.reading, at: self.at.with(Step::Index(index)), found: Found::Given(value) };
        let nodes: Vec<Node<'r>> = array.iter().enumerate().map(node).collect();
        let nodes = nodes.into_iter().filter(|node| !self.reading.is_left_out(&node.at)).collect::<Vec<_>>();
        Elements { rest: nodes.into_iter() }
    }

    fn visit_any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        let value = match self.found {
            Found::Given(value) => value.get_ref(),
            Found::MadeUp(text) => return visitor.visit_str(text),
        };
        match value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => visit_integer(number, visitor),
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(FormError::custom("is no number")),
            },
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(time) => visitor.visit_string(time.to_string()),
            DeValue::Array(array) => visitor.visit_seq(self.elements(array)),
            DeValue::Table(table) => visitor.visit_map(self.entries(Some(table), None)),
        }
    }
}

fn visit_integer<'de, V: Visitor<'de>>(number: &DeInteger<'_>, visitor: V) -> Result<V::Value, FormError> {
    let (text, radix) = (number.as_str(), number.radix());
    if let Ok(number) = i64::from_str_radix(text, radix) {
        visitor.visit_i64(number)
    } else if let Ok(number) = u64::from_str_radix(text, radix) {
        visitor.visit_u64(number)
    } else {
        Err(FormError::invalid_value(Unexpected::Other(text), &visitor))
    }
}

/// Asks for a kind of value: what there is, or one that is made up.
macro_rules! made_up_as {
    ($($method:ident: $visit:ident($value:expr),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
            if self.given().is_some() { self.deserialize_any(visitor) } else { visitor.$visit($value) }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = FormError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        let at = self.at.clone();
        self.visit_any(visitor).map_err(|error| error.at(&at))
    }

    made_up_as! {
        deserialize_bool: visit_bool(false),
        deserialize_u8: visit_u8(1),
        deserialize_u16: visit_u16(1),
        deserialize_u32: visit_u32(1),
        deserialize_u64: visit_u64(1),
        deserialize_i64: visit_i64(1),
        deserialize_f64: visit_f64(1.0),
        deserialize_seq: visit_seq(Elements { rest: Vec::new().into_iter() }),
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        match self.given() {
            Some(_) => self.deserialize_any(visitor),
            None => visitor.visit_map(self.entries(None, None)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        match self.given() {
            Some(_) => visitor.visit_some(self),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        let at = self.at.clone();
        let table = match self.given() {
            Some(DeValue::Table(table)) => Some(table),
            Some(_) => return self.deserialize_any(visitor),
            None => None,
        };
        visitor.visit_map(self.entries(table, Some(fields))).map_err(|error| error.at(&at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        let at = self.at.clone();
        let variant = match self.given() {
            Some(DeValue::String(text)) => text.as_ref(),
            None => variants.first().copied().unwrap_or_default(),
            Some(_) => return self.deserialize_any(visitor),
        };
        let variant: StrDeserializer<'_, FormError> = variant.into_deserializer();
        visitor.visit_enum(variant).map_err(|error| error.at(&at))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// What is in a table.
struct Entries<'r> {
    rest: std::vec::IntoIter<(Cow<'r, str>, Node<'r>)>,
    value: Option<Node<'r>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = FormError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FormError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let at = value.at.clone();
        self.value = Some(value);
        let key: StrDeserializer<'_, FormError> = key.as_ref().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(&at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FormError> {
        let node = self.value.take().ok_or_else(|| FormError::custom("a value without its key"))?;
        let at = node.at.clone();
        seed.deserialize(node).map_err(|error| error.at(&at))
    }
}

/// What is in a list.
struct Elements<'r> {
    rest: std::vec::IntoIter<Node<'r>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, FormError> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let at = node.at.clone();
        seed.deserialize(node).map(Some).map_err(|error| error.at(&at))
    }
}
