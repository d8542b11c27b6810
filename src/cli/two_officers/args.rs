//! What officers' commands have in common on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::cli::place::PlaceArgs;
use crate::domain::officers::Label;
use crate::domain::{CertificateType, CertificateTypes, Kid, NumericDate};

/// A command that an officer signs.
#[derive(Debug, Args)]
pub(crate) struct SigningArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) officer: OfficerArgs,
    /// Only say what it would do; nothing is signed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Sign without being asked; where there is no terminal, it has to be given
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// A command that proposes a change.
#[derive(Debug, Args)]
pub(crate) struct ProposingArgs {
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    /// How long others may approve it, like 90m, 8h or 2d; as long as the officers' limit allows, where it is left out
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) open_for: Option<i64>,
}

/// Who signs.
#[derive(Debug, Args)]
pub(crate) struct OfficerArgs {
    /// The officer's name in the roster
    #[arg(long, value_name = "NAME", env = "SCEAU_OFFICER", hide_env_values = true, help_heading = "Who signs")]
    pub(crate) officer: Option<Label>,
    /// The officer's private key, a file that is its owner's alone; it is read here, and never sent
    #[arg(long, value_name = "FILE", env = "SCEAU_OFFICER_KEY", hide_env_values = true, help_heading = "Who signs")]
    pub(crate) officer_key: Option<PathBuf>,
}

/// Which key is meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "which")]
pub(crate) struct KeyArgs {
    /// The key, by its label
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Option<Label>,
    /// The key, by its certificate's kid: 16 hexadecimal digits
    #[arg(long, value_name = "KID")]
    pub(crate) kid: Option<Kid>,
}

/// An instant: of the calendar, or from the service's now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Of the calendar.
    At(NumericDate),
    /// So many seconds from now.
    In(i64),
}

impl When {
    pub(crate) const fn instant(self, now: NumericDate) -> NumericDate {
        match self {
            Self::At(instant) => instant,
            Self::In(seconds) => now.plus_seconds(seconds),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = if text == "now" { Some(0) } else { text.strip_prefix('+').and_then(|span| parse_span(span).ok()) };
        let when = span.map(Self::In).or_else(|| NumericDate::from_rfc3339(text).map(Self::At));
        when.ok_or_else(|| "an instant like 2024-03-01T00:00:00Z; now; or +90s, +30m, +8h, +7d from now on".to_owned())
    }
}

/// A number of seconds.
pub(crate) fn parse_span(text: &str) -> Result<i64, String> {
    const UNITS: [(char, i64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = UNITS.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let span = unit.and_then(|(number, seconds)| i64::from(number.parse::<u32>().ok()?).checked_mul(seconds));
    span.ok_or_else(|| "a time like 90s, 30m, 8h or 7d".to_owned())
}

/// Types of certificate: `any`, or some of v, t and r with commas between.
pub(crate) fn parse_types(text: &str) -> Result<CertificateTypes, String> {
    const RIGHT: &str = "any, or some of v, t and r with commas between";
    if text == "any" {
        return Ok(CertificateTypes::ANY);
    }
    let kind = |key: &str| CertificateType::ALL.into_iter().find(|kind| kind.key() == key).ok_or(RIGHT);
    Ok(text.split(',').map(kind).collect::<Result<_, _>>()?)
}

/// A command as a shell takes it.
pub(crate) fn command<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_of_the_calendar_or_from_now_on() {
        let now = NumericDate::from_seconds(1_000);
        for (text, seconds) in [("now", 1_000), ("+90s", 1_090), ("+2m", 1_120), ("+1h", 4_600), ("1970-01-02T00:00:00Z", 86_400)]
        {
            assert_eq!(text.parse::<When>().unwrap().instant(now).seconds(), seconds, "{text}");
        }
        for text in ["", "+", "+s", "+1w", "-1h", "+-1h", "1h", "tomorrow", "2024-03-01", "+99999999999d"] {
            assert!(text.parse::<When>().unwrap_err().contains("2024-03-01T00:00:00Z"), "{text}");
        }
    }

    #[test]
    fn types_are_any_or_some_of_three() {
        assert_eq!(parse_types("any"), Ok(CertificateTypes::ANY));
        assert_eq!(parse_types("t,r").unwrap().to_string(), "test, recovery");
        for text in ["", "x", "v,", "any,v"] {
            assert!(parse_types(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_can_be_copied_into_a_shell() {
        assert_eq!(command(["sceau", "--why", "it's lost; rm -rf", ""]), r#"sceau --why 'it'\''s lost; rm -rf' ''"#);
    }
}
