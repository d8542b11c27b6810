//! The officer's yes.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;

use super::misuse;

/// The officer looked, and does not want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing was signed, and nothing has changed")]
pub(super) struct Declined;

/// Asks at the terminal, once all that is signed has been shown there.
///
/// # Errors
/// [`Declined`]; without a terminal, unless `yes` agreed beforehand, wrong usage.
pub(super) fn ask(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(misuse("nothing is signed unasked, and there is no terminal to ask at: --yes agrees to what is shown above"));
    }
    write!(io::stderr(), "{question} [y/N] ").context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot hear the answer")?;
    if is_yes(&answer) { Ok(()) } else { Err(Declined.into()) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [("y\n", true), ("Yes\n", true), ("\n", false), ("", false), ("n\n", false), ("yeah, no\n", false)] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
