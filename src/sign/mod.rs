//! The keyring and the way of a batch: prepare, sign, verify, assemble.

pub mod check;

pub use check::SignatureCheck;
