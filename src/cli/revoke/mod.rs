//! `sceau revoke`: certificates that nobody is to take any more.

mod files;
mod shown;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::SOME_REFUSED;
use super::ndjson;
use super::question::QuestionArgs;
use super::runtime;
use super::two_officers::{Desk, ProposingArgs, Wish, misuse, propose, tell_proposed, words_of};
use crate::domain::HashType;
use crate::domain::officers::{Change, Revocation};
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
///
/// Where the service has [custody], two officers revoke: this proposes it, as many certificates as are meant now and no other number;
/// another officer approves it; and --fetch gives the lists.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau revoke --config sceau.toml --hc1 - --why 'issued in error' --out lists < code.txt
  sceau revoke --config sceau.toml --caller pharmacy-12 --from 2021-11-01T00:00:00Z --to 2021-11-08T00:00:00Z \\
      --why 'its key was stolen' --dry-run          # says how many; nothing is revoked
  sceau revoke --config sceau.toml --caller pharmacy-12 --from 2021-11-01T00:00:00Z --to 2021-11-08T00:00:00Z \\
      --why 'its key was stolen' --expect 1312 --out lists
  sceau revoke --config sceau.toml --kid 870aaa4460b56d17 --why 'its key is compromised' \\
      --officer ada --officer-key /media/ada/ada.key                    # with [custody]: a proposal
  sceau revoke --config sceau.toml --fetch 8f3a12bc90de --out lists     # once it is approved

The folder has for each list batch-KID-N.json, the list as it is, and batch-KID-N.cms, the same signed, in the base64 that the EU
gateway takes. The same question gives the same lists again. With --json lists are one object a line; a proposal is one document.

Exit codes: 0 done, 1 you said no, 2 nothing is meant, 64 nothing was revoked: another number than --expect, or wrong usage.")]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// All that was ever signed; without it, something has to be asked for
    #[arg(long, help_heading = "Which certificates")]
    everything: bool,
    /// Also those that have expired: no gateway takes their lists
    #[arg(long, help_heading = "Which certificates")]
    with_expired: bool,
    /// Why: a line that stands in the ledger in clear, so it names nobody
    #[arg(long, value_name = "REASON", required_unless_present = "fetch")]
    why: Option<String>,
    /// What the lists hold hashes of: SIGNATURE, or the deprecated UCI and COUNTRYCODEUCI
    #[arg(long, value_name = "TYPE", default_value_t = HashType::Signature)]
    hash_type: HashType,
    /// How many certificates you expect; where it is another number, nothing is revoked
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    /// The lists of a revocation that two officers agreed on, by the proposal: 8 or more of its digits
    #[arg(long, value_name = "ID", requires = "out", conflicts_with_all = ["why", "everything", "with_expired", "expect", "dry_run"])]
    fetch: Option<String>,
    /// A folder for the lists; made where it is absent, and nothing in it is overwritten
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    if let Some(id) = &args.fetch {
        return fetch(args, id);
    }
    let request = args.request()?;
    if args.is_dry() {
        return alone(args, request);
    }
    match Desk::open(&args.proposing.signing.place) {
        Ok(desk) => by_two(args, desk, request),
        Err(error) if error.downcast_ref().is_some_and(AdminError::is_without_it) => alone(args, request),
        Err(error) => Err(error),
    }
}

/// Where the service has no custody one officer revokes; and whoever asks may hear what would be.
fn alone(args: &RevokeArgs, request: v1::RevokeRequest) -> anyhow::Result<ExitCode> {
    if args.out.is_none() && !args.is_dry() {
        return Err(misuse(
            "one officer revokes here, and gets the lists at once: --out DIR says where to, --dry-run what there would be",
        ));
    }
    let place = args.proposing.signing.place.place()?;
    let mut folder = args.out.as_deref().map(Folder::open).transpose()?;
    let runtime = runtime()?;
    let mut custody = runtime.block_on(async { anyhow::Ok(place.connect().await?.custody()) })?;
    take_lists(args, folder.as_mut(), |take| {
        runtime.block_on(custody.revoke(request, take)).map_err(|error| of_a_break(error, args))
    })
}

/// Two officers revoke: what is meant now is proposed, and no other number.
fn by_two(args: &RevokeArgs, mut desk: Desk, request: v1::RevokeRequest) -> anyhow::Result<ExitCode> {
    if args.out.is_some() {
        return Err(misuse(
            "two officers revoke here: propose it without --out, and have the lists with --fetch once it is approved",
        ));
    }
    let reason = words_of("--why", args.why.as_deref().unwrap_or_default())?;
    let mut summary = v1::RevocationSummary::default();
    desk.revoke(v1::RevokeRequest { dry_run: true, ..request }, |part| {
        if let Part::Summary(told) = part {
            summary = told;
        }
        Ok(())
    })?;
    if summary.certificates == 0 {
        return nothing_is_meant();
    }
    let question = words_of("what is asked", &summary.asked)?;
    let change = Revocation { question, hash_type: args.hash_type, reason, expect: summary.certificates };
    let proposed = propose(&args.proposing, &mut desk, Wish::of(Change::Revoke(change)))?;
    ndjson::on_stdout(|out| {
        tell_proposed(&args.proposing, &desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn fetch(args: &RevokeArgs, id: &str) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::with_ended(&args.proposing.signing.place)?;
    let proposal = desk.scene.proposal(id)?.id.clone();
    let mut folder = args.out.as_deref().map(Folder::open).transpose()?;
    take_lists(args, folder.as_mut(), |take| {
        let request = v1::FetchRevocationRequest { proposal };
        desk.fetch_revocation(request, take).map_err(|error| of_a_break(error, args))
    })
}

/// Prints and writes lists as they come.
fn take_lists(
    args: &RevokeArgs,
    mut folder: Option<&mut Folder>,
    ask: impl FnOnce(&mut dyn FnMut(Part) -> anyhow::Result<()>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut is_nothing = false;
    let ended = ndjson::on_stdout(|out| {
        let mut shown = Shown::new(out, args.proposing.signing.json, args.out.as_deref());
        let mut take = |part| -> anyhow::Result<()> {
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
        ask(&mut take)?;
        shown.end()?;
        Ok(ExitCode::SUCCESS)
    })?;
    if is_nothing { nothing_is_meant() } else { Ok(ended) }
}

fn nothing_is_meant() -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "sceau: nothing on record is like that, or it has expired; nothing was revoked")?;
    Ok(ExitCode::from(SOME_REFUSED))
}

/// A call that broke off may have been carried out.
fn of_a_break(error: anyhow::Error, args: &RevokeArgs) -> anyhow::Error {
    let is_certain = error.downcast_ref::<AdminError>().is_some_and(|error| error.is_refused() || error.is_the_callers_fault());
    if is_certain || args.is_dry() {
        return error;
    }
    error.context("the lists are not whole; the same command with another --out gives the same lists")
}

impl RevokeArgs {
    const fn is_dry(&self) -> bool {
        self.proposing.signing.dry_run
    }

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
            reason: self.why.clone().unwrap_or_default(),
            expected_certificates: self.expect,
            dry_run: self.is_dry(),
            with_expired: self.with_expired,
        })
    }
}
