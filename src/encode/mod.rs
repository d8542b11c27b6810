//! Domain to bytes and back: deterministic CBOR, `Sig_structure`, COSE_Sign1, HC1. Pure functions.
//!
//! ```text
//! Hcert + claims -> CBOR map (claims) -> Sig_structure -> SHA-256 -> [signature]
//!                                     -> COSE_Sign1 (tag 18) -> zlib -> base45 -> "HC1:…"
//! ```
//!
//! [`revocation`] has the lists of what is not valid any more, [`cms`] the signed messages that carry them.
//! [`csr`] is what the CSCA is asked for with a new key, [`specimen`] what a key signs before it is in use.
//!
//! Same claims, same bytes: definite lengths, shortest integers, map keys in bytewise order (RFC 8949 section 4.2.1).

pub mod cbor;
pub mod claims;
pub mod cms;
pub mod cose;
pub mod csr;
pub mod decode;
mod deflate;
pub mod hc1;
pub mod json;
pub mod revocation;
pub mod specimen;

#[cfg(test)]
mod tests;

pub use cbor::ToCbor;
pub use claims::{ClaimsSet, payload_in};
pub use cose::{CoseBytes, ProtectedHeader};
pub use decode::{DecodeError, SignedHcert};
pub use hc1::Hc1;
