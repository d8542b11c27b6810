//! `sceau dsc retire`: a key signs no more.

use std::process::ExitCode;

use clap::Args;

use super::propose_and_tell;
use crate::cli::two_officers::{Desk, KeyArgs, ProposingArgs, When};
use crate::domain::officers::Change;

/// Propose from when on a key signs no more. What it signed stays valid.
///
/// Its certificate stays on the trust list as long as certificates need it. See with `sceau dsc canary --at …` that other keys sign
/// every type from then on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc retire --config sceau.toml --label dsc-2023-09 --at 2024-03-01T00:00:00Z --officer ada --officer-key ada.key
  sceau dsc retire --config sceau.toml --kid 870aaa4460b56d17 --at +8h --dry-run

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: it does not sign, or ends sooner already, or that is too soon.")]
pub(super) struct RetireArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// The first instant at which it signs no more, like 2024-03-01T00:00:00Z, or +8h from now
    #[arg(long, value_name = "TIME")]
    at: When,
}

pub(super) fn run(args: &RetireArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let (_, dsc) = desk.scene.certified(&args.key)?;
    let change = Change::Retire { kid: dsc.kid(), at: args.at.instant(desk.scene.now) };
    propose_and_tell(&args.proposing, &mut desk, change)
}
