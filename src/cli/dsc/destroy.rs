//! `sceau dsc destroy`: a token forgets a private key.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::propose_and_tell;
use crate::cli::two_officers::{Desk, KeyArgs, ProposingArgs, dsc_of};
use crate::domain::officers::{Change, KeyName};

/// Propose that a token forgets a private key, for good.
///
/// What it signed stays valid, and its certificate on the trust list. A key that signs, or will, is retired first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc destroy --config sceau.toml --label dsc-2023-09 --officer ada --officer-key /media/ada/ada.key
  sceau dsc destroy --config sceau.toml --label dsc-2023-09 --dry-run

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: it is to sign, or is destroyed already.")]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &DestroyArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let key = desk.scene.key(&args.key)?;
    let name = match dsc_of(key)? {
        Some(dsc) => KeyName::Kid(dsc.kid()),
        None => KeyName::Label(key.label.parse().context("the service tells a label that is none")?),
    };
    propose_and_tell(&args.proposing, &mut desk, Change::Destroy(name))
}
