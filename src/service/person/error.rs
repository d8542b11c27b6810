//! Why a person is not taken. No text holds anything of the JWT.

use super::JwtAlgorithm;
use crate::domain::json::SyntaxError;

/// Why a call's person is refused. The service answers UNAUTHENTICATED, but PERMISSION_DENIED for
/// [`ClaimError::NoProfession`] and UNAVAILABLE for [`Self::NoKeys`].
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The metadata brings no JWT in the way it should.
    #[error("the metadata {header} is not one JWT: write {header}: {example}")]
    Metadata {
        /// The configured name.
        header: String,
        /// What would be right.
        example: &'static str,
    },
    /// It is longer than anybody's.
    #[error("the JWT has {bytes} bytes; it has at most {most}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest that is looked at.
        most: usize,
    },
    /// It does not have the form.
    #[error("this is no signed JWT: it is header.claims.signature, each in base64url without padding, the header a JSON object")]
    Form,
    /// It is signed otherwise, or not at all.
    #[error("the JWT's alg is not one that is taken here: {}", names(.taken))]
    Algorithm {
        /// What the configuration takes.
        taken: Vec<JwtAlgorithm>,
    },
    /// Its header has extensions that must be understood.
    #[error("the JWT's header has crit; no extension is understood here")]
    Critical,
    /// It is a JWT of another kind.
    #[error("the JWT's typ is not {right}")]
    Type {
        /// The configured one.
        right: String,
    },
    /// It does not say which key signed it.
    #[error("the JWT's header has no kid; it names the key that signed it")]
    NoKid,
    /// No key of the issuer fits.
    #[error("the JWT's kid is that of no key of the issuer that fits its alg")]
    UnknownKid,
    /// It is not what was signed.
    #[error("the JWT's signature does not verify")]
    Signature,
    /// A claim is against it.
    #[error(transparent)]
    Claims(#[from] ClaimError),
    /// It is not valid now.
    #[error(transparent)]
    Times(#[from] TimeError),
    /// There is nothing to verify it with.
    #[error("the keys of the issuer of JWTs cannot be read at present; try again in a moment")]
    NoKeys,
}

/// Which claim is against a JWT.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The claims are no JSON.
    #[error("the JWT's claims are {0}")]
    Json(#[from] SyntaxError),
    /// They are no object.
    #[error("the JWT's claims are {found}; they are an object")]
    NoObject {
        /// What they are.
        found: &'static str,
    },
    /// Nobody can say which one is meant.
    #[error("the JWT's claim {claim} stands twice")]
    Twice {
        /// The claim's name.
        claim: String,
    },
    /// A claim that has to be there is not.
    #[error("the JWT has no claim {claim}")]
    Missing {
        /// The claim's name.
        claim: String,
    },
    /// A claim is of another kind.
    #[error("the JWT's claim {claim} is {found}; it is {right}")]
    Kind {
        /// The claim's name.
        claim: String,
        /// What it is.
        found: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// `iss` is another.
    #[error("the JWT's iss is not the issuer that is trusted here")]
    Issuer,
    /// `aud` does not name this service.
    #[error("the JWT's aud does not name this service")]
    Audience,
    /// The subject is empty, too long, or there are several.
    #[error("the JWT's claim {claim} is not one text of 1 to {most} bytes")]
    Subject {
        /// The claim's name.
        claim: String,
        /// The longest that is taken, in bytes.
        most: usize,
    },
    /// The person has no profession that may issue.
    #[error("the JWT's claim {claim} names no profession that may issue certificates")]
    NoProfession {
        /// The claim's name.
        claim: String,
    },
}

/// Which time is against a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// `exp`.
    #[error("the JWT has expired (exp)")]
    Expired,
    /// `nbf`.
    #[error("the JWT is not valid yet (nbf)")]
    NotYet,
    /// `iat`.
    #[error("the JWT was issued in the future (iat); one of the clocks is wrong")]
    IssuedInFuture,
}

impl PersonError {
    /// The rule's name, for logs and counters.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Metadata { .. } => "person.metadata",
            Self::TooLong { .. } | Self::Form => "person.form",
            Self::Algorithm { .. } => "person.alg",
            Self::Critical => "person.crit",
            Self::Type { .. } => "person.typ",
            Self::NoKid | Self::UnknownKid => "person.kid",
            Self::Signature => "person.signature",
            Self::NoKeys => "person.keys",
            Self::Times(TimeError::Expired) => "person.exp",
            Self::Times(TimeError::NotYet) => "person.nbf",
            Self::Times(TimeError::IssuedInFuture) => "person.iat",
            Self::Claims(ClaimError::Issuer) => "person.iss",
            Self::Claims(ClaimError::Audience) => "person.aud",
            Self::Claims(ClaimError::NoProfession { .. }) => "person.profession",
            Self::Claims(_) => "person.claims",
        }
    }
}

fn names(algorithms: &[JwtAlgorithm]) -> String {
    algorithms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
