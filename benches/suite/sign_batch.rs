//! `SignBatch` over gRPC as a backend sees it, each signature checked: on keys in memory, which shows what Sceau costs; on SoftHSM
//! in two worker processes; and on a network HSM of 5 ms and 32 sessions, played by the faulty token before SoftHSM.
//!
//! One batch at a time, so that small ones wait for the token; `sceau bench load` keeps several in flight. Client, service and
//! token share the machine's cores.

use std::cell::LazyCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::sign::Checking;
use sceau::token::software::SoftwareToken;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::payloads::payloads;
use crate::service::{NetworkHsms, Service, Shape, softhsm};
use crate::{grpc, in_process};

const ITEMS: [usize; 4] = [1, 10, 100, 1_000];

/// A client, and what has to live as long as it.
struct Line {
    client: SignerClient<Channel>,
    _service: Option<Service>,
    _home: Box<dyn std::any::Any>,
}

type Start = fn(&Runtime) -> Line;

fn software(runtime: &Runtime) -> Line {
    let token = SoftwareToken::with_keys(1);
    let (_, public_key) = token.key(0);
    let signer = in_process::signer(Arc::new(token), &public_key, Checking::Batch, grpc::threads());
    Line { client: grpc::client(runtime, &signer, in_process::profile()), _service: None, _home: Box::new(()) }
}

fn on_softhsm(runtime: &Runtime) -> Line {
    let home = softhsm();
    let service = Service::start(&home.path().join("sceau.toml"));
    Line { client: connect(runtime, &service), _service: Some(service), _home: Box::new(home) }
}

fn on_network_hsm(runtime: &Runtime) -> Line {
    let hsms = NetworkHsms::make(Shape { sessions: 32, signature_ms: 5.0, per_second: None }, &["hsm-1"]);
    let service = Service::start(&hsms.configuration(&["hsm-1"]));
    Line { client: connect(runtime, &service), _service: Some(service), _home: Box::new(hsms) }
}

fn connect(runtime: &Runtime, service: &Service) -> SignerClient<Channel> {
    let endpoint = service.endpoint.clone();
    let endpoint = if endpoint.contains("://") { endpoint } else { format!("http://{endpoint}") };
    let client = runtime.block_on(SignerClient::connect(endpoint)).expect("the service answers");
    client.max_decoding_message_size(usize::MAX)
}

fn sign_batch(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let payloads: Vec<Bytes> = payloads().into_iter().map(Bytes::from).collect();
    let tokens: [(&str, Start); 3] = [("software", software), ("softhsm", on_softhsm), ("network_hsm", on_network_hsm)];
    let mut group = criterion.benchmark_group("sign_batch");
    group.sample_size(30);
    for (name, start) in tokens {
        // A token that the command line leaves out is not made.
        let line = LazyCell::new(|| start(&runtime));
        for items in ITEMS {
            group.throughput(Throughput::Elements(items as u64));
            group.bench_function(format!("{name}/{items}"), |bencher| {
                let client = &line.client;
                let answer = |request| {
                    let answer = runtime.block_on(client.clone().sign_batch(request)).expect("an answer").into_inner();
                    let is_signed = |result: &&v1::Result| matches!(result.outcome, Some(v1::result::Outcome::Certificate(_)));
                    assert_eq!(answer.results.iter().filter(is_signed).count(), items);
                    answer
                };
                bencher.iter_batched(|| request(&payloads, items), answer, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

/// A batch of items that nobody has sent before.
fn request(payloads: &[Bytes], items: usize) -> v1::SignBatchRequest {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let item = |payload: &Bytes| {
        let item_id = format!("item-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        v1::Item { item_id, payload_json: payload.clone(), expires_at: None }
    };
    let lane = if items == 1 { v1::Lane::Interactive } else { v1::Lane::Bulk };
    let items = payloads.iter().cycle().take(items).map(item).collect();
    v1::SignBatchRequest { profile: "dcc".to_owned(), lane: lane.into(), items, ..Default::default() }
}

criterion_group!(benches, sign_batch);
