//! The keyring, and the way of a batch: prepare -> sign -> verify -> assemble.
//!
//! 1. [`Signer`] takes one [`Keyring`] snapshot and one reading of the clock for the batch.
//! 2. rayon, per item: payload -> `Hcert` -> one DSC -> claims -> digest. The result is a `Prepared`: not `Clone`, consumed by
//!    signing. A bad item keeps its own faults and the rest go on.
//! 3. The token signs, in groups of one DSC. (A ledger's intent would be written before, its outcome after.)
//! 4. rayon, per item: the signature is verified with the DSC's public key, and the certificate assembled.

pub mod batch;
pub mod keyring;
mod prepare;
pub mod profile;
pub mod signer;

#[cfg(test)]
mod tests;

pub use batch::{BatchItem, BatchRequest, Certificate, ItemError, ItemOutcome, SignFailure};
pub use keyring::{Keyring, KeyringError, LiveKeyring, SigningKey};
pub use profile::{Durations, Profile};
pub use signer::{Signer, SignerSettings};
