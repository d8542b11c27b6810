//! One batch: what the gateway takes, keeps and hands out as a whole.

use crate::domain::{Country, HashType, Kid, NumericDate};

/// The most entries of a batch.
pub const MAX_ENTRIES: usize = 1000;

/// Hashes of one type, of certificates under one kid, with one expiry: 1 to [`MAX_ENTRIES`].
///
/// A batch is immutable: who revokes more makes another, and who takes one back deletes the whole.
///
/// # Source
/// dgc-gateway, RevocationBatchDto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationBatch {
    pub(super) country: Country,
    pub(super) expires: NumericDate,
    pub(super) kid: Option<Kid>,
    pub(super) hash_type: HashType,
    pub(super) entries: Vec<[u8; 16]>,
}

impl RevocationBatch {
    /// The country that revokes; the gateway takes a batch of the uploader's own alone.
    #[must_use]
    pub const fn country(&self) -> Country {
        self.country
    }

    /// From when on the batch is not needed, because every certificate in it has expired.
    #[must_use]
    pub const fn expires(&self) -> NumericDate {
        self.expires
    }

    /// The kid of the certificates; nothing, where it is not known: the entries then count under any kid.
    #[must_use]
    pub const fn kid(&self) -> Option<Kid> {
        self.kid
    }

    /// What the entries are hashes of.
    #[must_use]
    pub const fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// The first 16 bytes of each hash.
    #[must_use]
    pub fn entries(&self) -> &[[u8; 16]] {
        &self.entries
    }
}
