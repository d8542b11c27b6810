//! `sceau approve`: an officer agrees.

use std::process::ExitCode;

use clap::Args;

use crate::cli::two_officers::{AgainstArgs, Desk, SigningArgs, approve};

/// Approve what another officer proposed; with the last approval that is needed it is done.
///
/// What is shown comes from the text that the proposer signed, and every signature is checked here. Your signature counts for that
/// very text, once. A certificate is checked here too, where its CSCA is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau approve 8f3a12bc90de --config sceau.toml --officer grace --officer-key /media/grace/grace.key
  sceau approve 8f3a12bc90de --config sceau.toml --officer grace --officer-key /media/grace/grace.key \\
      --csca csca.pem --trust-list trust-list.json  # a certificate
  sceau approve 8f3a12bc90de --config sceau.toml --dry-run          # shows and checks it; nothing is signed

Exit codes: 0 approved, 1 you said no, or a signature is wrong, 2 approved, tried, and not done: it failed, or waits for
`sceau execute`, 64 it cannot be: your own proposal, approved by you already, over.")]
pub(crate) struct ApproveArgs {
    /// The proposal: 8 or more of the digits that `sceau approvals` shows
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    against: AgainstArgs,
}

pub(crate) fn run(args: &ApproveArgs) -> anyhow::Result<ExitCode> {
    let against = args.against.read()?;
    let mut desk = Desk::with_ended(&args.signing.place)?;
    let decided = approve(&args.signing, &mut desk, &args.id, against)?;
    super::tell(&decided, &desk, args.signing.json)
}
