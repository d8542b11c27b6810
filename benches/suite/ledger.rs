//! What it costs to put a batch of 500 on record in SQLite, all of it: claims, intent, outcome, what is kept for retries.
//!
//! In time, which is the disk's for the most part: two commits, one after the other. And in CPU time of the whole process, index
//! building apart: what is left of a core for everything else.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::Measurement;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use sceau::domain::{Clock, SystemClock};
use sceau::ledger::{LedgerKeys, Retention};
use tokio::runtime::Runtime;

#[path = "../../tests/soak/ledger/written/mod.rs"]
mod written;

use crate::cpu_time::CpuTime;
use written::{Certificates, LedgerAtWork};

const ITEMS: usize = 500;

struct Line {
    runtime: Runtime,
    ledger: LedgerAtWork,
    certificates: Certificates,
    _folder: tempfile::TempDir,
}

impl Line {
    fn new() -> Self {
        // On the disk that the build is on: a folder in memory knows no sync.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the folder can be made");
        let keys = LedgerKeys::parse(&"ab".repeat(32)).expect("64 digits");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the runtime starts");
        let retention = Retention { keep: Duration::from_secs(600), max_items: NonZeroUsize::new(100_000).expect("it is not 0") };
        let file = folder.path().join("ledger.db");
        let ledger = runtime.block_on(LedgerAtWork::open(&file, &keys, Arc::new(SystemClock), Some(retention)));
        Self { runtime, ledger, certificates: Certificates::from(keys, 0), _folder: folder }
    }
}

fn append<M: Measurement>(criterion: &mut Criterion<M>, name: &str) {
    let mut line = Line::new();
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(ITEMS as u64)).measurement_time(Duration::from_secs(8));
    group.bench_function(format!("{name}/{ITEMS}"), |bencher| {
        let Line { runtime, ledger, certificates, .. } = &mut line;
        bencher.iter_batched(
            || certificates.batch(ITEMS, SystemClock.now()),
            |batch| runtime.block_on(ledger.record(batch)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    line.runtime.block_on(line.ledger.end());
}

fn time(criterion: &mut Criterion) {
    append(criterion, "append");
}

fn cpu(criterion: &mut Criterion<CpuTime>) {
    append(criterion, "append_cpu");
    index(criterion);
}

/// Batches are written first, and then read and indexed in one go: a segment has many.
fn index(criterion: &mut Criterion<CpuTime>) {
    let Line { runtime, ledger, mut certificates, _folder } = Line::new();
    let mut indexer = runtime.block_on(ledger.indexer());
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(ITEMS as u64)).measurement_time(Duration::from_secs(8));
    group.bench_function(format!("index_cpu/{ITEMS}"), |bencher| {
        bencher.iter_custom(|batches| {
            (0..batches).for_each(|_| runtime.block_on(ledger.record(certificates.batch(ITEMS, SystemClock.now()))));
            let began = CpuTime.start();
            runtime.block_on(indexer.catch_up()).expect("the store answers");
            CpuTime.end(began)
        });
    });
    group.finish();
    runtime.block_on(ledger.end());
}

criterion_group!(benches, time);
criterion_group! {
    name = cpu_benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = cpu
}
