//! From JSON to the digest that a token signs: parsed, validated, encoded and hashed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};

use crate::line::Line;
use crate::payloads::payloads;

fn prepare(criterion: &mut Criterion) {
    let (payloads, line) = (payloads(), Line::new());
    let mut group = criterion.benchmark_group("prepare");
    group.throughput(Throughput::Elements(1));
    let mut turn = payloads.iter().cycle();
    group.bench_function("payload/1", |bencher| {
        bencher.iter(|| {
            let (claims, digest) = line.prepare(black_box(turn.next().expect("a cycle")));
            assert_eq!(claims[0], 0xa4);
            (claims, digest)
        });
    });
    group.finish();
}

criterion_group!(benches, prepare);
