//! Certificates that no token signed, put on record by the service's own writer: for benches, and for ledgers that are large.

mod at_work;
mod certificates;

pub(crate) use at_work::LedgerAtWork;
pub(crate) use certificates::{Batch, Certificates};
