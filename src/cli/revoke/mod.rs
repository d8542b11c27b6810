//! `sceau revoke`: certificates that nobody is to take any more.

mod files;
mod shown;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::SOME_REFUSED;
use super::ndjson;
use super::place::PlaceArgs;
use super::question::QuestionArgs;
use crate::domain::HashType;
use crate::service::admin::AdminError;
use crate::service::proto::v1;
use crate::service::proto::v1::revoke_response::Part;
use files::Folder;
use shown::Shown;

/// Revoke certificates that were signed: make the lists that verifiers read.
///
/// Finds them in the ledger of the running service, as `sceau ledger find` does, groups them by key and expiry in lists of 1,000 hashes
/// at most, has the lists signed by the upload key, and puts on record who revoked what and why. What has expired is left out. For the
/// role officer, or on the service's own machine for its user and root.
///
/// Nothing is revoked anywhere before verifiers have the lists: the output says how they get them. A certificate that was revoked
/// stays revoked until its list is deleted at the gateway.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau revoke --config sceau.toml --hc1 - --why 'issued in error' --out lists < code.txt
  sceau revoke --config sceau.toml --caller pharmacy-12 --from 2021-11-01T00:00:00Z --to 2021-11-08T00:00:00Z \\
      --why 'its key was stolen' --dry-run          # says how many; nothing is revoked
  sceau revoke --config sceau.toml --caller pharmacy-12 --from 2021-11-01T00:00:00Z --to 2021-11-08T00:00:00Z \\
      --why 'its key was stolen' --expect 1312 --out lists

The folder has for each list batch-KID-N.json, the list as it is, and batch-KID-N.cms, the same signed, in the base64 that the EU
gateway takes. The same question gives the same lists again.

Exit codes: 0 done, 2 nothing is meant, 64 nothing was revoked: another number than --expect, or wrong usage.")]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// All that was ever signed; without it, something has to be asked for
    #[arg(long, help_heading = "Which certificates")]
    everything: bool,
    /// Also those that have expired: no gateway takes their lists
    #[arg(long, help_heading = "Which certificates")]
    with_expired: bool,
    /// Why: a line that stands in the ledger in clear, so it names nobody
    #[arg(long, value_name = "REASON")]
    why: String,
    /// What the lists hold hashes of: SIGNATURE, or the deprecated UCI and COUNTRYCODEUCI
    #[arg(long, value_name = "TYPE", default_value_t = HashType::Signature)]
    hash_type: HashType,
    /// How many certificates you expect; where it is another number, nothing is revoked
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    /// Only say what would be revoked
    #[arg(long, conflicts_with = "out")]
    dry_run: bool,
    /// A folder for the lists; made where it is absent, and nothing in it is overwritten
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Print one JSON object a line: the summary, then the lists
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let request = args.request()?;
    let mut folder = args.out.as_deref().map(Folder::open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let mut custody = runtime.block_on(async { anyhow::Ok(args.place.place()?.connect().await?.custody()) })?;
    let mut is_nothing = false;
    let ended = ndjson::on_stdout(|out| {
        let mut shown = Shown::new(out, args.json, args.out.as_deref());
        let take = |part| -> anyhow::Result<()> {
            match part {
                Part::Summary(summary) => {
                    is_nothing = summary.certificates == 0;
                    shown.begin(summary)?;
                }
                Part::List(list) => {
                    let files = folder.as_mut().map(|folder| folder.write(&list)).transpose()?;
                    shown.list(&list, files.as_ref())?;
                }
            }
            Ok(())
        };
        runtime.block_on(custody.revoke(request, take)).map_err(|error| of_a_break(error, args))?;
        shown.end()?;
        Ok(ExitCode::SUCCESS)
    })?;
    if is_nothing {
        writeln!(io::stderr(), "sceau: nothing on record is like that, or it has expired; nothing was revoked")?;
        return Ok(ExitCode::from(SOME_REFUSED));
    }
    Ok(ended)
}

/// A call that broke off may have been carried out.
fn of_a_break(error: anyhow::Error, args: &RevokeArgs) -> anyhow::Error {
    let is_certain = error.downcast_ref::<AdminError>().is_some_and(|error| error.is_refused() || error.is_the_callers_fault());
    if is_certain || args.dry_run {
        return error;
    }
    error.context("the lists are not whole; the same command with another --out gives the same lists")
}

impl RevokeArgs {
    fn request(&self) -> anyhow::Result<v1::RevokeRequest> {
        let hash_type = match self.hash_type {
            HashType::Signature => v1::HashType::Signature,
            HashType::Uci => v1::HashType::Uci,
            HashType::CountryCodeUci => v1::HashType::Countrycodeuci,
        };
        Ok(v1::RevokeRequest {
            question: Some(self.question.question()?),
            everything: self.everything,
            hash_type: hash_type.into(),
            reason: self.why.clone(),
            expected_certificates: self.expect,
            dry_run: self.dry_run,
            with_expired: self.with_expired,
        })
    }
}
