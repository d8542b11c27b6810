//! `sceau officer show`: the public half of a key.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::key_file;
use crate::domain::officers::Label;

/// Print the public half of an officer's key again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau officer show /media/ada/ada.key
  sceau officer show /media/ada/ada.key --pem      # as openssl reads it
  sceau officer show /media/ada/ada.key --json | jq -r .key")]
pub(super) struct ShowArgs {
    /// The file with the key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the officer is called; as the file, where it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
    /// Print it in PEM instead
    #[arg(long)]
    pem: bool,
    /// Print one JSON object instead: {"name", "key"}
    #[arg(long, conflicts_with = "pem")]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let public = key_file::read_key(&args.file)?.public();
    let name = super::name_of(args.name.as_ref(), &args.file);
    let mut out = io::stdout().lock();
    if args.pem {
        write!(out, "{}", public.to_pem())?;
    } else if args.json {
        writeln!(out, "{}", json!({ "name": name, "key": public.to_string() }))?;
    } else {
        super::write_section(&mut out, name.as_ref(), &public.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
