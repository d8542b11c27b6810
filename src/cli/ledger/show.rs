//! `sceau ledger show`: how the ledger is.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson;
use crate::cli::place::PlaceArgs;
use crate::cli::runtime;
use crate::domain::NumericDate;

/// Show the chains of the ledger, their ends, and whether it can be written.
///
/// The end of a chain, its seq and link, is what an auditor keeps elsewhere: `sceau audit verify --min-head` finds a ledger that was
/// cut off by it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sceau ledger show --config /etc/sceau/sceau.toml

Exit codes: 0 the ledger can be written, 2 it cannot.")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let ledger = runtime()?
        .block_on(async { args.place.place()?.connect().await?.auditor().show().await.map_err(anyhow::Error::from) })?;
    ndjson::on_stdout(|out| {
        if args.json {
            let chain = |chain: &crate::service::proto::v1::Chain| json!({"instance": chain.instance, "seq": chain.seq, "link": hex::encode(&chain.link), "indexed": chain.indexed, "pruned_before": chain.pruned_before.map(|before| NumericDate::from_seconds(before).to_string())});
            let chains: Vec<_> = ledger.chains.iter().map(chain).collect();
            writeln!(out, "{}", json!({"instance": ledger.instance, "trouble": ledger.trouble, "chains": chains}))?;
        } else {
            for chain in &ledger.chains {
                let own = if chain.instance == ledger.instance { " (this service's)" } else { "" };
                writeln!(out, "chain {}{own}", chain.instance)?;
                writeln!(
                    out,
                    "  records  {}, of which {} are not indexed yet",
                    chain.seq,
                    chain.seq.saturating_sub(chain.indexed)
                )?;
                writeln!(out, "  head     {}:{}:{}", chain.instance, chain.seq, hex::encode(&chain.link))?;
                if let Some(before) = chain.pruned_before {
                    writeln!(out, "  pruned   what expired before {}", NumericDate::from_seconds(before))?;
                }
            }
            match &ledger.trouble {
                Some(trouble) => writeln!(out, "it cannot be written: {trouble}")?,
                None => writeln!(out, "it can be written")?,
            }
        }
        Ok(if ledger.trouble.is_some() { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS })
    })
}
