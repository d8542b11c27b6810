//! Who says which items are free.

use super::{Claim, ItemKey, Kept, Ticket};
use crate::domain::NumericDate;
use crate::ledger::store::ToKeep;
use crate::ledger::{EachItem, LedgerFuture, LedgerKeys};

/// How many items a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Those that are kept for retries.
    pub kept: usize,
    /// Those that are claimed, and neither kept nor free yet.
    pub in_work: usize,
}

/// Gives claims out, beside a chain that says what was signed.
pub(in crate::ledger) trait Claims: Send + Sync {
    /// Claims items; see [`crate::ledger::Ledger::claim`].
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>>;

    /// Encrypts what was signed, as it is to be written with its outcome.
    fn seal(&self, keys: &LedgerKeys, signed: &[(Ticket, Kept)], due: NumericDate) -> ToKeep;

    /// Ends claims whose items were written with their outcome.
    fn keep(&self, signed: Vec<(Ticket, Kept)>) -> EachItem<()>;

    /// How many items are held; nothing where only the database knows.
    fn held(&self) -> Option<Held>;
}
