//! What it costs that a token is in a process of its own: the same sessions, which sign by copying 64 bytes, behind the queue of
//! this process and behind a worker's pipes. The difference is the process boundary.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use futures_util::future::join_all;
use sceau::domain::{Digest, Lane, PublicKey};
use sceau::token::software::{SoftwareToken, StandIn};
use sceau::token::{Order, PinLatch, PinSource, Purpose, SupervisedToken, Token, TokenKey, TokenSpec, WantedKey, WorkerCommand};
use tokio::runtime::Runtime;

/// What this program is called with to be a worker.
const WORKER: &str = "stand-in-worker";

/// A full batch, in the slices in which batches go to a token.
const SLICES: usize = 8;
const SLICE: usize = 64;

/// Serves a supervisor where this program was started for that.
pub(crate) fn run_as_worker() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(WORKER) {
        return false;
    }
    let point = arguments.next().and_then(|hex| hex::decode(hex).ok()?.try_into().ok()).expect("the key's point in hex");
    StandIn::with_sessions(1).run_worker(&PublicKey::P256 { point }).expect("the pipes hold");
    true
}

fn supervised() -> SupervisedToken {
    let (_, public_key) = SoftwareToken::with_keys(1).key(0);
    let PublicKey::P256 { point } = &public_key else { unreachable!("keys in memory are on P-256") };
    let command = WorkerCommand {
        program: std::env::current_exe().expect("this program has a path"),
        arguments: vec![WORKER.to_owned(), hex::encode(point)],
    };
    let spec = TokenSpec {
        name: "stand-in".to_owned(),
        module: PathBuf::new(),
        label: String::new(),
        serial: None,
        pin: PinSource::Variable(String::new()),
        new_pin_file: None,
        so_pin_file: None,
        latch: PinLatch::at(std::env::temp_dir().join("sceau-bench-no-latch")),
        workers: Some(1),
        sessions: Some(1),
        environment: Vec::new(),
        hang_timeout: Duration::from_secs(10),
        relaxed: Vec::new(),
        max_signatures_per_second: None,
        keep_alive: None,
        user: None,
    };
    let wanted = WantedKey { name: "stand-in".to_owned(), public_key, purpose: Purpose::Certificate };
    let opened = SupervisedToken::start(&spec, command, &[wanted]).expect("threads");
    opened.outcome.expect("the worker starts");
    opened.token
}

fn worker_frames(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let tokens: [(&str, Arc<dyn Token>); 2] =
        [("in_process", Arc::new(StandIn::with_sessions(1))), ("in_a_worker", Arc::new(supervised()))];
    let mut group = criterion.benchmark_group("worker_frames");
    for (name, token) in &tokens {
        group.throughput(Throughput::Elements((SLICES * SLICE) as u64));
        group.bench_function(format!("batch_of_{}/{name}", SLICES * SLICE), |bencher| {
            bencher.iter(|| sign(&runtime, token, Lane::Bulk, SLICES, SLICE));
        });
    }
    for (name, token) in &tokens {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("single/{name}"), |bencher| {
            bencher.iter(|| sign(&runtime, token, Lane::Interactive, 1, 1));
        });
    }
    group.finish();
}

fn sign(runtime: &Runtime, token: &Arc<dyn Token>, lane: Lane, slices: usize, slice: usize) {
    let order = Order { key: TokenKey::FIRST, purpose: Purpose::Certificate, lane };
    let digests: Vec<Digest> = vec![Digest::of(b"one certificate"); slice];
    let signing = (0..slices).map(|_| token.sign(order, black_box(digests.clone())));
    let results = runtime.block_on(async { join_all(signing.collect::<Vec<_>>()).await });
    assert!(results.iter().flatten().filter(|result| result.is_ok()).count() == slices * slice);
}

criterion_group!(benches, worker_frames);
