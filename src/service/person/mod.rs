//! The person behind a call: a JWT in the call's metadata says who asked the backend for a certificate, and as what.
//!
//! The JWT's profession claim, looked up in the configured table, limits the certificate types; of its subject only a
//! pseudonym goes on. Nothing of a JWT reaches a log line, a metric or an error.
//!
//! Reading order: [`claims`](read_claims) (what a JWT says, pure), `jwks` and `live` (the keys that it may be signed with),
//! [`verifier`](PersonVerifier).

mod algorithm;
mod claims;
mod error;
mod fetch;
mod header;
mod jwks;
mod live;
mod path;
mod pseudonym;
mod recent;
mod source;
mod times;
mod verifier;

pub use algorithm::JwtAlgorithm;
pub use claims::{ClaimRules, Claims, Person, read_claims};
pub use error::{ClaimError, PersonError, TimeError};
pub use path::{ClaimPath, InvalidClaimPath};
pub use pseudonym::{Pseudonym, PseudonymMaker};
pub use source::{KeySource, Pace, SourceError};
pub use times::JwtTimes;
pub use verifier::{PersonSettings, PersonVerifier};
