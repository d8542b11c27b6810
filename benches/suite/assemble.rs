//! From a signature on: the COSE message, its text, what stands on record of it; and the way back.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::{Algorithm, RevocationHashes};
use sceau::encode::{CoseBytes, Hc1, SignedHcert};

use crate::line::Line;
use crate::payloads::payloads;

/// As long as those that are made.
const UVCI: &str = "URN:UVCI:01:FR:ABCDEFGHIJKLMNOPQRSTUVWX12#8";

fn assemble(criterion: &mut Criterion) {
    let (payloads, line) = (payloads(), Line::new());
    let claims: Vec<Vec<u8>> = payloads.iter().map(|json| line.prepare(json).0).collect();
    let messages: Vec<CoseBytes> = claims.iter().map(|claims| line.message(claims.clone())).collect();
    let texts: Vec<Hc1> = messages.iter().map(Hc1::encode).collect();
    let mut group = criterion.benchmark_group("assemble");
    group.throughput(Throughput::Elements(1));
    let mut turn = claims.iter().zip(&messages).cycle();
    group.bench_function("cose/1", |bencher| {
        bencher.iter(|| {
            let (claims, same) = black_box(turn.next().expect("a cycle"));
            let message = line.message(claims.clone());
            assert_eq!(message.as_bytes().len(), same.as_bytes().len());
            message
        });
    });
    let mut turn = messages.iter().cycle();
    group.bench_function("hc1/1", |bencher| {
        bencher.iter(|| {
            let hc1 = Hc1::encode(black_box(turn.next().expect("a cycle")));
            assert!(hc1.as_str().len() > 400);
            hc1
        });
    });
    let signature = line.signature();
    group.bench_function("revocation_hashes/1", |bencher| {
        bencher.iter(|| RevocationHashes::of(Algorithm::Es256, black_box(&signature), black_box(UVCI), "FR"));
    });
    let mut turn = texts.iter().cycle();
    group.bench_function("decode/1", |bencher| {
        bencher.iter(|| SignedHcert::decode(black_box(turn.next().expect("a cycle").as_str())).expect("our own text"));
    });
    group.finish();
}

criterion_group!(benches, assemble);
