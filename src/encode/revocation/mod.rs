//! Revocation lists as the EU gateway exchanges them: batches of hashes, in JSON, signed as CMS.
//!
//! An issuer: [`batches`] groups what is revoked, [`RevocationBatch::to_json`] writes a batch plain,
//! [`RevocationBatch::to_be_signed`] for the upload.
//! A verifier: [`RevocationList`] holds what it was given, and says whether a certificate is in it.
//!
//! # Source
//! EU eHealth Network, DCC revocation (B2A); dgc-gateway, RevocationBatchDto and RevocationListService.

mod batch;
mod group;
mod json;
mod list;
mod signed;

pub use batch::{MAX_ENTRIES, RevocationBatch};
pub use group::{Batches, ExpiryStep, batches};
pub use json::BatchError;
pub use list::RevocationList;
pub use signed::{ForeignCertificate, ListError, SigningError};
