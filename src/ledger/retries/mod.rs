//! What is kept of signed items, so that the same item again gives the same certificate.
//!
//! 1. An item is claimed by its [`ItemKey`], which stands for caller and `item_id`. The claim is free, or the item is in work for
//!    another call, or it is kept.
//! 2. Who holds a free claim signs, and then settles its [`Ticket`] with what is to be kept. A ticket that is dropped instead
//!    (refused, failed, cancelled) frees the claim: nothing is kept of it.
//! 3. Of a kept item the payload is encoded again, under the times and the kid that were [`Kept`]. Encoding is deterministic: it
//!    is the same payload where the digest is the same, and then the kept signature makes the same certificate, byte for byte.

mod claim;
mod claims;
mod group;
mod item_key;
mod kept;
mod memory;
mod resumed;
mod shared;
mod table;

#[cfg(test)]
mod tests;

pub use claim::{Claim, InWork, Release, Ticket};
pub(in crate::ledger) use claims::Claims;
pub use claims::Held;
pub(in crate::ledger) use group::{MOST_ITEMS as MOST_GROUPED, read as read_group, write as write_group};
pub use item_key::ItemKey;
pub use kept::{Expiry, InvalidKept, Kept};
pub use memory::{MemoryLedger, Retention};
pub use resumed::{KeptOf, open_kept};
pub(in crate::ledger) use shared::SharedClaims;
pub use shared::SharedRetention;
