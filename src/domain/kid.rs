//! The name that a certificate gives its signing certificate.

use std::fmt;
use std::str::FromStr;

/// Key identifier: the first 8 bytes of SHA-256 over the DER of the DSC.
///
/// It names a key and proves nothing: two DSCs may share one, and verifiers try each.
///
/// # Source
/// hcert_spec 1.0.8 section 3.3.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid([u8; 8]);

impl Kid {
    /// The kid of a certificate in DER.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Self {
        let hash = super::Digest::of(der);
        let (head, _) = hash.as_bytes().split_first_chunk::<8>().expect("32 bytes hold 8");
        Self(*head)
    }

    /// The 8 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<[u8; 8]> for Kid {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kid({self})")
    }
}

impl FromStr for Kid {
    type Err = InvalidKid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidKid)?;
        Ok(Self(bytes))
    }
}

/// A kid that is not 8 bytes in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kid is 8 bytes, written as 16 hex digits")]
pub struct InvalidKid;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kid_is_the_head_of_the_hash() {
        // SHA-256("") = e3b0c44298fc1c14 9afbf4c8…
        assert_eq!(Kid::of_der(b"").to_string(), "e3b0c44298fc1c14");
    }

    #[test]
    fn hex_goes_both_ways() {
        let kid: Kid = "870aaa4460b56d17".parse().unwrap();
        assert_eq!(kid.to_string(), "870aaa4460b56d17");
        assert_eq!("870aaa4460b56d".parse::<Kid>(), Err(InvalidKid));
        assert_eq!("870aaa4460b56d1g".parse::<Kid>(), Err(InvalidKid));
    }
}
