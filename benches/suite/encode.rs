//! From a certificate's content to claims in CBOR, and to the digest of their `Sig_structure`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::Digest;
use sceau::encode::ClaimsSet;

use crate::line::Line;
use crate::payloads::payloads;

fn encode(criterion: &mut Criterion) {
    let (payloads, line) = (payloads(), Line::new());
    let hcerts: Vec<_> = payloads.iter().map(|json| line.setting.parse(json)).collect();
    let claims: Vec<Vec<u8>> = payloads.iter().map(|json| line.prepare(json).0).collect();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    let mut turn = hcerts.iter().zip(&claims).cycle();
    group.bench_function("claims/1", |bencher| {
        bencher.iter(|| {
            let (payload, same) = black_box(turn.next().expect("a cycle"));
            let issued_at = line.setting.now;
            let cbor = ClaimsSet { issuer: "FR", issued_at, expires_at: line.expires_at(), payload }.to_cbor();
            assert_eq!(cbor.len(), same.len());
            cbor
        });
    });
    let mut turn = claims.iter().cycle();
    group.bench_function("digest/1", |bencher| bencher.iter(|| line.header.digest(black_box(turn.next().expect("a cycle")))));
    group.finish();
    assert_eq!(line.header.digest(&claims[0]), Digest::of(&line.header.sig_structure(&claims[0])));
}

criterion_group!(benches, encode);
