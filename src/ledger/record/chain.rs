//! How records hang together.

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Octets};

/// What a record and all before it come to.
pub type Link = Octets<32>;

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last record's place; 0 before the first.
    pub seq: u64,
    /// Its link.
    pub link: Link,
}

impl Head {
    /// That of a chain without records.
    pub const EMPTY: Self = Self { seq: 0, link: Octets([0; 32]) };

    /// The head after one more record.
    #[must_use]
    pub fn next(&self, digest: &Octets<32>) -> Self {
        let link = Digest::of_parts(&[b"sceau link v1\0", self.link.as_ref(), digest.as_ref()]);
        Self { seq: self.seq + 1, link: link.into() }
    }

    /// What an audit key signs to say that this was the head of an instance's chain at an instant (milliseconds since 1970).
    #[must_use]
    pub fn sealed_digest(&self, instance: &str, at: i64) -> Digest {
        let length = (instance.len() as u64).to_be_bytes();
        let (seq, at) = (self.seq.to_be_bytes(), at.to_be_bytes());
        Digest::of_parts(&[b"sceau seal v1\0", &length, instance.as_bytes(), &seq, self.link.as_ref(), &at])
    }
}
