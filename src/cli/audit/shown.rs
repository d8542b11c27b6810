//! What comes from a file that nobody vouches for yet, on a terminal.

use std::io::{self, Write};

pub(super) use crate::cli::page::line;
use crate::domain::NumericDate;
use crate::ledger::archive::instant;

/// Writes one line of a table: what, and how it is.
pub(super) fn field(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    line(out, &format!("  {name:<16}  {value}"))
}

/// The second of an instant in milliseconds.
pub(super) const fn time(millis: i64) -> NumericDate {
    instant(millis)
}
