//! What the writer computes for a certificate, what a call does beside it, and what the index does behind it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sceau::domain::{Clock, SystemClock};
use sceau::ledger::{LedgerKeys, Retention};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::made::{BOUND, CERTIFICATES, GROUP, MadeLedger};
use super::written::{Certificates, LedgerAtWork};
use crate::alone;
use crate::proc::thread_times;

/// Groups that are measured, and those before.
const GROUPS: u64 = 1_000;
const WARM_UP: u64 = 100;
/// Groups that are written at the same time.
const IN_FLIGHT: usize = 4;
/// Microseconds of CPU time a certificate.
const WANTED: f64 = 3.0;
/// The writer: its task, on a runtime of its own here, and the thread that SQLite writes on.
const PATH: [&str; 2] = ["ledger-task", "ledger-write"];
/// What a call does for itself on any thread of the service: claims, hashes, encrypts, and keeps for retries.
const CALLS: [&str; 1] = ["ledger-call"];
/// What comes behind: the thread that indexes, and those that SQLite reads and writes on for it.
const BEHIND: [&str; 4] = ["ledger-index", "ledger-index-db", "ledger-read", "ledger-find-db"];

#[test]
fn a_certificate_costs_the_writer_three_microseconds_at_ten_million() {
    let _alone = alone();
    let made = MadeLedger::open();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    measure("an empty ledger", &folder.path().join("ledger.db"), &made.keys);
    let cost = measure("ten million", &made.file(), &made.keys);
    assert!(cost <= WANTED, "{cost:.2} µs a certificate; wanted: {WANTED} µs");
}

fn runtime(name: &str) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().unwrap()
}

/// Microseconds of CPU time a certificate that the writer takes. Batches are made on this thread, which does not count.
fn measure(name: &str, file: &Path, keys: &LedgerKeys) -> f64 {
    let (writer, runtime) = (runtime("ledger-task"), runtime("ledger-call"));
    let retention = Retention { keep: Duration::from_secs(600), max_items: NonZeroUsize::new(100_000).unwrap() };
    let ledger = writer.block_on(LedgerAtWork::open(file, keys, Arc::new(SystemClock), Some(retention)));
    let ledger = Arc::new(ledger);
    let index = runtime.block_on(async { ledger.indexer().await.start() }).unwrap();
    // Others than those of the runs before.
    let mut certificates = Certificates::from(keys.clone(), CERTIFICATES + u64::from(rand::random::<u32>()) * GROUP as u64);
    let free = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut write = |groups: u64| {
        for _ in 0..groups {
            let batch = certificates.batch(GROUP, SystemClock.now());
            let place = runtime.block_on(Arc::clone(&free).acquire_owned()).unwrap();
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move {
                ledger.record(batch).await;
                drop(place);
            });
        }
        // Until the last is written.
        drop(runtime.block_on(free.acquire_many(IN_FLIGHT as u32)).unwrap());
    };
    let until_indexed = || {
        let (head, began) = (ledger.ledger.status().head().seq, Instant::now());
        while index.read() < head {
            assert!(began.elapsed() < BOUND, "it is indexed within {BOUND:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    write(WARM_UP);
    until_indexed();
    let (before, commits, began) = (thread_times(std::process::id()), ledger.ledger.status().written().commits, Instant::now());
    write(GROUPS);
    let (took, commits) = (began.elapsed(), ledger.ledger.status().written().commits - commits);
    until_indexed();
    let after = thread_times(std::process::id());
    let count = GROUPS * GROUP as u64;
    let cost = |name: &str| micros(&before, &after, name) / count as f64;
    let list = |names: &[&str]| names.iter().map(|name| format!("{name} {:.2}", cost(name))).collect::<Vec<_>>().join(", ");
    let sum = |names: &[&str]| names.iter().map(|name| cost(name)).sum::<f64>();
    let rate = count as f64 / took.as_secs_f64();
    println!("{name}: {rate:.0} certificates a second, {:.1} groups a commit", GROUPS as f64 / commits as f64 * 2.0);
    println!("  the writer {:.2} µs of CPU time a certificate ({})", sum(&PATH), list(&PATH));
    println!("  the calls  {:.2} µs ({})", sum(&CALLS), list(&CALLS));
    println!("  the index  {:.2} µs ({})", sum(&BEHIND), list(&BEHIND));
    index.stop();
    writer.block_on(Arc::into_inner(ledger).unwrap().end());
    sum(&PATH)
}

fn micros(before: &BTreeMap<String, Duration>, after: &BTreeMap<String, Duration>, name: &str) -> f64 {
    let time = |times: &BTreeMap<String, Duration>| times.get(name).copied().unwrap_or_default().as_secs_f64();
    (time(after) - time(before)) * 1e6
}
