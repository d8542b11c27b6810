//! What gRPC costs an item: the same batch handed to the signer in this process, and sent through a client, loopback and the
//! service. The token signs by copying 64 bytes and nothing is checked, so the difference is client, server and the two copies of
//! the messages.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::time::FixedClock;
use sceau::domain::{Algorithm, CallerId, Dsc, ItemId, Lane, NumericDate, RuleSet, Rulebook, UvciMaker, ValueSets};
use sceau::service::access::CallerSettings;
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::service::{Administration, Drain, Limits, Live, LiveSettings, Parts};
use sceau::sign::{
    BatchItem, BatchRequest, Checking, Durations, Keyring, LiveKeyring, Permits, Profile, Signer, SignerSettings, SigningKey,
    Station,
};
use sceau::token::TokenKey;
use sceau::token::software::{SoftwareToken, StandIn};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::payloads::{Setting, payloads};

const YEAR_SECONDS: i64 = 365 * 86_400;

fn now() -> NumericDate {
    Setting::new().now
}

fn profile() -> Arc<Profile> {
    let rulebook = Rulebook {
        rules: RuleSet::ALL,
        value_sets: Arc::new(ValueSets::builtin()),
        max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES,
    };
    Arc::new(Profile {
        name: "dcc".to_owned(),
        algorithm: Algorithm::Es256,
        issuer: "FR".parse().expect("a country"),
        durations: Durations { vaccination_seconds: YEAR_SECONDS, test_seconds: YEAR_SECONDS, recovery_seconds: YEAR_SECONDS },
        rulebook,
    })
}

fn signer() -> Arc<Signer> {
    let (_, public_key) = SoftwareToken::with_keys(1).key(0);
    let country = "FR".parse().expect("a country");
    let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().expect("a key"), country, now()).expect("a CSCA");
    let request = DscRequest {
        common_name: "DSC".to_owned(),
        types: Vec::new(),
        not_before: now().plus_seconds(-YEAR_SECONDS),
        not_after: now().plus_seconds(2 * YEAR_SECONDS),
    };
    let dsc = Dsc::from_der(&csca.issue(&public_key, &request).expect("a DSC")).expect("a DSC");
    let station = Station::new(Arc::new(StandIn::with_sessions(1)));
    let key = SigningKey::new(dsc, vec![(station, TokenKey::FIRST)]).expect("a key");
    let keyring = Arc::new(LiveKeyring::new(Keyring::new(vec![Arc::new(key)]).expect("a keyring")));
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let settings = SignerSettings { sign_timeout: Duration::from_secs(10), checking: Checking::Skipped, threads };
    let uvci_maker = UvciMaker::new(&[3; 32]).expect("a secret");
    Arc::new(Signer::new(keyring, Arc::new(FixedClock(now())), uvci_maker, settings).expect("threads"))
}

fn client(runtime: &Runtime, signer: &Arc<Signer>) -> SignerClient<Channel> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let callers = vec![CallerSettings::loopback()];
    let settings = LiveSettings { callers, person: None, profiles: vec![profile()], limits: Limits::default() };
    let live = Live::new(settings, Arc::new(FixedClock(now())));
    let admin = Administration::default();
    let parts = Parts { signer: Arc::clone(signer), live, tls: None, drain: Drain::default(), admin };
    runtime.spawn(sceau::service::run(listener, std::future::pending(), parts));
    let client = runtime.block_on(SignerClient::connect(format!("http://{address}"))).expect("the service answers");
    client.max_decoding_message_size(usize::MAX)
}

fn grpc(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (payloads, profile, signer) = (payloads(), profile(), signer());
    let client = client(&runtime, &signer);
    let mut group = criterion.benchmark_group("grpc");
    for items in [1_usize, 1_000] {
        let lane = if items == 1 { Lane::Interactive } else { Lane::Bulk };
        let payload = |n: usize| bytes::Bytes::from(payloads[n % payloads.len()].clone());
        let own: Vec<(ItemId, bytes::Bytes)> =
            (0..items).map(|n| (ItemId::new(&format!("item-{n}")).expect("an id"), payload(n))).collect();
        let sent = v1::SignBatchRequest {
            lane: if items == 1 { v1::Lane::Interactive } else { v1::Lane::Bulk }.into(),
            items: (0..items)
                .map(|n| v1::Item { item_id: format!("item-{n}"), payload_json: payload(n), expires_at: None })
                .collect(),
            ..Default::default()
        };
        group.throughput(Throughput::Elements(items as u64));
        group.bench_function(format!("batch_of_{items}/in_process"), |bencher| {
            bencher.iter(|| {
                let item = |(item_id, payload): &(ItemId, bytes::Bytes)| BatchItem {
                    item_id: item_id.clone(),
                    payload: payload.clone(),
                    expires_at: None,
                };
                let request = BatchRequest {
                    caller: CallerId::new("loopback"),
                    person: None,
                    request: "test".into(),
                    profile: Arc::clone(&profile),
                    lane,
                    validate_only: false,
                    permits: Permits::ALL,
                    deadline: None,
                    items: own.iter().map(item).collect(),
                };
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
