//! `sceau dsc trust-list`: what verifiers need.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::ndjson;
use crate::cli::page::line;
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, When, dsc_of, refuse_existing, write_new};
use crate::custody::trust_list::{Listing, write};
use crate::domain::{Dsc, NumericDate};
use crate::service::proto::v1;

/// Write the trust list of the register, in the EU gateway's JSON.
///
/// A DSC is in it from when it is published until its certificate ends, also when it signs no more: what it signed is to be verified.
/// A compromised one is not. The [[dsc]] of the configuration are not in the register, and not in the list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc trust-list --config sceau.toml --out trust-list.json
  sceau dsc trust-list --config sceau.toml --at 2024-03-01T00:00:00Z | jq -r '.[].kid'
  sceau verify --trust trust-list.json --in signed.ndjson --summary")]
pub(super) struct TrustListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The instant at which it is to hold; now, where it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// The file; standard output, where it is left out. One that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// It is JSON in any case
    #[arg(long, hide = true)]
    json: bool,
}

pub(super) fn run(args: &TrustListArgs) -> anyhow::Result<ExitCode> {
    args.out.as_deref().map_or(Ok(()), refuse_existing)?;
    let desk = Desk::open(&args.place)?;
    let at = args.at.map_or(desk.scene.now, |at| at.instant(desk.scene.now));
    let listed: Vec<(Dsc, NumericDate)> = desk
        .scene
        .keys
        .iter()
        .filter_map(|key| Some((dsc_of(key).transpose()?, listed_since(key, at)?)))
        .map(|(dsc, since)| Ok((dsc?, since)))
        .collect::<anyhow::Result<_>>()?;
    let listings: Vec<Listing<'_>> = listed.iter().map(|(dsc, since)| Listing { dsc, since: *since, upload: None }).collect();
    let json = write(&listings)?;
    ndjson::on_stdout(|out| {
        match &args.out {
            Some(file) => {
                write_new(file, &json)?;
                line(out, &format!("wrote {}: {} DSCs, as of {at}", file.display(), listed.len()))?;
            }
            None => out.write_all(&json)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Since when a key's certificate is on the list; nothing where it is not, at an instant.
fn listed_since(key: &v1::CustodyKey, at: NumericDate) -> Option<NumericDate> {
    let (since, until) = (key.published_at?, key.not_after?);
    let is_listed = since <= at.seconds() && at.seconds() <= until && key.compromised_at.is_none();
    is_listed.then(|| NumericDate::from_seconds(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsc_is_listed_from_its_publication_to_its_last_instant_and_no_more_once_compromised() {
        let mut key = v1::CustodyKey { published_at: Some(10), not_after: Some(20), ..Default::default() };
        let is_listed = |key: &v1::CustodyKey, at| listed_since(key, NumericDate::from_seconds(at)).is_some();
        let listed: Vec<i64> = (8..23).filter(|at| is_listed(&key, *at)).collect();
        assert_eq!(listed, (10..=20).collect::<Vec<_>>());
        key.destroyed_at = Some(12);
        assert!(is_listed(&key, 15));
        key.compromised_at = Some(12);
        assert!(!is_listed(&key, 15));
        assert!(!is_listed(&v1::CustodyKey { not_after: Some(20), ..Default::default() }, 15));
    }
}
