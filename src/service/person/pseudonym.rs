//! A person's name that is none.

use std::fmt;

use aws_lc_rs::hmac;

/// Stands for a person: 32 hexadecimal digits. The same subject has the same one under the same secret; without the secret it
/// cannot be made from a subject, nor a subject from it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pseudonym(Box<str>);

impl Pseudonym {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

/// Makes pseudonyms: HMAC-SHA-256 of the subject under a secret of the installation, its first 16 bytes.
#[derive(Clone)]
pub struct PseudonymMaker {
    key: hmac::Key,
}

impl PseudonymMaker {
    /// The fewest bytes of a secret.
    pub const MIN_SECRET_BYTES: usize = 32;

    /// A maker under a secret; none where it has fewer than 32 bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= Self::MIN_SECRET_BYTES).then(|| Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// The pseudonym of a subject.
    #[must_use]
    pub fn make(&self, subject: &str) -> Pseudonym {
        let tag = hmac::sign(&self.key, subject.as_bytes());
        Pseudonym(hex::encode(&tag.as_ref()[..16]).into())
    }
}

impl fmt::Debug for PseudonymMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymMaker(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected digits are those of Python's hmac module.
    #[test]
    fn a_pseudonym_is_the_first_half_of_the_hmac() {
        let maker = PseudonymMaker::new(&[0x0b; 32]).unwrap();
        assert_eq!(maker.make("899700218896").as_str(), "ed4e9535cc4d09f44ebe205fd1cd1499");
        assert_ne!(maker.make("899700218897"), maker.make("899700218896"));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(PseudonymMaker::new(&[1; 31]).is_none());
    }
}
