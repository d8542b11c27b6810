//! The whole path of a certificate on one core, without the signature: JSON bytes in, HC1 text out.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::{Algorithm, Digest, Kid, Signature};
use sceau::encode::{ClaimsSet, Hc1, ProtectedHeader};

use crate::payloads::{Setting, payloads};

/// What a certificate passes through besides its payload.
struct Line {
    setting: Setting,
    header: ProtectedHeader,
    /// As much entropy as a signature has, so that zlib works as hard.
    signature: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        Self {
            setting: Setting::new(),
            header: ProtectedHeader::new(Algorithm::Es256, Kid::from([1; 8])),
            signature: (0..2).flat_map(|half: u8| *Digest::of(&[half]).as_bytes()).collect(),
        }
    }

    /// Up to what the token signs.
    fn prepare(&self, json: &[u8]) -> (Vec<u8>, Digest) {
        let expires_at = self.setting.now.plus_seconds(365 * 86_400);
        let payload = self.setting.parse(json);
        let claims = ClaimsSet { issuer: "FR", issued_at: self.setting.now, expires_at, payload }.to_cbor();
        let digest = self.header.digest(&claims);
        (claims, digest)
    }

    /// From the signature on.
    fn finish(&self, claims: Vec<u8>) -> Hc1 {
        let hc1 = Hc1::encode(&self.header.assemble(claims, Signature::new(self.signature.clone())));
        assert!(hc1.as_str().starts_with("HC1:") && hc1.as_str().len() > 400);
        hc1
    }
}

/// One after another, and as the service does it: a batch is prepared, then (signed and) finished. The difference is the
/// first-level cache, which each reset of the compressor sweeps out.
fn json_to_hc1(criterion: &mut Criterion) {
    let (payloads, line) = (payloads(), Line::new());
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(1));
    let mut turn = payloads.iter().cycle();
    group.bench_function("json_to_hc1/1", |bencher| {
        bencher.iter(|| {
            let (claims, digest) = line.prepare(black_box(turn.next().expect("a cycle does not end")));
            black_box(digest);
            line.finish(claims)
        });
    });
    group.throughput(Throughput::Elements(payloads.len() as u64));
    group.bench_function(format!("json_to_hc1/{}", payloads.len()), |bencher| {
        bencher.iter(|| {
            let prepared: Vec<_> = payloads.iter().map(|json| line.prepare(black_box(json))).collect();
            prepared.into_iter().map(|(claims, digest)| (black_box(digest), line.finish(claims)).1).collect::<Vec<_>>()
        });
    });
    group.finish();
}

criterion_group!(benches, json_to_hc1);
