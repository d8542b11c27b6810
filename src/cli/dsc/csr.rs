//! `sceau dsc csr`: the request to the CSCA.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use der::pem::{LineEnding, encode_string};
use serde_json::json;

use crate::cli::ndjson;
use crate::cli::page::{fields, line};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, Next, misuse, refuse_existing, types_text, write_new};
use crate::domain::officers::Label;

/// Write the request (PKCS#10) that the CSCA makes a key's certificate of.
///
/// The key signs it in its token. The subject and the extended key usage are those that two officers agreed on when the key was
/// generated. It can be made as often as it is wanted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc csr --config sceau.toml --label dsc-2024-03 --out dsc-2024-03.csr
  openssl req -in dsc-2024-03.csr -noout -text -verify

Exit codes: 0 written, 64 there is no such key, or its token forgot it, 69 its token does not answer.")]
pub(super) struct CsrArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The key
    #[arg(long, value_name = "LABEL")]
    label: Label,
    /// The file, in PEM; one that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only say what it would be about; the token is not asked
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CsrArgs) -> anyhow::Result<ExitCode> {
    refuse_existing(&args.out)?;
    let mut desk = Desk::open(&args.place)?;
    let asked = crate::cli::two_officers::KeyArgs { label: Some(args.label.clone()), kid: None };
    let key = desk.scene.key(&asked)?.clone();
    if key.destroyed_at.is_some() {
        return Err(misuse(format!("the key {} was destroyed; no token can sign for it", key.label)));
    }
    if !args.dry_run {
        let der = desk.request_certificate(&key.label)?;
        let pem =
            encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der).map_err(|error| anyhow::anyhow!("no PEM: {error}"))?;
        write_new(&args.out, pem.as_bytes())?;
    }
    let organization = key.organization.as_ref().map(|name| format!("O={name}, ")).unwrap_or_default();
    let subject = format!("CN={}, {organization}C={}", key.common_name, key.country);
    let (label, types, file) = (&key.label, types_text(&key.types_asked_for), args.out.display().to_string());
    let rest = format!(
        "--label {label} --dsc {label}.pem --csca csca.pem --trust-list trust-list.json --officer NAME --officer-key FILE"
    );
    let next = [Next::of("have the CSCA sign it, and take the certificate", &args.place, &["dsc", "import"], &rest)];
    ndjson::on_stdout(|out| {
        if args.json {
            let written = (!args.dry_run).then_some(&file);
            let document = json!({
                "label": label, "token": key.token, "key": key.key, "subject": subject, "types": key.types_asked_for,
                "file": written, "dry_run": args.dry_run, "next": Next::commands(&next),
            });
            writeln!(out, "{document:#}")?;
            return Ok(ExitCode::SUCCESS);
        }
        let verb = if args.dry_run { "would write" } else { "wrote" };
        line(out, &format!("{verb} {file}, the request for the key {label}"))?;
        let key_at = format!("{} on the token {}", key.key, key.token);
        fields(out, &[("subject", subject), ("types", types), ("key", key_at)])?;
        Next::write(&next, out)?;
        Ok(ExitCode::SUCCESS)
    })
}
