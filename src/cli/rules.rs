//! `sceau rules`: everything that can be wrong with an item, by name.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::ndjson;
use crate::domain::Rule;

/// Columns of a terminal that is not told otherwise.
const TERMINAL_COLUMNS: usize = 80;
/// The text keeps this much, however narrow the terminal.
const MIN_TEXT_COLUMNS: usize = 24;

/// List the rules that payloads are held to.
///
/// Each with its name, whether a profile may switch it off, its meaning and its source.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau rules                         the table
  sceau rules | grep uvci             one rule a line
  sceau rules --json | jq -r .name    for programs

A profile switches a rule off by its name; the fixed ones follow from the schema, the calendar or the wire format, and stay.")]
pub(crate) struct RulesArgs {
    /// One JSON object a line: {"name", "switchable", "meaning", "source"}.
    #[arg(long)]
    pub(crate) json: bool,

    /// Wrap at so many columns; by default at 80 on a terminal, and nowhere in a file or a pipe.
    #[arg(long, value_name = "COLUMNS", conflicts_with = "json")]
    pub(crate) width: Option<usize>,
}

/// Writes the list to standard output.
///
/// # Errors
/// It cannot be written.
pub(crate) fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    let width = args.width.or_else(|| io::stdout().is_terminal().then_some(TERMINAL_COLUMNS));
    ndjson::on_stdout(|out| {
        let written = if args.json { write_json(out) } else { write_table(width, out) };
        written.context("cannot write the rules")?;
        Ok(ExitCode::SUCCESS)
    })
}

#[derive(Serialize)]
struct RuleLine {
    name: &'static str,
    switchable: bool,
    meaning: &'static str,
    source: &'static str,
}

fn write_json(out: &mut dyn Write) -> io::Result<()> {
    Rule::ALL.iter().try_for_each(|rule| {
        let (name, switchable) = (rule.name(), rule.is_switchable());
        ndjson::write_line(out, &RuleLine { name, switchable, meaning: rule.meaning(), source: rule.source() })
    })
}

const fn kind(rule: Rule) -> &'static str {
    if rule.is_switchable() { "can be switched off" } else { "fixed" }
}

/// Name, kind, and a text that wraps within its own column.
fn write_table(width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let longest = |text: fn(&Rule) -> &'static str| Rule::ALL.iter().map(|rule| text(rule).len()).max().unwrap_or(0);
    let (names, kinds) = (longest(|rule| rule.name()), longest(|rule| kind(*rule)));
    let indent = names + kinds + 4;
    let text_columns = width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(MIN_TEXT_COLUMNS));
    for &rule in Rule::ALL {
        let text = format!("{} [{}]", rule.meaning(), rule.source());
        let mut lines = wrap(&text, text_columns).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{:names$}  {:kinds$}  {first}", rule.name(), kind(rule))?;
        lines.try_for_each(|line| writeln!(out, "{:indent$}{line}", ""))?;
    }
    Ok(())
}

/// Breaks a text at its spaces. A longer word stays whole; every text here is ASCII, so bytes are columns.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<usize>) -> String {
        let mut out = Vec::new();
        write_table(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn unwrapped_there_is_one_line_a_rule_and_its_text_is_whole() {
        let table = table(None);
        assert_eq!(table.lines().count(), Rule::ALL.len());
        for (line, rule) in table.lines().zip(Rule::ALL) {
            assert!(line.starts_with(rule.name()) && line.contains(rule.meaning()) && line.contains(rule.source()), "{line}");
        }
    }

    #[test]
    fn the_columns_are_aligned_and_within_the_width() {
        assert!(Rule::ALL.iter().all(|rule| rule.meaning().is_ascii() && rule.source().is_ascii()), "bytes are columns");
        let table = table(Some(100));
        assert!(table.lines().all(|line| line.len() <= 100));
        let starts = table.lines().filter_map(|line| line.find("fixed  ").or_else(|| line.find("can be switched off  ")));
        assert!(starts.collect::<Vec<_>>().windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_terminal_may_be_narrow() {
        assert!(table(Some(1)).lines().count() > Rule::ALL.len());
    }

    #[test]
    fn json_has_one_object_a_rule() {
        let mut out = Vec::new();
        write_json(&mut out).unwrap();
        let lines: Vec<serde_json::Value> =
            out.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(lines.len(), Rule::ALL.len());
        assert_eq!(lines[0]["name"], Rule::ALL[0].name());
        assert!(lines.iter().any(|line| line["switchable"] == true));
    }
}
