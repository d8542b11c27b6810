//! The two signature algorithms of the HCERT specification.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a certificate is signed.
///
/// # Source
/// hcert_spec 1.0.8 section 3.3.2; RFC 9053 section 2.1 (ES256), RFC 8230 section 2 (PS256).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; the primary algorithm. A signature is 64 bytes.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes; a signature is as long as the modulus.
    #[serde(rename = "PS256")]
    Ps256,
}

impl Algorithm {
    /// Both of them, the primary one first.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Ps256];

    /// The name that COSE gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(UnknownAlgorithm)
    }
}

/// A name that is none of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm; HCERT has ES256 and PS256")]
pub struct UnknownAlgorithm;
