//! What comes from elsewhere, on a terminal: a file or a service that nobody vouches for.

use std::io::{self, Write};

/// Writes one line, whose control characters are shown and do nothing.
pub(crate) fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let shown: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    writeln!(out, "{shown}")
}

/// Writes lines of a name and what it is, below each other.
pub(crate) fn fields(out: &mut dyn Write, facts: &[(&'static str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    facts.iter().try_for_each(|(name, value)| line(out, &format!("  {name:<width$}  {value}")))
}

/// Writes a table: headings, and rows of as many columns; the last column is as wide as it is.
pub(crate) fn table<const N: usize>(out: &mut dyn Write, headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let headings = headings.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| all().map(|row| row[column].chars().count()).max().unwrap_or_default());
    for row in all() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(out, cells.join("  ").trim_end())?;
    }
    Ok(())
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

    #[test]
    fn columns_stand_below_each_other() {
        let mut out = Vec::new();
        table(&mut out, ["a", "state"], &[["dsc-1".to_owned(), "active".to_owned()], ["é".to_owned(), String::new()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a      state\ndsc-1  active\né\n");
    }
}
