//! `sceau audit`: what an auditor does with an export of the ledger, with nothing but the audit certificate.

mod asked;
mod check_proof;
mod place;
mod prove;
mod report;
mod shown;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::ledger::archive::{AuditCertificate, TrustedAuditors};

/// Audit an export of the ledger, offline.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Verify(verify::VerifyArgs),
    Prove(prove::ProveArgs),
    CheckProof(check_proof::CheckProofArgs),
}

pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        AuditCommand::Verify(args) => verify::run(args),
        AuditCommand::Prove(args) => prove::run(args),
        AuditCommand::CheckProof(args) => check_proof::run(args),
    }
}

/// Reads the audit certificates of some files.
pub(crate) fn trusted(files: &[PathBuf]) -> anyhow::Result<TrustedAuditors> {
    let mut certificates = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let found = AuditCertificate::all_of(&bytes).with_context(|| format!("the audit certificate {}", file.display()))?;
        certificates.extend(found);
    }
    Ok(TrustedAuditors::new(certificates))
}
