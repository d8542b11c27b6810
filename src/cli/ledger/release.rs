//! `sceau ledger release`: the claims of a signer that is gone.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cli::stores::url_of;
use crate::config::{Config, StoreSettings};
use crate::domain::Octets;
use crate::ledger::store::postgres::PostgresStore;
use crate::ledger::store::{Store, Wanted};

/// How long the chain is held for it.
const LEASE: Duration = Duration::from_secs(1);

/// Free the items of a signer at a shared database that died and does not come back.
///
/// What it had claimed and not finished is held until its claims run out, sign_timeout_ms and 20 seconds later, and the other signers
/// wait that long for the same items. This ends the claims at once. A signer of the same instance that starts again does so by
/// itself. Nothing is signed twice by it: a signer that was merely cut off, and comes back, has lost its claims, and what it signed
/// under them does not leave. One that is alive renews its lease and is left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sceau ledger release north --config /etc/sceau/sceau.toml    # any signer's configuration for the same database")]
pub(super) struct ReleaseArgs {
    /// The instance that is gone, as `sceau ledger show` names it
    #[arg(value_name = "INSTANCE")]
    instance: String,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
}

pub(super) fn run(args: &ReleaseArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let StoreSettings::Postgres(settings) = &config.ledger.store else {
        anyhow::bail!("ledger.store is not \"postgres\": no signer waits for another's items")
    };
    let url = url_of(settings)?;
    crate::cli::runtime()?.block_on(async {
        let store = PostgresStore::connect(url.clone()).await.with_context(|| format!("the ledger {url}"))?;
        release(&store, &args.instance).await
    })?;
    writeln!(std::io::stdout(), "{}: its items are free", args.instance)?;
    Ok(ExitCode::SUCCESS)
}

/// Who takes a chain ends the claims of whoever held it.
async fn release(store: &PostgresStore, instance: &str) -> anyhow::Result<()> {
    let instances: Vec<String> = store.chains().await?.into_iter().map(|state| state.instance).collect();
    anyhow::ensure!(
        instances.iter().any(|known| known == instance),
        "there is no instance {instance:?} in this ledger; there are: {}",
        instances.join(", ")
    );
    let holder = Octets(rand::random());
    let taken = store.take(Wanted { instance, holder: &holder, lasts: LEASE }).await.context("it may be alive")?;
    Ok(store.release(&taken.lease).await?)
}
