//! The whole path of a certificate on one core, without the signature: JSON bytes in, HC1 text out.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::encode::Hc1;

use crate::line::Line;
use crate::payloads::payloads;

/// From the signature on.
fn finish(line: &Line, claims: Vec<u8>) -> Hc1 {
    let hc1 = Hc1::encode(&line.message(claims));
    assert!(hc1.as_str().starts_with("HC1:") && hc1.as_str().len() > 400);
    hc1
}

/// One after another, and as the service does it: a batch is prepared, then (signed and) finished.
fn json_to_hc1(criterion: &mut Criterion) {
    let (payloads, line) = (payloads(), Line::new());
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(1));
    let mut turn = payloads.iter().cycle();
    group.bench_function("json_to_hc1/1", |bencher| {
        bencher.iter(|| {
            let (claims, digest) = line.prepare(black_box(turn.next().expect("a cycle does not end")));
            black_box(digest);
            finish(&line, claims)
        });
    });
    group.throughput(Throughput::Elements(payloads.len() as u64));
    group.bench_function(format!("json_to_hc1/{}", payloads.len()), |bencher| {
        bencher.iter(|| {
            let prepared: Vec<_> = payloads.iter().map(|json| line.prepare(black_box(json))).collect();
            prepared.into_iter().map(|(claims, digest)| (black_box(digest), finish(&line, claims)).1).collect::<Vec<_>>()
        });
    });
    group.finish();
}

criterion_group!(benches, json_to_hc1);
