//! The whole path of a certificate on one core, without the signature: JSON bytes in, HC1 text out.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::{Algorithm, Kid, Signature};
use sceau::encode::{ClaimsSet, Hc1, ProtectedHeader};

use crate::payloads::{Setting, payloads};

fn json_to_hc1(criterion: &mut Criterion) {
    let (payloads, setting) = (payloads(), Setting::new());
    let header = ProtectedHeader::new(Algorithm::Es256, Kid::from([1; 8]));
    let expires_at = setting.now.plus_seconds(365 * 86_400);
    // As much entropy as a signature has, so that zlib works as hard.
    let signature: Vec<u8> = (0..2).flat_map(|half: u8| *sceau::domain::Digest::of(&[half]).as_bytes()).collect();
    let mut turn = payloads.iter().cycle();
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(1));
    group.bench_function("json_to_hc1", |bencher| {
        bencher.iter(|| {
            let json = turn.next().expect("a cycle does not end");
            let hcert = setting.parse(black_box(json));
            let claims = ClaimsSet { issuer: "FR", issued_at: setting.now, expires_at, payload: hcert }.to_cbor();
            let digest = header.digest(&claims);
            black_box(digest);
            let hc1 = Hc1::encode(&header.assemble(claims, Signature::new(signature.clone())));
            assert!(hc1.as_str().starts_with("HC1:") && hc1.as_str().len() > 400);
            hc1
        });
    });
    group.finish();
}

criterion_group!(benches, json_to_hc1);
