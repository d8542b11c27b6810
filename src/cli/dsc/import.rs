//! `sceau dsc import`: the certificate that the CSCA issued.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::ndjson;
use crate::cli::two_officers::{AgainstArgs, Desk, KeyArgs, ProposingArgs, Wish, first_der, misuse, propose, tell_proposed};
use crate::domain::officers::{Certification, Change, Label};

/// Propose the certificate that the CSCA issued for a key.
///
/// It is checked here and by the service, all faults at once: signed by a CSCA that is given, for this very key, of the state, with
/// the key usage and the types that were asked for, valid, and under a kid that no other certificate has, of ours or of the trust list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc import --config sceau.toml --label dsc-2024-03 --dsc dsc-2024-03.pem --csca csca.pem \\
      --trust-list trust-list.json --officer ada --officer-key /media/ada/ada.key
  sceau dsc import --config sceau.toml --label dsc-2024-03 --dsc dsc-2024-03.pem --csca csca.pem --dry-run

Exit codes: 0 proposed, 1 you said no, 64 the certificate is not taken, or it cannot be for another reason.")]
pub(super) struct ImportArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    /// The key
    #[arg(long, value_name = "LABEL")]
    label: Label,
    /// The certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    dsc: PathBuf,
    #[command(flatten)]
    against: AgainstArgs,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let checked = args.against.read()?;
    let checked = checked.ok_or_else(|| misuse("a certificate is checked against the CSCA that issued it: --csca FILE"))?;
    let certification = Certification { label: args.label.clone(), certificate: first_der(&args.dsc)? };
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    desk.scene.key(&KeyArgs { label: Some(args.label.clone()), kid: None })?;
    let warnings = checked.check(&certification, &desk.scene)?;
    let wish = Wish { change: Change::Certify(certification), checked: Some((checked, warnings)) };
    let proposed = propose(&args.proposing, &mut desk, wish)?;
    ndjson::on_stdout(|out| {
        tell_proposed(&args.proposing, &desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}
