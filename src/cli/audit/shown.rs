//! What comes from a file that nobody vouches for yet, on a terminal.

use std::io::{self, Write};

use crate::domain::NumericDate;
use crate::ledger::archive::instant;

/// Writes one line, whose control characters are shown and do nothing.
pub(super) fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let shown: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    writeln!(out, "{shown}")
}

/// Writes one line of a table: what, and how it is.
pub(super) fn field(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    line(out, &format!("  {name:<16}  {value}"))
}

/// The second of an instant in milliseconds.
pub(super) const fn time(millis: i64) -> NumericDate {
    instant(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_nothing() {
        let mut out = Vec::new();
        line(&mut out, "north\x1b[2J\nIntact.").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "north\u{fffd}[2J\u{fffd}Intact.\n");
    }
}
