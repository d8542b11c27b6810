//! The text of a certificate: zlib, base45, `HC1:`.

use std::fmt;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{CoseBytes, deflate};

/// The prefix of version 1.
pub const PREFIX: &str = "HC1:";

/// A certificate as it goes into a QR code. It may end in a space: never trim it.
///
/// # Source
/// hcert_spec 1.0.8 sections 4.1 and 4.2; RFC 1950; RFC 9285.
#[derive(Clone, PartialEq, Eq)]
pub struct Hc1(String);

impl Hc1 {
    /// Compresses and encodes a COSE message.
    #[must_use]
    pub fn encode(cose: &CoseBytes) -> Self {
        Self(text(&compressed(cose.as_bytes())))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the text away.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Hc1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hc1({} characters)", self.0.len())
    }
}

/// The prefix, and base45: two bytes become three characters, the lowest digit first; a last byte two.
///
/// Straight into its place: the library's own text would be grown once and copied once.
fn text(bytes: &[u8]) -> String {
    let (pairs, last) = bytes.as_chunks::<2>();
    let mut text = Vec::with_capacity(PREFIX.len() + 3 * pairs.len() + 2 * last.len());
    text.extend_from_slice(PREFIX.as_bytes());
    for pair in pairs {
        let number = usize::from(u16::from_be_bytes(*pair));
        let [c, d] = LOW_DIGITS[number % LOW_DIGITS.len()];
        text.extend_from_slice(&[c, d, ALPHABET[number / LOW_DIGITS.len()]]);
    }
    if let [byte] = last {
        text.extend_from_slice(&LOW_DIGITS[usize::from(*byte)]);
    }
    String::from_utf8(text).expect("the alphabet is ASCII")
}

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// The two lower digits of a number, the lowest first.
static LOW_DIGITS: [[u8; 2]; 45 * 45] = {
    let mut digits = [[0; 2]; 45 * 45];
    let mut number = 0;
    while number < digits.len() {
        digits[number] = [ALPHABET[number % 45], ALPHABET[number / 45]];
        number += 1;
    }
    digits
};

/// Fast rather than small: signature and kid do not compress, and over the states' vectors a library's best saves 2 bytes of 375.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= deflate::MAX_BYTES {
        return deflate::zlib(bytes);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes every byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base45_is_as_another_library_writes_it() {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_be_bytes).collect();
        for bytes in [&bytes[..], &bytes[1..], &bytes[..1], &[]] {
            assert_eq!(text(bytes), format!("{PREFIX}{}", base45::encode(bytes)));
        }
        for byte in 0..=u8::MAX {
            assert_eq!(text(&[byte]), format!("{PREFIX}{}", base45::encode([byte])));
        }
    }

    #[test]
    fn what_is_longer_than_any_certificate_is_compressed_too() {
        let zeros = vec![0; deflate::MAX_BYTES + 1];
        assert!(compressed(&zeros).len() < 1_000);
    }
}
