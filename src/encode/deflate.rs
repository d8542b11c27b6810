//! zlib for some hundred bytes: one block of the fixed codes, matches found by one look-up each.
//!
//! Of our own, since a library's compressor is made for long streams: it clears tables of 128 KiB before each certificate, which
//! costs more than all else that is done for one, and sweeps the first-level cache. This is the method of their fastest level
//! in 4 KiB on the stack: no state, so the same bytes each time. What is read back is a library's matter ([`super::decode`]).
//!
//! # Source
//! RFC 1950 section 2.2; RFC 1951 sections 3.2.5 and 3.2.6.

use std::mem::replace;

/// The longest input. A certificate has below 1 KiB; a longer one would need positions of more than 16 bits.
pub(super) const MAX_BYTES: usize = 32 * 1024;

/// Deflate with a window of 32 KiB, fastest method, no dictionary.
const ZLIB_HEAD: [u8; 2] = [0x78, 0x01];

/// Compresses at most [`MAX_BYTES`].
pub(super) fn zlib(input: &[u8]) -> Vec<u8> {
    debug_assert!(input.len() <= MAX_BYTES, "{} bytes", input.len());
    // No literal has more than nine bits; head, block, end and checksum besides.
    let mut output = Vec::with_capacity(input.len() + input.len() / 8 + 16);
    output.extend_from_slice(&ZLIB_HEAD);
    let mut bits = Bits { output, pending: 0, count: 0 };
    block(input, &mut bits);
    let mut output = bits.finish();
    output.extend_from_slice(&adler32(input).to_be_bytes());
    output
}

/// The last block, with the fixed codes.
fn block(input: &[u8], bits: &mut Bits) {
    bits.push(Code { bits: 0b011, len: 3 });
    let mut seen = Seen([0; SLOTS]);
    let mut at = 0;
    while let Some(next) = input[at..].first_chunk() {
        match seen.replace(next, at).and_then(|before| Match::new(input, before, at)) {
            Some(found) => {
                bits.push(found.length());
                bits.push(found.distance());
                at += found.len;
            }
            None => {
                bits.push(LITERALS[usize::from(next[0])]);
                at += 1;
            }
        }
    }
    input[at..].iter().for_each(|byte| bits.push(LITERALS[usize::from(*byte)]));
    bits.push(symbol(END_OF_BLOCK));
}

const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 258;
/// Beyond it a match of three costs more than three literals.
const FARTHEST_OF_THREE: usize = 4096;

const SLOT_BITS: u32 = 11;
const SLOTS: usize = 1 << SLOT_BITS;

/// Where three bytes stood last, by their hash: the place after their first, so that 0 is nowhere.
struct Seen([u16; SLOTS]);

impl Seen {
    /// Notes three bytes, and says where such stood before: others too, whose hash is the same.
    fn replace(&mut self, next: &[u8; MIN_MATCH], at: usize) -> Option<usize> {
        let [a, b, c] = next.map(u32::from);
        let slot = (a | b << 8 | c << 16).wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOT_BITS);
        usize::from(replace(&mut self.0[slot as usize], at as u16 + 1)).checked_sub(1)
    }
}

/// Bytes that stood before.
struct Match {
    len: usize,
    distance: usize,
}

impl Match {
    fn new(input: &[u8], before: usize, at: usize) -> Option<Self> {
        let (distance, next) = (at - before, &input[at..]);
        let len = input[before..].iter().zip(next).take(MAX_MATCH).take_while(|(then, now)| then == now).count();
        let pays = len > MIN_MATCH || (len == MIN_MATCH && distance <= FARTHEST_OF_THREE);
        pays.then_some(Self { len, distance })
    }

    fn length(&self) -> Code {
        let over = (self.len - MIN_MATCH) as u32;
        match over {
            0..8 => symbol(257 + over),
            255 => symbol(285),
            _ => {
                let extra = over.ilog2() - 2;
                symbol(257 + 4 * extra + (over >> extra)).and(over, extra)
            }
        }
    }

    fn distance(&self) -> Code {
        let over = (self.distance - 1) as u32;
        let five = |symbol: u32| Code { bits: symbol.reverse_bits() >> (u32::BITS - 5), len: 5 };
        match over {
            0..4 => five(over),
            _ => {
                let extra = over.ilog2() - 1;
                five(2 * extra + (over >> extra)).and(over, extra)
            }
        }
    }
}

