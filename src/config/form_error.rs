//! What serde finds wrong with a value, with its place.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::form::nearest;
use super::path::{Path, Step};

/// One fault; the first that a reading meets.
#[derive(Debug)]
pub(super) struct FormError {
    pub(super) wrong: Wrong,
    /// The innermost value, or for a missing key its table.
    pub(super) at: Option<Path>,
}

/// What kind of fault.
#[derive(Debug)]
pub(super) enum Wrong {
    Missing(&'static str),
    /// What it is, and what it has to be.
    Value(String),
    /// In the words of the value's own parser.
    Told(String),
}

impl FormError {
    const fn new(wrong: Wrong) -> Self {
        Self { wrong, at: None }
    }

    /// The same, in a place, if its place is not known yet.
    pub(super) fn at(self, place: &Path) -> Self {
        Self { at: Some(self.at.unwrap_or_else(|| place.clone())), ..self }
    }
}

impl Wrong {
    /// The fault of a key, or of one value in a list.
    pub(super) fn text(&self, step: &Step, table: &Path) -> String {
        let what = match (step, table.split()) {
            (Step::Key(key), _) if table.is_root() => format!("[{key}]"),
            (Step::Key(key), _) => format!("`{key}` in {table}"),
            (Step::Index(_), Some((parent, Step::Key(key)))) if !parent.is_root() => {
                format!("value {step} of `{key}` in {parent}")
            }
            (Step::Index(_), _) => format!("{step} of {table}"),
        };
        match self {
            Self::Missing(key) => format!("the key `{key}` is missing in {table}"),
            Self::Value(text) => format!("{what} is {text}"),
            Self::Told(text) => format!("{what}: {text}"),
        }
    }
}

impl de::Error for FormError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Wrong::Told(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Wrong::Value(format!("{}; it has to be {}", said(found), wanted(&expected.to_string()))))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = nearest(variant, expected).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        let known: Vec<String> = expected.iter().map(|known| format!("{known:?}")).collect();
        Self::new(Wrong::Value(format!("{variant:?}; it is one of {}{near}", known.join(", "))))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Wrong::Missing(field))
    }
}

impl Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.wrong)
    }
}

impl std::error::Error for FormError {}

/// A value in TOML's words.
fn said(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(value) => format!("the text {value:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// Rust's names of types in an operator's words.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        "socket address" => "an address with its port, like \"127.0.0.1:7443\"",
        expected if expected.starts_with("a nonzero") => "a whole number from 1 on",
        expected if expected.starts_with("struct ") => "a section",
        expected => expected,
    }
}
