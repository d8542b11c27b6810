//! `sceau ledger import`: chains from an export, or a whole database from another.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::now;
use crate::cli::audit;
use crate::cli::exit::SOME_REFUSED;
use crate::cli::runtime;
use crate::cli::stores::Stores;
use crate::cli::{ledger_keys, ndjson};
use crate::config::Config;
use crate::ledger::archive::line::Line;
use crate::ledger::archive::{self, Expectations, ExportReader, PinnedHead, Report, SignedTrailer, TrustedAuditors};
use crate::ledger::moving::{Incoming, Keeper, Moved, row_of};
use crate::ledger::open_kept;
use crate::ledger::store::Store;
use crate::ledger::store::pruning::PruningStore;
use crate::ledger::store::sqlite::SqliteStore;

/// Bring chains into the configured ledger: from exports, or all of another database.
///
/// With the services stopped that write those chains. A chain that is there already has to be the beginning of the one that comes;
/// an import that was cut off is gone on with by the same command. Then the index is built, and a service whose `instance` is that
/// of the chain goes on where it ended. Its ledger keys have to be the same: copy the key file first.
///
/// `--from sqlite:FILE` is the way from SQLite to PostgreSQL: what is kept for retries moves, too. An export holds none of that, so
/// after an import from one, items that were signed in the last `keep_seconds` are signed again where they are retried.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau ledger import --config new.toml --from sqlite:/var/lib/sceau/ledger.db
  sceau ledger import --config new.toml ledger.ndjson --certificate audit.pem --min-head north:81234:5f0c...

Exit codes: 0 all is there, 2 an export is not intact (nothing of it is brought in).")]
pub(super) struct ImportArgs {
    /// The configuration that names the ledger to bring them into
    #[arg(long, value_name = "FILE", default_value = "/etc/sceau/sceau.toml")]
    config: PathBuf,
    /// Exports, as `sceau ledger export` writes them; read twice, so not '-'
    #[arg(value_name = "EXPORT", required_unless_present = "from")]
    files: Vec<PathBuf>,
    /// The audit certificates to check exports by, in PEM or DER
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["from", "unverified"])]
    #[arg(required_unless_present_any = ["from", "unverified"])]
    certificate: Vec<PathBuf>,
    /// A head that an export has to hold, as an earlier audit printed it
    #[arg(long, value_name = "INSTANCE:SEQ:LINK", requires = "certificate")]
    min_head: Vec<PinnedHead>,
    /// Believe the exports' signatures unseen; links are checked all the same
    #[arg(long, conflicts_with = "from")]
    unverified: bool,
    /// A database to copy whole, of a service that is stopped: sqlite:FILE
    #[arg(long, value_name = "DATABASE", value_parser = parse_source, conflicts_with = "files")]
    from: Option<Source>,
}

/// A database that is copied.
#[derive(Clone, Debug)]
struct Source(PathBuf);

fn parse_source(text: &str) -> Result<Source, &'static str> {
    let file = text.strip_prefix("sqlite:").filter(|file| !file.is_empty());
    file.map(|file| Source(file.into())).ok_or("sqlite:FILE; from PostgreSQL to PostgreSQL, pg_dump copies a ledger")
}

/// A chain that was brought in, and what of it for retries.
struct Imported {
    instance: String,
    moved: Moved,
    kept: Option<KeptMoved>,
}

/// What of a database was kept for retries.
struct KeptMoved {
    items: u64,
    unreadable: u64,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let runtime = runtime()?;
    let mut reports = Vec::new();
    if args.from.is_none() && !args.unverified {
        let trusted = audit::trusted(&args.certificate)?;
        for file in &args.files {
            let report = verify(file, &trusted, &args.min_head)?;
            if !report.is_intact() {
                return refuse(file, &report);
            }
            reports.push(report);
        }
    }
    let imported = runtime.block_on(async {
        let stores = Stores::open(&config.ledger.store).await?;
        let stores = stores.context("ledger.store is none_at_own_risk: there is nothing to import into")?;
        match &args.from {
            Some(Source(file)) => copy(&config, &stores, file).await,
            None => import(&stores, &args.files, &reports).await,
        }
    })?;
    tell(args, &imported)
}

fn verify(file: &Path, trusted: &TrustedAuditors, heads: &[PinnedHead]) -> anyhow::Result<Report> {
    let expectations = Expectations { heads: heads.to_vec(), not_before: None };
    archive::verify(open(file)?, trusted, expectations).with_context(|| file.display().to_string())
}

fn open(file: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?))
}

fn refuse(file: &Path, report: &Report) -> anyhow::Result<ExitCode> {
    ndjson::on_stdout(|out| {
        report.findings.listed().iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
        writeln!(out, "NOT INTACT: {}; nothing was brought in", file.display())?;
        Ok(ExitCode::from(SOME_REFUSED))
    })
}

/// Brings in exports; those that were verified have to be what they were then.
async fn import(stores: &Stores, files: &[PathBuf], reports: &[Report]) -> anyhow::Result<Vec<Imported>> {
    let mut imported = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let first = imported.len();
        import_file(stores, file, &mut imported).await.with_context(|| file.display().to_string())?;
        for chain in reports.get(number).map(|report| &report.chains).into_iter().flatten() {
            let is_it = |one: &Imported| one.instance == chain.instance && one.moved.head.seq >= chain.head.seq;
            anyhow::ensure!(imported[first..].iter().any(is_it), "{} is another file than it was", file.display());
        }
    }
    Ok(imported)
}

