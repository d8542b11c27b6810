//! Each stage of the path by itself.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::json::Json;
use sceau::domain::{Algorithm, Digest, Kid, RevocationHashes, Signature, SignatureCheck};
use sceau::encode::{ClaimsSet, CoseBytes, Hc1, ProtectedHeader, SignedHcert};
use sceau::token::software::SoftwareToken;

use crate::payloads::{Setting, payloads};

/// As long as those that are made.
const UVCI: &str = "URN:UVCI:01:FR:ABCDEFGHIJKLMNOPQRSTUVWX12#8";

fn stages(criterion: &mut Criterion) {
    let (payloads, setting) = (payloads(), Setting::new());
    let header = ProtectedHeader::new(Algorithm::Es256, Kid::from([1; 8]));
    let expires_at = setting.now.plus_seconds(365 * 86_400);
    let hcerts: Vec<_> = payloads.iter().map(|json| setting.parse(json)).collect();
    let claims: Vec<Vec<u8>> = hcerts
        .iter()
        .map(|hcert| ClaimsSet { issuer: "FR", issued_at: setting.now, expires_at, payload: hcert }.to_cbor())
        .collect();
    let signature: Vec<u8> = (0..2).flat_map(|half: u8| *Digest::of(&[half]).as_bytes()).collect();
    let messages: Vec<CoseBytes> =
        claims.iter().map(|claims| header.assemble(claims.clone(), Signature::new(signature.clone()))).collect();
    let texts: Vec<Hc1> = messages.iter().map(Hc1::encode).collect();

    let mut group = criterion.benchmark_group("stage");
    group.throughput(Throughput::Elements(1));
    let mut turn = payloads.iter().cycle();
    group.bench_function("json_tree", |bencher| {
        bencher.iter(|| Json::parse(black_box(turn.next().expect("a cycle"))).expect("samples are JSON"));
    });
    let mut turn = payloads.iter().cycle();
    group
        .bench_function("parse_and_validate", |bencher| bencher.iter(|| setting.parse(black_box(turn.next().expect("a cycle")))));
    let mut turn = hcerts.iter().cycle();
    group.bench_function("claims", |bencher| {
        bencher.iter(|| {
            let payload = black_box(turn.next().expect("a cycle"));
            let cbor = ClaimsSet { issuer: "FR", issued_at: setting.now, expires_at, payload }.to_cbor();
            assert_eq!(cbor[0], 0xa4);
            cbor
        });
    });
    let mut turn = claims.iter().cycle();
    group.bench_function("digest", |bencher| bencher.iter(|| header.digest(black_box(turn.next().expect("a cycle")))));
    let mut turn = claims.iter().cycle();
    group.bench_function("assemble", |bencher| {
        bencher.iter(|| header.assemble(black_box(turn.next().expect("a cycle")).clone(), Signature::new(signature.clone())));
    });
    let made = Signature::new(signature.clone());
    group.bench_function("revocation_hashes", |bencher| {
        bencher.iter(|| RevocationHashes::of(Algorithm::Es256, black_box(&made), black_box(UVCI), "FR"));
    });
    let mut turn = messages.iter().cycle();
    group.bench_function("hc1", |bencher| bencher.iter(|| Hc1::encode(black_box(turn.next().expect("a cycle")))));
    let mut turn = texts.iter().cycle();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| SignedHcert::decode(black_box(turn.next().expect("a cycle").as_str())).expect("our own text"));
    });
    group.finish();
}

fn check(criterion: &mut Criterion) {
    use sceau::domain::Lane;
    use sceau::token::{Order, Purpose, Token};

    let token = SoftwareToken::with_keys(1);
    let (key, public_key) = token.key(0);
    let digest = Digest::of(b"one certificate");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let order = Order { key, purpose: Purpose::Certificate, lane: Lane::Bulk };
    let signature = runtime.block_on(token.sign(order, vec![digest])).remove(0).expect("the key signs").signature;
    let check = SignatureCheck::new(&public_key).expect("a key");
    let mut group = criterion.benchmark_group("stage");
    group.throughput(Throughput::Elements(1));
    group.bench_function("check_es256", |bencher| {
        bencher.iter(|| assert!(check.accepts(black_box(&digest), black_box(signature.as_bytes()))));
    });
    group.finish();
}

criterion_group!(benches, stages, check);
