//! The keyring, and the way of a batch: prepare -> sign -> verify -> assemble.
//!
//! 1. [`Signer`] takes one [`Keyring`] snapshot and one reading of the clock for the batch, and cuts it into slices.
//! 2. A slice is given a [`Route`]: the tokens in the order in which they are asked, the one with the least to do in front; keys
//!    that are used by weight take turns (`turn`).
//! 3. The items are claimed. One that was signed before, for the same caller, gets the same certificate again (`replay`); one
//!    that is in work for another call is waited for, when all that the slice itself has claimed is done.
//! 4. rayon (`pools`), per item: payload -> `Hcert` -> one DSC -> claims -> digest. The result is a `Prepared`: not `Clone`, consumed by
//!    signing. A bad item keeps its own faults and the rest go on.
//! 5. The token signs, in groups of one DSC, each of which is on record first (`on_record`).
//! 6. rayon: the signatures are verified with the DSC's public key, many at once (`checking`), and the certificates assembled.
//!    They are on record, and kept, before they leave.
//! 7. What a token did not sign, or not well, goes to another (`failover`): under the same DSC the same bytes, under another
//!    prepared afresh.
//!
//! [`stage`] times each of these, [`outlook`] says what a profile can sign at a moment, and `forecast`
//! until when.
//!
//! Beside the way stand [`audit`] and [`upload`], the keys that sign the ledger and revocation lists, [`clock_guard`], a clock
//! that refuses after it has jumped, and [`state_file`], which keeps what a restart must not forget.

pub mod audit;
pub mod batch;
pub mod checking;
pub mod clock_guard;
pub mod clock_record;
mod failover;
mod forecast;
pub mod keyring;
pub mod lease;
mod on_record;
pub mod outlook;
mod placed_key;
mod pools;
mod prepare;
pub mod profile;
mod replay;
pub mod route;
pub mod signer;
pub mod signing_key;
pub mod stage;
pub mod state_file;
mod turn;
pub mod upload;

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod tests;

pub use audit::{AuditKey, SealError, SealPace};
pub use batch::{BatchItem, BatchRequest, Certificate, ItemError, ItemOutcome, Permits, SignFailure};
pub use checking::Checking;
pub use clock_guard::{ClockGuard, ClockStatus, MachineClocks};
pub use clock_record::ClockFile;
pub use keyring::{Keyring, KeysLacking, Lacking, LiveKeyring};
pub use lease::Lease;
pub use outlook::{Cause, Hindrance, Outlook, Standstill};
pub use placed_key::NotSigned;
pub(crate) use pools::pause;
pub use profile::{Durations, Profile};
pub use route::{Route, Station};
pub use signer::{Signer, SignerSettings};
pub use signing_key::{KeyringError, SigningKey};
pub use stage::Stage;
pub use state_file::StateFile;
pub use upload::{UploadError, UploadKey, UploadKeyError};