async fn import_file(stores: &Stores, file: &Path, imported: &mut Vec<Imported>) -> anyhow::Result<()> {
    let mut reader = ExportReader::open(open(file)?)?;
    let mut current: Option<(String, Incoming<'_>)> = None;
    while let Some((number, line)) = reader.next_line()? {
        let record = match line.with_context(|| format!("line {number}"))? {
            Line::Record(record) => record,
            Line::Trailer(trailer) => {
                finish(stores, current.take(), imported).await?;
                return is_whole(&trailer, imported);
            }
        };
        if current.as_ref().is_none_or(|(instance, _)| *instance != record.chain) {
            finish(stores, current.take(), imported).await?;
            let incoming = Incoming::begin(&*stores.store, &record.chain).await?;
            current = Some((record.chain.clone(), incoming));
        }
        let row = row_of(record).with_context(|| format!("line {number} has neither a record nor its digest"))?;
        if let Some((_, incoming)) = &mut current {
            incoming.take(row).await?;
        }
    }
    finish(stores, current, imported).await?;
    anyhow::bail!("it has no trailer: its end is missing, and what came in is a beginning")
}

/// Whether all came in that the export had when it was made.
fn is_whole(trailer: &SignedTrailer, imported: &[Imported]) -> anyhow::Result<()> {
    let trailer = trailer.read().context("its trailer cannot be read")?;
    for end in &trailer.chains {
        let is_there = imported.iter().any(|one| one.instance == end.instance && one.moved.head.seq >= end.seq);
        let (instance, seq) = (&end.instance, end.seq);
        anyhow::ensure!(
            is_there || seq == 0,
            "it was cut: its trailer says that the chain {instance:?} goes on up to record {seq}"
        );
    }
    Ok(())
}

async fn finish(stores: &Stores, chain: Option<(String, Incoming<'_>)>, imported: &mut Vec<Imported>) -> anyhow::Result<()> {
    let Some((instance, incoming)) = chain else { return Ok(()) };
    let both = (Arc::clone(&stores.store), Arc::clone(&stores.index));
    let moved = incoming.end(both, &*stores.pruning, None).await?;
    imported.push(Imported { instance, moved, kept: None });
    Ok(())
}

/// Copies a database, with what is kept for retries.
async fn copy(config: &Config, stores: &Stores, file: &Path) -> anyhow::Result<Vec<Imported>> {
    anyhow::ensure!(file.exists(), "there is no ledger {}", file.display());
    let source = SqliteStore::open(file).await.with_context(|| format!("the ledger {}", file.display()))?;
    let keys = ledger_keys::load(&config.ledger.key_file).context("copy the key file of the ledger that is moved")?;
    let (mut imported, now) = (Vec::new(), now());
    // They are of the database, not of a chain.
    let mut items = Vec::new();
    let unreadable = open_kept(&keys, source.kept(now, usize::MAX).await?, |item| items.push(item));
    let mut kept = Some(items);
    if let (Some(items), Some(oldest)) = (&stores.items, keys.ids().last()) {
        items.agree(*oldest, &crate::domain::Octets(rand::random())).await?;
    }
    for state in source.chains().await? {
        let mut incoming = Incoming::begin(&*stores.store, &state.instance).await?;
        let mut next = 1;
        loop {
            let rows = source.rows(state.chain, next, 256).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for row in rows {
                incoming.take(row).await?;
            }
            next = last + 1;
        }
        let kept = match kept.take() {
            Some(items) => {
                let keeper = Keeper { items: stores.items.as_deref(), keys: &keys, now };
                Some(KeptMoved { items: incoming.keep(&keeper, items).await?, unreadable })
            }
            None => None,
        };
        let both = (Arc::clone(&stores.store), Arc::clone(&stores.index));
        let planned = source.planned(state.chain).await?;
        let moved = incoming.end(both, &*stores.pruning, planned).await?;
        imported.push(Imported { instance: state.instance, moved, kept });
    }
    Ok(imported)
}

fn tell(args: &ImportArgs, imported: &[Imported]) -> anyhow::Result<ExitCode> {
    ndjson::on_stdout(|out| {
        for Imported { instance, moved: Moved { head, records, .. }, kept } in imported {
            writeln!(out, "chain {instance}: {records} records brought in, head {instance}:{}:{}", head.seq, head.link)?;
            if let Some(KeptMoved { items, unreadable }) = kept {
                writeln!(out, "kept for retries: {items} items")?;
                if *unreadable > 0 {
                    let under = "that the key file cannot read; retried, they would be signed again";
                    writeln!(out, "not kept: {unreadable} items {under}")?;
                }
            }
        }
        if args.from.is_none() {
            writeln!(out, "An export holds nothing that is kept for retries: what is retried now is signed again.")?;
        }
        writeln!(out, "Next: the same key file, the same instance, and start the service.")?;
        Ok(ExitCode::SUCCESS)
    })
}
