//! Reading one object at a time, and keeping what is wrong with it.

use std::borrow::Cow;

use super::super::json::Json;
use super::super::text::{exceeds_chars, has_control, to_nfc};
use super::super::value_sets::{CodeStatus, ValueSet};
use super::super::{Fault, Faults, NumericDate, Rule};
use super::{ROOT, Rulebook};

/// The schema's length of names, identifiers and free text, in code points.
pub(super) const MAX_TEXT_CHARS: usize = 80;

/// The most faults of one payload: 8 KiB of unknown members would make 1,600, and an answer 16 times as long as the request.
const MAX_FAULTS: usize = 50;

/// Applies a rulebook and collects faults.
pub(super) struct Reader<'r> {
    pub(super) rulebook: &'r Rulebook,
    pub(super) now: NumericDate,
    faults: Vec<Fault>,
}

/// The members of one object, each under its known name.
pub(super) struct Members<'a, const N: usize> {
    path: &'static str,
    names: [&'static str; N],
    /// The names as numbers: comparing those costs a tenth of comparing texts, and there are some 20 look-ups a payload.
    codes: [u32; N],
    slots: [Slot<'a>; N],
}

/// A member of an object: a path that is not written until there is a fault.
#[derive(Clone, Copy)]
pub(super) struct Place {
    object: &'static str,
    name: &'static str,
}

impl From<Place> for String {
    fn from(Place { object, name }: Place) -> Self {
        if object == ROOT { name.to_owned() } else { format!("{object}.{name}") }
    }
}

/// A name of at most three bytes, as all of the schema's are; every other name has the code of none.
const fn name_code(name: &str) -> u32 {
    match *name.as_bytes() {
        [a] => u32::from_be_bytes([1, 0, 0, a]),
        [a, b] => u32::from_be_bytes([2, 0, a, b]),
        [a, b, c] => u32::from_be_bytes([3, a, b, c]),
        _ => 0,
    }
}

#[derive(Default)]
enum Slot<'a> {
    #[default]
    Absent,
    /// There, but taken already or at fault: nothing more is to be said of it.
    Spent,
    Value(Json<'a>),
}

impl<'a, const N: usize> Members<'a, N> {
    /// Whether the member stands in the object, with whatever value.
    pub(super) fn is_present(&self, name: &str) -> bool {
        self.position(name).is_some_and(|index| !matches!(self.slots[index], Slot::Absent))
    }

    /// The member's value, once.
    pub(super) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let slot = &mut self.slots[self.position(name)?];
        match std::mem::replace(slot, Slot::Spent) {
            Slot::Value(value) => Some(value),
            Slot::Spent => None,
            Slot::Absent => {
                *slot = Slot::Absent;
                None
            }
        }
    }

    /// The path of the object itself.
    pub(super) const fn path_of_object(&self) -> &'static str {
        self.path
    }

    /// Where a member is.
    pub(super) const fn place(&self, name: &'static str) -> Place {
        Place { object: self.path, name }
    }

    /// The path of a member.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path == ROOT { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The path of a member that no schema knows: an odd name stands in brackets, so that it cannot be taken for a path.
    fn path_of_unknown(&self, name: &str) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.is_empty() && name.len() <= MAX_SHOWN && name.bytes().all(is_plain) {
            return self.path(name);
        }
        format!("{}['{}']", self.path, escaped(name))
    }

    fn position(&self, name: &str) -> Option<usize> {
        let code = name_code(name);
        self.codes.iter().position(|known| *known == code && code != 0)
    }
}

impl<'r> Reader<'r> {
    pub(super) fn new(rulebook: &'r Rulebook, now: NumericDate) -> Self {
        Self { rulebook, now, faults: Vec::new() }
    }

