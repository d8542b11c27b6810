//! Who says which items are free.

use super::{Claim, ItemKey, Kept, Ticket};
use crate::ledger::{EachItem, LedgerFuture};

/// Gives claims out, beside a chain that says what was signed.
pub(in crate::ledger) trait Claims: Send + Sync {
    /// Claims items; see [`crate::ledger::Ledger::claim`].
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>>;

    /// Ends claims whose items were written with their outcome.
    fn keep(&self, signed: Vec<(Ticket, Kept)>) -> EachItem<()>;
}
