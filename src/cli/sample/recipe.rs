//! What to make: the options of `sceau sample`, checked.

use clap::Args;
use jiff::civil::{Date, date};

/// Leaves room for the 20 digits of the largest number in an id of 64.
const ID_PREFIX_MAX: usize = 44;
const UNTIL_MIN: Date = date(2021, 1, 1);
const UNTIL_MAX: Date = date(2099, 12, 31);

/// Everything that decides the samples. Equal recipes give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Recipe {
    /// How many payloads to make.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) count: u64,

    /// Another seed makes other people; the same seed, the same bytes.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) shares: Shares,

    /// Last day of the events, 2021-01-01 to 2099-12-31. Vaccinations reach back 290 days (not before 2021), tests 90, recoveries 170.
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2021-10-20", value_parser = parse_until)]
    pub(crate) until: Date,

    /// What each id begins with, at most 44 of A-Z a-z 0-9 . _ : -
    #[arg(long, value_name = "TEXT", default_value = "nc-", value_parser = parse_id_prefix)]
    pub(crate) id_prefix: String,

    /// Give each certificate a ci (URN:UVCI:01:FR:...); without it the signer makes them.
    #[arg(long)]
    pub(crate) with_ci: bool,
}

/// How the three kinds share the count: whole-number weights, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Shares {
    /// Weight of vaccination certificates.
    #[arg(long, value_name = "WEIGHT", default_value_t = 70)]
    pub(crate) vaccination: u16,

    /// Weight of test certificates.
    #[arg(long, value_name = "WEIGHT", default_value_t = 25)]
    pub(crate) test: u16,

    /// Weight of recovery certificates.
    #[arg(long, value_name = "WEIGHT", default_value_t = 5)]
    pub(crate) recovery: u16,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            count: 10,
            seed: 1,
            shares: Shares { vaccination: 70, test: 25, recovery: 5 },
            until: date(2021, 10, 20),
            id_prefix: "nc-".to_owned(),
            with_ci: false,
        }
    }
}

fn parse_until(text: &str) -> Result<Date, String> {
    match Date::strptime("%Y-%m-%d", text) {
        Ok(day) if (UNTIL_MIN..=UNTIL_MAX).contains(&day) => Ok(day),
        Ok(_) => Err(format!("not between {UNTIL_MIN} and {UNTIL_MAX}")),
        Err(_) => Err("not a day written YYYY-MM-DD".to_owned()),
    }
}

fn parse_id_prefix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if text.len() <= ID_PREFIX_MAX && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("not at most {ID_PREFIX_MAX} of A-Z a-z 0-9 . _ : -"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Recipe;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        recipe: Recipe,
    }

    fn parse(arguments: &[&str]) -> Result<Recipe, clap::Error> {
        CommandLine::try_parse_from([&["sample"], arguments].concat()).map(|line| line.recipe)
    }

    #[test]
    fn the_command_line_defaults_to_the_default_recipe() {
        assert_eq!(parse(&[]).unwrap(), Recipe::default());
    }

    #[test]
    fn a_bad_day_or_prefix_is_refused() {
        for bad in [["--until", "2021-02-30"], ["--until", "2020-12-31"], ["--until", "20211020"], ["--id-prefix", "nc/"]] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
        assert!(parse(&["--id-prefix", &"x".repeat(45)]).is_err());
        assert!(parse(&["--until", "2021-06-30", "--id-prefix", ""]).is_ok());
    }
}
