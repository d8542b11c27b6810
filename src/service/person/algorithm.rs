//! How a JWT may be signed.

use std::fmt;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

/// An algorithm that a JWT may be signed with.
///
/// `none` and the HMACs cannot be said: with either, whoever knows the public key could write a JWT.
///
/// # Source
/// RFC 7518 section 3.1, RFC 8037 section 3.1; RFC 8725 section 3.1 for the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum JwtAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PSS with SHA-256, 2048 bits or more.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// What is taken where the configuration says nothing.
    pub const DEFAULT: [Self; 3] = [Self::Es256, Self::Ps256, Self::Rs256];

    /// The one that a header names, if it is one of ours.
    pub(super) const fn named(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::ES256 => Some(Self::Es256),
            Algorithm::PS256 => Some(Self::Ps256),
            Algorithm::RS256 => Some(Self::Rs256),
            Algorithm::EdDSA => Some(Self::EdDsa),
            _ => None,
        }
    }

    pub(super) const fn for_library(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::Ps256 => Algorithm::PS256,
            Self::Rs256 => Algorithm::RS256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        })
    }
}
