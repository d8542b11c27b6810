//! `sceau reject`: an officer does not agree.

use std::process::ExitCode;

use clap::Args;

use crate::cli::two_officers::{Desk, SigningArgs, reject};

/// Reject a proposal: that ends it, whoever approves.
///
/// One officer is enough, and the proposer may take back their own. What is approved and not executed yet can be rejected too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau reject 8f3a12bc90de --config sceau.toml --officer grace --officer-key /media/grace/grace.key
  sceau reject 8f3a12bc90de --config sceau.toml --dry-run           # shows it; nothing is signed

Exit codes: 0 rejected, 1 you said no, or a signature is wrong, 64 it is over already.")]
pub(crate) struct RejectArgs {
    /// The proposal: 8 or more of the digits that `sceau approvals` shows
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &RejectArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::with_ended(&args.signing.place)?;
    let decided = reject(&args.signing, &mut desk, &args.id)?;
    super::tell(&decided, &desk, args.signing.json)
}