    /// The value where nothing is at fault, the faults otherwise.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        match (value, Faults::from_list(self.faults)) {
            (Some(value), None) => Ok(value),
            (_, Some(faults)) => Err(faults),
            (None, None) => Err(Fault::new(ROOT, Rule::JsonSyntax, "the payload could not be read").into()),
        }
    }

    pub(super) const fn applies(&self, rule: Rule) -> bool {
        self.rulebook.rules.contains(rule)
    }

    /// Notes a fault, where its rule is applied; from [`MAX_FAULTS`] on, no more.
    pub(super) fn fault(&mut self, path: impl Into<String>, rule: Rule, message: impl Into<String>) {
        if self.applies(rule) && self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault::new(path, rule, message));
        }
    }

    pub(super) fn wrong_type(&mut self, path: String, wanted: &str, found: &Json<'_>) {
        self.fault(path, Rule::SchemaType, format!("is {}; must be {wanted}", found.kind()));
    }

    /// Sorts an object's members by name; unknown, repeated and null ones are faults.
    pub(super) fn members<'a, const N: usize>(
        &mut self,
        path: &'static str,
        names: [&'static str; N],
        value: Json<'a>,
    ) -> Option<Members<'a, N>> {
        let object = match value {
            Json::Object(object) => object,
            other => {
                let found = other.kind();
                self.fault(path, Rule::SchemaType, format!("is {found}; must be an object"));
                return None;
            }
        };
        let mut members = Members { path, names, codes: names.map(name_code), slots: [const { Slot::Absent }; N] };
        for (key, value) in object {
            self.sort_in(&mut members, &key, value);
        }
        Some(members)
    }

    fn sort_in<'a, const N: usize>(&mut self, members: &mut Members<'a, N>, key: &str, value: Json<'a>) {
        let Some(index) = members.position(key) else {
            let known = members.names.join(", ");
            self.fault(members.path_of_unknown(key), Rule::SchemaUnknownField, format!("unknown; the members here are {known}"));
            return;
        };
        if !matches!(members.slots[index], Slot::Absent) {
            self.fault(members.path(key), Rule::JsonDuplicateKey, "stands twice; a member stands once");
            return;
        }
        members.slots[index] = if value == Json::Null {
            self.fault(members.path(key), Rule::SchemaNull, "null; a member without a value is left out");
            Slot::Spent
        } else {
            Slot::Value(value)
        };
    }

    /// A member that has to be there.
    pub(super) fn required<'a, const N: usize>(&mut self, members: &mut Members<'a, N>, name: &str) -> Option<Json<'a>> {
        if !members.is_present(name) {
            self.fault(members.path(name), Rule::SchemaRequired, "missing; it is required");
        }
        members.take(name)
    }

    /// A required text of at most [`MAX_TEXT_CHARS`].
    pub(super) fn required_text<'a, const N: usize>(&mut self, members: &mut Members<'a, N>, name: &str) -> Option<Cow<'a, str>> {
        let value = self.required(members, name)?;
        self.text(members, name, value)
    }

    /// A text that may be absent. The outer `None` says that it is at fault.
    #[expect(clippy::option_option, reason = "absent is fine and faulty is not; both callers handle the three cases in one `?`")]
    pub(super) fn optional_text<'a, const N: usize>(
        &mut self,
        members: &mut Members<'a, N>,
        name: &str,
    ) -> Option<Option<Cow<'a, str>>> {
        match members.take(name) {
            Some(value) => self.text(members, name, value).map(Some),
            None => (!members.is_present(name)).then_some(None),
        }
    }

    /// A text of at most [`MAX_TEXT_CHARS`], in NFC, without control characters.
    pub(super) fn text<'a, const N: usize>(
        &mut self,
        members: &Members<'a, N>,
        name: &str,
        value: Json<'a>,
    ) -> Option<Cow<'a, str>> {
        let text = to_nfc(self.raw_text(members, name, value)?);
        if exceeds_chars(&text, MAX_TEXT_CHARS) {
            let count = text.chars().count();
            self.fault(members.path(name), Rule::SchemaLength, format!("{count} characters; at most {MAX_TEXT_CHARS}"));
            return None;
        }
        Some(text)
    }

    /// A string as it stands, without control characters.
    pub(super) fn raw_text<'a, const N: usize>(
        &mut self,
        members: &Members<'a, N>,
        name: &str,
        value: Json<'a>,
    ) -> Option<Cow<'a, str>> {
        let text = match value {
            Json::String(text) => text,
            other => {
                self.wrong_type(members.path(name), "a string", &other);
                return None;
            }
        };
        if has_control(&text) {
            self.fault(members.path(name), Rule::TextControl, "a control character; text has none");
            return None;
        }
        Some(text)
    }

    /// Notes a text that is there and says nothing.
    pub(super) fn not_blank<const N: usize>(&mut self, members: &Members<'_, N>, name: &str, text: &str) {
        if text.trim().is_empty() {
            self.fault(
                members.path(name),
                Rule::TextGiven,
                "blank; a text that is not known is left out, a required one is given",
            );
        }
    }

    /// A required coded value.
    pub(super) fn required_code<'a, const N: usize>(
        &mut self,
        members: &mut Members<'a, N>,
        name: &str,
        set: ValueSet,
    ) -> Option<Cow<'a, str>> {
        let value = self.required(members, name)?;
        let code = self.raw_text(members, name, value)?;
        self.check_code(members.path, name, set, &code);
        Some(code)
    }

    /// Notes a code that is unknown, or not for new certificates.
    pub(super) fn check_code(&mut self, path: &str, name: &str, set: ValueSet, code: &str) {
        match self.rulebook.value_sets.status(set, code) {
            CodeStatus::Active => {}
            CodeStatus::Inactive => self.fault(
                format!("{path}.{name}"),
                Rule::CodeActive,
                format!(
                    "{} is a {} for old certificates only; take one that is active in value set {}",
                    shown(code),
                    set.title(),
                    set.id()
                ),
            ),
            CodeStatus::Unknown => self.fault(
                format!("{path}.{name}"),
                Rule::CodeKnown,
                format!("{} is no {}; take a code of value set {}", shown(code), set.title(), set.id()),
            ),
        }
    }
}

/// A code as a message may show it: quoted, short, without control characters.
pub(super) fn shown(code: &str) -> String {
    format!("'{}'", escaped(code))
}

/// The most characters of the caller's that a message repeats.
const MAX_SHOWN: usize = 40;

/// A text as a message may repeat it: short, and without characters that a terminal or a log could act on.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(MAX_SHOWN) {
        if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    if exceeds_chars(text, MAX_SHOWN) {
        shown.push('…');
    }
    shown
}

/// Neither control characters, nor those that reorder or hide text.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
