//! `sceau token change-pin` and `initialise`: what two officers do about a token.

use std::process::ExitCode;

use clap::Args;

use crate::cli::ndjson;
use crate::cli::two_officers::{Desk, ProposingArgs, Wish, propose, tell_proposed};
use crate::domain::officers::{Change, Label};

/// Propose that a token gets another user PIN.
///
/// No PIN is in what is signed, nor sent: the token's worker reads the old and the new one from where its configuration says. Put the new
/// one there first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau token change-pin --config sceau.toml --token hsm-a --officer ada --officer-key /media/ada/ada.key
  sceau token change-pin --config sceau.toml --token hsm-a --dry-run

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: the service has no such token.")]
pub(super) struct ChangePinArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    /// The name of the token in the configuration
    #[arg(long, value_name = "NAME")]
    token: Label,
}

/// Propose that a free slot becomes a token, with the label and the PINs of its worker's configuration.
///
/// No PIN is in what is signed, nor sent: a process of the token's user reads that of its security officer from so_pin_file and that of
/// its user from where the configuration says. Put both there first, and take so_pin_file away when the token is made. A token that is
/// initialised is never initialised anew, and one that has keys of the register, or of the configuration, is not new.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau token initialise --config sceau.toml --token hsm-b --officer ada --officer-key /media/ada/ada.key
  sceau token initialise --config sceau.toml --token hsm-b --dry-run

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: the service has no such token, it is open or has keys, or there is no
so_pin_file.")]
pub(super) struct InitialiseArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    /// The name of the token in the configuration
    #[arg(long, value_name = "NAME")]
    token: Label,
}

pub(super) fn change_pin(args: &ChangePinArgs) -> anyhow::Result<ExitCode> {
    run(&args.proposing, Change::ChangePin { token: args.token.clone() })
}

pub(super) fn initialise(args: &InitialiseArgs) -> anyhow::Result<ExitCode> {
    run(&args.proposing, Change::InitialiseToken { token: args.token.clone() })
}

fn run(args: &ProposingArgs, change: Change) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.signing.place)?;
    let proposed = propose(args, &mut desk, Wish::of(change))?;
    ndjson::on_stdout(|out| {
        tell_proposed(args, &desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}
