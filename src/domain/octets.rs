//! A fixed number of bytes that means a hash, an identifier or a tag.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Digest;

/// `N` bytes: hexadecimal digits where a person reads them (text, JSON), a byte string where a machine does (CBOR).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Octets<const N: usize>(pub [u8; N]);

impl<const N: usize> Octets<N> {
    /// Those at the front of a slice; none where it has fewer.
    #[must_use]
    pub fn head_of(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Self)
    }
}

impl From<Digest> for Octets<32> {
    fn from(digest: Digest) -> Self {
        Self(*digest.as_bytes())
    }
}

impl<const N: usize> AsRef<[u8]> for Octets<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not `N` bytes in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {digits} hexadecimal digits")]
pub struct InvalidOctets {
    digits: usize,
}

impl<const N: usize> FromStr for Octets<N> {
    type Err = InvalidOctets;

    fn from_str(text: &str) -> Result<Self, InvalidOctets> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidOctets { digits: 2 * N })?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Octets<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de, const N: usize> Deserialize<'de> for Octets<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Reader)
        } else {
            deserializer.deserialize_bytes(Reader)
        }
    }
}

struct Reader<const N: usize>;

impl<const N: usize> Visitor<'_> for Reader<N> {
    type Value = Octets<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Octets<N>, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Octets<N>, E> {
        bytes.try_into().map(Octets).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: Octets<4> = Octets([0, 1, 0xab, 0xff]);

    #[test]
    fn a_person_reads_digits_and_a_machine_bytes() {
        assert_eq!(serde_json::to_string(&FOUR).unwrap(), "\"0001abff\"");
        let mut cbor = Vec::new();
        ciborium::into_writer(&FOUR, &mut cbor).unwrap();
        assert_eq!(cbor, [0x44, 0, 1, 0xab, 0xff]);
        assert_eq!(serde_json::from_str::<Octets<4>>("\"0001abff\"").unwrap(), FOUR);
        assert_eq!(ciborium::from_reader::<Octets<4>, _>(cbor.as_slice()).unwrap(), FOUR);
    }

    #[test]
    fn another_number_of_bytes_is_refused() {
        assert_eq!("0001ab".parse::<Octets<4>>().unwrap_err().to_string(), "it is 8 hexadecimal digits");
        assert!(ciborium::from_reader::<Octets<4>, _>([0x43, 0, 1, 2].as_slice()).is_err());
    }
}
