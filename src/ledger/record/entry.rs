//! What is on record of one certificate.

use serde::{Deserialize, Serialize};

use crate::domain::{CertificateType, NumericDate, Octets};

/// One certificate: what revocation needs, and nothing about the person.
///
/// ```text
/// place u16 | type 'v' 't' 'r' | exp i64 | item 16 | payload 16 | uci 32 | country_uci 32 | signature 16        big-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The place of its digest among those of the intent, from 0 on.
    pub place: u16,
    /// Vaccination, test or recovery.
    pub kind: CertificateType,
    /// `exp`.
    pub expires_at: NumericDate,
    /// Keyed hash of the `item_id`: it is often a patient's number.
    pub item: Octets<16>,
    /// Keyed hash of the canonical payload: the same payload has the same one.
    pub payload: Octets<16>,
    /// SHA-256 of the UVCI: the revocation hash UCI, whole.
    pub uci: Octets<32>,
    /// SHA-256 of issuing country and UVCI: COUNTRYCODEUCI, whole.
    pub country_uci: Octets<32>,
    /// The first half of SHA-256 of the signature, of `r` alone for ECDSA: SIGNATURE.
    pub signature: Octets<16>,
}

impl Entry {
    /// Its length.
    pub const BYTES: usize = 2 + 1 + 8 + 16 + 16 + 32 + 32 + 16;

    /// Writes it behind what is there.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.place.to_be_bytes());
        bytes.extend_from_slice(self.kind.key().as_bytes());
        bytes.extend_from_slice(&self.expires_at.seconds().to_be_bytes());
        bytes.extend_from_slice(self.item.as_ref());
        bytes.extend_from_slice(self.payload.as_ref());
        bytes.extend_from_slice(self.uci.as_ref());
        bytes.extend_from_slice(self.country_uci.as_ref());
        bytes.extend_from_slice(self.signature.as_ref());
    }

    /// Reads one; none where the length or the type is another.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let entry = Self {
            place: u16::from_be_bytes(reader.take()?),
            kind: kind_of(reader.take::<1>()?[0])?,
            expires_at: NumericDate::from_seconds(i64::from_be_bytes(reader.take()?)),
            item: Octets(reader.take()?),
            payload: Octets(reader.take()?),
            uci: Octets(reader.take()?),
            country_uci: Octets(reader.take()?),
            signature: Octets(reader.take()?),
        };
        reader.0.is_empty().then_some(entry)
    }

    /// Every entry of a detail, in order; what is no entry is left out.
    pub fn all(detail: &[u8]) -> impl Iterator<Item = Self> {
        detail.chunks(Self::BYTES).filter_map(Self::read)
    }
}

fn kind_of(key: u8) -> Option<CertificateType> {
    CertificateType::ALL.into_iter().find(|kind| kind.key().as_bytes() == [key])
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }
}

/// Where an entry is: in which outcome, and there at which place.
///
/// ```text
/// seq u64 | index u16        big-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The outcome's place in its chain.
    pub seq: u64,
    /// The entry among its entries, from 0 on.
    pub index: u16,
}

impl Place {
    /// Its length.
    pub const BYTES: usize = 10;

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// Reads one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let mut reader = Reader(&bytes);
        let (seq, index) = (reader.take().unwrap_or_default(), reader.take().unwrap_or_default());
        Self { seq: u64::from_be_bytes(seq), index: u16::from_be_bytes(index) }
    }
}
