//! From JSON to a certificate's content: the tree alone, and the tree with every rule applied, transliteration and UVCI included.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::json::Json;

use crate::payloads::{Setting, payloads};

fn parse_and_validate(criterion: &mut Criterion) {
    let (payloads, setting) = (payloads(), Setting::new());
    let mut group = criterion.benchmark_group("parse_and_validate");
    group.throughput(Throughput::Elements(1));
    let mut turn = payloads.iter().cycle();
    group.bench_function("json_tree/1", |bencher| {
        bencher.iter(|| Json::parse(black_box(turn.next().expect("a cycle"))).expect("samples are JSON"));
    });
    let mut turn = payloads.iter().cycle();
    // Samples are valid, or `parse` panics.
    group.bench_function("payload/1", |bencher| bencher.iter(|| setting.parse(black_box(turn.next().expect("a cycle")))));
    group.finish();
}

criterion_group!(benches, parse_and_validate);
