//! `sceau ledger export`: the whole ledger as a file for auditors.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::place::PlaceArgs;
use crate::cli::runtime;

/// Write every record of the ledger to a file that `sceau audit verify` checks.
///
/// The running service makes it, and has its last line signed by the audit key; signing goes on meanwhile. Some 400 bytes a
/// certificate.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sceau ledger export --config /etc/sceau/sceau.toml --out ledger.ndjson
  sceau audit verify ledger.ndjson --certificate audit.pem")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Where to write it; a file that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let cannot = || format!("cannot write {}", args.out.display());
    let runtime = runtime()?;
    let mut auditor = runtime.block_on(async { anyhow::Ok(args.place.place()?.connect().await?.auditor()) })?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out).with_context(cannot)?;
    let mut out = BufWriter::new(file);
    let exported = runtime.block_on(auditor.export(|piece| out.write_all(piece).with_context(cannot)));
    if let Err(error) = exported {
        drop(out);
        // Half an export is none.
        let _ = std::fs::remove_file(&args.out);
        return Err(error);
    }
    out.into_inner().context("the last of it")?.sync_all().with_context(cannot)?;
    Ok(ExitCode::SUCCESS)
}
