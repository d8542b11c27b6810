//! Names and free words in what officers sign: no character that a reader could not see.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::text::exceeds_chars;

/// The name of an officer, of a key or of a token: 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 64;

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidWords;

    fn try_from(text: String) -> Result<Self, InvalidWords> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_label = !text.is_empty() && text.len() <= Self::MAX_CHARS && text.bytes().all(allowed);
        if is_label { Ok(Self(text)) } else { Err(InvalidWords::Label) }
    }
}

impl FromStr for Label {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Self, InvalidWords> {
        text.to_owned().try_into()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words of a person: 1 to `MAX` code points on one line, each of them visible, no blank at either end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Words<const MAX: usize>(String);

impl<const MAX: usize> Words<MAX> {
    /// As they are written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Words<MAX> {
    type Error = InvalidWords;

    fn try_from(text: String) -> Result<Self, InvalidWords> {
        if text.is_empty() || text.trim() != text || exceeds_chars(&text, MAX) {
            return Err(InvalidWords::Length { max: MAX });
        }
        if text.chars().any(is_unseen) { Err(InvalidWords::Unseen) } else { Ok(Self(text)) }
    }
}

impl<const MAX: usize> FromStr for Words<MAX> {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Self, InvalidWords> {
        text.to_owned().try_into()
    }
}

impl<const MAX: usize> From<Words<MAX>> for String {
    fn from(words: Words<MAX>) -> Self {
        words.0
    }
}

impl<const MAX: usize> fmt::Display for Words<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Controls, and what changes how its neighbours are shown: zero widths, line and paragraph breaks, directions, tags.
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A text that is no name, or not plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWords {
    /// It is no [`Label`].
    #[error("a name is 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Label,
    /// It is empty, too long, or has a blank at an end.
    #[error("the words are 1 to {max} characters with no blank at either end")]
    Length {
        /// The most characters.
        max: usize,
    },
    /// It holds what nobody sees.
    #[error("the words hold a control character, or one that is not seen; they are one line of visible text")]
    Unseen,
}
