//! `sceau dsc activate`: a key signs, in a window.

use std::process::ExitCode;

use clap::Args;

use super::propose_and_tell;
use crate::cli::two_officers::{Desk, KeyArgs, ProposingArgs, When, parse_types};
use crate::domain::CertificateTypes;
use crate::domain::officers::{Activation, Change};

/// Propose when a published key signs.
///
/// It signs certificates whose iat is in the window: the first instant is in it, its end is not. Several keys may sign at a time, each
/// as much as its weight says. The switch is exact on every replica; so --at lies ahead, and leaves another officer the time to approve.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc activate --config sceau.toml --label dsc-2024-03 --at 2024-03-01T00:00:00Z --officer ada --officer-key ada.key
  sceau dsc activate --config sceau.toml --label dsc-2024-03 --at +8h --until 2024-09-01T00:00:00Z --types v,r \\
      --officer ada --officer-key ada.key
  sceau dsc activate --config sceau.toml --label dsc-2024-03 --at +8h --dry-run

Then: sceau dsc canary --at … says whether every key will sign.

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: not published by then, outside its validity, too soon.")]
pub(super) struct ActivateArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// The first instant at which it signs, like 2024-03-01T00:00:00Z, or +8h from now
    #[arg(long, value_name = "TIME")]
    at: When,
    /// The first instant at which it signs no more; until it is retired or its certificate ends, where it is left out
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// What it signs: any, or some of v, t and r; all that its certificate allows, where it is left out
    #[arg(long, value_name = "TYPES", value_parser = parse_types)]
    types: Option<CertificateTypes>,
    /// Its share of the work among the keys that fit, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    weight: u16,
}

pub(super) fn run(args: &ActivateArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let (_, dsc) = desk.scene.certified(&args.key)?;
    let now = desk.scene.now;
    let change = Change::Activate(Activation {
        kid: dsc.kid(),
        from: args.at.instant(now),
        to: args.until.map(|until| until.instant(now)),
        types: args.types.unwrap_or_else(|| dsc.types()),
        weight: args.weight,
    });
    propose_and_tell(&args.proposing, &mut desk, change)
}
