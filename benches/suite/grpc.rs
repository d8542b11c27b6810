//! What gRPC costs an item: the same batch handed to the signer in this process, and sent through a client, loopback and the
//! service. The token signs by copying 64 bytes and nothing is checked, so the difference is client, server and the two copies of
//! the messages.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::domain::Lane;
use sceau::domain::time::FixedClock;
use sceau::service::access::CallerSettings;
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::service::{Administration, Cores, Drain, Limits, Live, LiveSettings, Parts};
use sceau::sign::{Checking, Profile, Signer};
use sceau::token::software::{SoftwareToken, StandIn};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::in_process::{self, now, profile};
use crate::payloads::payloads;

pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Nothing is checked: what is signed so is no signature.
fn signer() -> Arc<Signer> {
    let (_, public_key) = SoftwareToken::with_keys(1).key(0);
    in_process::signer(Arc::new(StandIn::with_sessions(1)), &public_key, Checking::Skipped, threads())
}

/// A client of a service of its own in this process.
pub(crate) fn client(runtime: &Runtime, signer: &Arc<Signer>, profile: Arc<Profile>) -> SignerClient<Channel> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let callers = vec![CallerSettings::loopback()];
    let settings = LiveSettings { callers, person: None, profiles: vec![profile], limits: Limits::default() };
    let live = Live::new(settings, Arc::new(FixedClock(now())));
    let admin = Administration::default();
    let parts = Parts { signer: Arc::clone(signer), live, tls: None, cores: Cores::default(), drain: Drain::default(), admin };
    runtime.spawn(sceau::service::run(listener, std::future::pending(), parts));
    let client = runtime.block_on(SignerClient::connect(format!("http://{address}"))).expect("the service answers");
    client.max_decoding_message_size(usize::MAX)
}

fn grpc(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (payloads, profile, signer) = (payloads(), profile(), signer());
    let client = client(&runtime, &signer, Arc::clone(&profile));
    let mut group = criterion.benchmark_group("grpc");
    for items in [1_usize, 1_000] {
        let lane = if items == 1 { Lane::Interactive } else { Lane::Bulk };
        let own = in_process::items(&payloads, items);
        let sent = v1::SignBatchRequest {
            lane: if items == 1 { v1::Lane::Interactive } else { v1::Lane::Bulk }.into(),
            items: own
                .iter()
                .map(|(id, payload)| v1::Item {
                    item_id: id.as_str().to_owned(),
                    payload_json: payload.clone(),
                    expires_at: None,
                })
                .collect(),
            ..Default::default()
        };
        group.throughput(Throughput::Elements(items as u64));
        group.bench_function(format!("batch_of_{items}/in_process"), |bencher| {
            bencher.iter(|| {
                let request = in_process::batch(&profile, lane, &own);
                let outcomes = runtime.block_on(signer.sign_batch(black_box(request)));
                assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), items);
            });
        });
        group.bench_function(format!("batch_of_{items}/through_grpc"), |bencher| {
            bencher.iter(|| {
                let answer = runtime.block_on(client.clone().sign_batch(black_box(sent.clone()))).expect("an answer");
                let is_signed = |result: &v1::Result| matches!(result.outcome, Some(v1::result::Outcome::Certificate(_)));
                assert_eq!(answer.into_inner().results.iter().filter(|result| is_signed(result)).count(), items);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, grpc);
