//! `sceau dsc generate`: a new key.

use std::process::ExitCode;

use clap::Args;

use super::propose_and_tell;
use crate::cli::two_officers::{Desk, ProposingArgs, misuse, parse_types, words_of};
use crate::domain::officers::{Change, Generation, KeyKind, Label, Subject};
use crate::domain::{CertificateTypes, Country};

/// Propose a new key: a token makes it, and its private half never leaves the token.
///
/// Nothing is written on this machine. Once another officer has approved it, `sceau dsc csr` gives the request for the CSCA. The key
/// signs no certificate before that one is imported, published and activated.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc generate --config sceau.toml --token hsm-a --label dsc-2024-03 --country FR --common-name 'DSC FR 2024-03' \\
      --officer ada --officer-key /media/ada/ada.key
  sceau dsc generate --config sceau.toml --token hsm-a --label dsc-tests --types t,r --country FR --common-name 'DSC FR tests' \\
      --dry-run                                     # says what it would do; nothing is signed

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: a label that is taken, a token that is none, an officer who is none.")]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    /// The token, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    token: Label,
    /// What the key is called, on the token and here; no other key has had it
    #[arg(long, value_name = "LABEL")]
    label: Label,
    /// The kind of key: p256 (ES256), rsa-2048 or rsa-3072 (PS256)
    #[arg(long, value_name = "KIND", default_value = "p256", value_parser = parse_kind)]
    kind: KeyKind,
    /// C of the certificate's subject: the state
    #[arg(long, value_name = "CC", value_parser = parse_country)]
    country: Country,
    /// O of it
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// CN of it: no other DSC of the state has it
    #[arg(long, value_name = "NAME")]
    common_name: String,
    /// What its certificate shall be for: any, or some of v (vaccination), t (test) and r (recovery)
    #[arg(long, value_name = "TYPES", default_value = "any", value_parser = parse_types)]
    types: CertificateTypes,
}

fn parse_kind(text: &str) -> Result<KeyKind, String> {
    const KINDS: [KeyKind; 3] = [KeyKind::P256, KeyKind::Rsa2048, KeyKind::Rsa3072];
    KINDS.into_iter().find(|kind| kind.name() == text).ok_or_else(|| "p256, rsa-2048 or rsa-3072".to_owned())
}

fn parse_country(text: &str) -> Result<Country, String> {
    text.parse().map_err(|_| "two capital letters, like FR".to_owned())
}

pub(super) fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let organization = args.organization.as_deref().map(|name| words_of("--organization", name)).transpose()?;
    let common_name = words_of("--common-name", &args.common_name)?;
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    if desk.scene.keys.iter().any(|key| key.label == args.label.as_str()) {
        return Err(misuse(format!(
            "there is a key {} already: each has a label of its own, also one that is destroyed",
            args.label
        )));
    }
    let subject = Subject { country: args.country, organization, common_name };
    let (label, token) = (args.label.clone(), args.token.clone());
    let change = Change::Generate(Generation { label, token, key: args.kind, subject, types: args.types });
    propose_and_tell(&args.proposing, &mut desk, change)
}
