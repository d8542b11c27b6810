//! The check of signatures: one by one, and those of one key together. Compare them within one run.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use sceau::domain::{BatchCheck, Digest, Lane, Signature, SignatureCheck};
use sceau::token::software::SoftwareToken;
use sceau::token::{Order, Purpose, Token};

fn verify(criterion: &mut Criterion) {
    let token = SoftwareToken::with_keys(1);
    let (key, public_key) = token.key(0);
    let order = Order { key, purpose: Purpose::Certificate, lane: Lane::Bulk };
    let digests: Vec<Digest> = (0..1024_u32).map(|number| Digest::of(&number.to_be_bytes())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let signatures = runtime.block_on(token.sign(order, digests.clone()));
    let signatures: Vec<Signature> = signatures.into_iter().map(|signed| signed.expect("the key signs").signature).collect();
    let signed: Vec<(&Digest, &[u8])> = digests.iter().zip(signatures.iter().map(Signature::as_bytes)).collect();

    let mut group = criterion.benchmark_group("verify");
    let each = SignatureCheck::new(&public_key).expect("a key");
    group.throughput(Throughput::Elements(1));
    let mut turn = signed.iter().cycle();
    group.bench_function("each", |bencher| {
        bencher.iter(|| {
            let (digest, signature) = black_box(turn.next().expect("a cycle"));
            assert!(each.accepts(digest, signature));
        });
    });
    let batch = BatchCheck::new(&public_key).expect("a key");
    for size in [8, 16, 32, 64, 128] {
        let mut turn = signed.chunks_exact(size).cycle();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("batch", size), |bencher| {
            bencher.iter(|| {
                let verdicts = batch.accepts_each(black_box(turn.next().expect("a cycle")), || {});
                assert!(verdicts.iter().all(|good| *good));
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("tables", |bencher| bencher.iter(|| BatchCheck::new(black_box(&public_key)).expect("a key")));
    group.finish();
}

criterion_group!(benches, verify);