/// Bits in the order in which they are written, the first one lowest.
#[derive(Clone, Copy)]
struct Code {
    bits: u32,
    len: u32,
}

impl Code {
    /// The lowest bits of a number behind it.
    const fn and(self, number: u32, extra: u32) -> Self {
        Self { bits: self.bits | (number & ((1 << extra) - 1)) << self.len, len: self.len + extra }
    }
}

const END_OF_BLOCK: u32 = 256;

static LITERALS: [Code; 256] = {
    let mut codes = [Code { bits: 0, len: 0 }; 256];
    let mut byte = 0;
    while byte < codes.len() {
        codes[byte] = symbol(byte as u32);
        byte += 1;
    }
    codes
};

/// The fixed code of a literal, the end, or a length.
const fn symbol(symbol: u32) -> Code {
    let (code, len) = match symbol {
        0..144 => (0b0011_0000 + symbol, 8),
        144..256 => (0b1_1001_0000 + symbol - 144, 9),
        256..280 => (symbol - 256, 7),
        _ => (0b1100_0000 + symbol - 280, 8),
    };
    Code { bits: code.reverse_bits() >> (u32::BITS - len), len }
}

struct Bits {
    output: Vec<u8>,
    pending: u64,
    /// How many are pending: fewer than 32.
    count: u32,
}

impl Bits {
    fn push(&mut self, Code { bits, len }: Code) {
        self.pending |= u64::from(bits) << self.count;
        self.count += len;
        if self.count >= u32::BITS {
            self.output.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let bytes = self.count.div_ceil(u8::BITS) as usize;
        self.output.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
        self.output
    }
}

/// The checksum of RFC 1950: both sums of a piece at once, so that the compiler makes vectors of it.
fn adler32(input: &[u8]) -> u32 {
    const BASE: u32 = 65_521;
    /// The longest piece whose sums fit 32 bits.
    const PIECE: usize = 5_552;
    let (mut low, mut high) = (1, 0);
    for piece in input.chunks(PIECE) {
        let len = piece.len() as u32;
        let weighted: u32 = (1..=len).rev().zip(piece).map(|(weight, byte)| weight * u32::from(*byte)).sum();
        high = (high + (low * len) % BASE + weighted % BASE) % BASE;
        low = (low + piece.iter().map(|byte| u32::from(*byte)).sum::<u32>()) % BASE;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    /// As another library reads it, its checksum too.
    fn inflated(zlib: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        ZlibDecoder::new(zlib).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn noise(len: usize, values: u32) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % values) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn every_literal_is_read_back() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for len in 0..=bytes.len() {
            assert_eq!(inflated(&zlib(&bytes[..len])), bytes[..len]);
        }
    }

    #[test]
    fn a_match_of_every_length_is_read_back() {
        for len in 0..=600 {
            let bytes = [noise(700, 256), vec![7; len], noise(20, 256), noise(700, 256)[..len].to_vec()].concat();
            assert_eq!(inflated(&zlib(&bytes)), bytes, "{len}");
        }
    }

    #[test]
    fn a_match_at_every_distance_is_read_back() {
        for distance in (5..2_000).chain([4_095, 4_096, 4_097, 8_192, 16_385, 24_577, 32_000, 32_700]) {
            let bytes = [b"match", &*noise(distance - 5, 251), b"match"].concat();
            assert_eq!(inflated(&zlib(&bytes)), bytes, "{distance}");
        }
    }

    #[test]
    fn whatever_compresses_well_or_not_at_all_is_read_back() {
        for values in [1, 2, 3, 4, 16, 64, 256] {
            for len in [0, 1, 2, 3, 4, 5, 257, 258, 259, 260, 5_551, 5_552, 5_553, 20_000, MAX_BYTES] {
                let bytes = noise(len, values);
                let zlib = zlib(&bytes);
                assert_eq!(inflated(&zlib), bytes, "{len} of {values}");
                assert!(zlib.len() <= len + len / 8 + 16, "{len} of {values}: {}", zlib.len());
            }
        }
        let highest = vec![0xff; MAX_BYTES];
        assert_eq!(inflated(&zlib(&highest)), highest);
    }
}
