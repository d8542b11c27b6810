//! Text as certificates carry it: NFC, counted in code points.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Brings a text to NFC; one that is in NFC already is handed back untouched.
///
/// # Source
/// hcert_spec 1.0.8 section 3.3.7.
#[must_use]
pub fn to_nfc(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    let normal: String = text.nfc().collect();
    if normal == *text { text } else { Cow::Owned(normal) }
}

/// Whether a text has more than `max` code points (the unit of JSON schema's `maxLength`).
#[must_use]
pub fn exceeds_chars(text: &str, max: usize) -> bool {
    text.len() > max && text.chars().nth(max).is_some()
}

/// Whether a text holds a control character (C0, DEL, C1): NUL, line breaks, tabs.
#[must_use]
pub fn has_control(text: &str) -> bool {
    // One pass without a branch, which the compiler makes a vector of: C1 begins with 0xc2 in UTF-8.
    let is_suspect = text.bytes().fold(false, |suspect, byte| suspect | (byte < 0x20) | (byte == 0x7f) | (byte == 0xc2));
    is_suspect && text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_text_is_not_touched() {
        for text in ["Wéa", "plain", "", "Đặng", "Ἀθῆναι"] {
            assert!(matches!(to_nfc(Cow::Borrowed(text)), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn decomposed_text_is_composed() {
        assert_eq!(to_nfc(Cow::Borrowed("We\u{301}a")), "Wéa");
    }

    #[test]
    fn length_is_counted_in_code_points() {
        assert!(!exceeds_chars(&"é".repeat(80), 80));
        assert!(exceeds_chars(&"é".repeat(81), 80));
        assert!(!exceeds_chars("", 0));
    }

    #[test]
    fn control_characters_are_seen() {
        for text in ["a\0b", "a\nb", "é\u{85}", "\u{7f}"] {
            assert!(has_control(text), "{text:?}");
        }
        assert!(!has_control("Jean-Pierre d'Été"));
    }
}
