//! The text of a certificate: zlib, base45, `HC1:`.

use std::cell::RefCell;
use std::fmt;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::CoseBytes;

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
    ///
    /// Level 1: signature and kid do not compress, and over the states' vectors level 9 saves 0.2 byte of 377.
    #[must_use]
    pub fn encode(cose: &CoseBytes) -> Self {
        Self(COMPRESSOR.with_borrow_mut(|compressor| text(compressor.compress(cose.as_bytes()))))
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

thread_local! {
    /// Setting up deflate costs more than deflating 400 bytes; a thread keeps its state.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
}

struct Compressor {
    deflate: Compress,
    output: Vec<u8>,
}

impl Compressor {
    fn new() -> Self {
        Self { deflate: Compress::new(Compression::new(1), true), output: Vec::with_capacity(1024) }
    }

    fn compress(&mut self, input: &[u8]) -> &[u8] {
        self.deflate.reset();
        self.output.clear();
        self.output.reserve(deflate_bound(input.len()));
        let status = self.deflate.compress_vec(input, &mut self.output, FlushCompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)), "the output has room for the worst case");
        &self.output
    }
}

/// Level 1 may write a block with fixed codes, of which a literal has at most 9 bits; header, checksum and block ends besides.
const fn deflate_bound(input: usize) -> usize {
    input + input / 8 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_thread_does_not_leak_into_the_next_certificate() {
        let mut compressor = Compressor::new();
        let first = compressor.compress(b"one certificate").to_vec();
        let _ = compressor.compress(&[7; 4096]);
        assert_eq!(compressor.compress(b"one certificate"), first);
    }

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
    fn what_does_not_compress_fits_all_the_same() {
        let mut noise = vec![0u8; 100_000];
        let mut state = 1u32;
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        assert!(Compressor::new().compress(&noise).len() > noise.len());
    }
}
