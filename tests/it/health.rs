//! grpc.health.v1: that the process lives is one thing, that a profile can sign another.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sceau::domain::{CertificateType, Clock, ClockStopped, Dsc, NumericDate, UvciMaker};
use sceau::ledger::{
    Claim, EachItem, Group, ItemKey, Ledger, LedgerError, LedgerFuture, LedgerKeys, MemoryLedger, OpenIntent, Retention,
    SignedItem,
};
use sceau::service::Limits;
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::sign::{Keyring, LiveKeyring, Signer, SigningKey, Station};
use sceau::token::software::SoftwareToken;
use sceau::token::{Order, Readiness, SessionId, SignFuture, Token, TokenError, TokenKey};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::shared::processes::{children_of, has_threads, send, wait_until};
use crate::support::{DevServer, LocalServer, TestDsc, health_client, issue, settings, signing_time};

/// Guards against hanging.
const BOUND: Duration = Duration::from_secs(30);

/// A token in memory that a test takes away and gives back.
#[derive(Debug)]
struct Removable {
    keys: Arc<SoftwareToken>,
    is_away: AtomicBool,
}

impl Token for Removable {
    fn name(&self) -> &'static str {
        "removable"
    }

    fn sign(&self, order: Order, digests: Vec<sceau::domain::Digest>) -> SignFuture {
        self.keys.sign(order, digests)
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        match self.is_away.load(Ordering::SeqCst) {
            true => Readiness::Down(TokenError::Down { token: "removable".into(), reason: "it is away".into() }),
            false => Readiness::Ready,
        }
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

/// A clock that a test stops.
#[derive(Debug, Default)]
struct TestClock {
    is_stopped: AtomicBool,
}

impl Clock for TestClock {
    fn now(&self) -> NumericDate {
        signing_time()
    }

    fn signing_time(&self) -> Result<NumericDate, ClockStopped> {
        match self.is_stopped.load(Ordering::SeqCst) {
            true => Err(ClockStopped { reason: "the machine's clock jumped".to_owned() }),
            false => Ok(self.now()),
        }
    }
}

/// A ledger in memory that a test shuts.
#[derive(Debug)]
struct Shuttable {
    memory: MemoryLedger,
    is_shut: AtomicBool,
}

impl Ledger for Shuttable {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        match self.trouble() {
            Some(error) => Box::pin(async move { keys.iter().map(|_| Err(error.clone())).collect() }),
            None => Ledger::claim(&self.memory, keys),
        }
    }

    fn intend(&self, group: Group) -> LedgerFuture<Result<OpenIntent, LedgerError>> {
        self.memory.intend(group)
    }

    fn settle(&self, intent: OpenIntent, signed: Vec<SignedItem>) -> LedgerFuture<EachItem<()>> {
        self.memory.settle(intent, signed)
    }

    fn trouble(&self) -> Option<LedgerError> {
        self.is_shut.load(Ordering::SeqCst).then(|| LedgerError { reason: "the disk is full".to_owned() })
    }

    fn keys(&self) -> Option<&LedgerKeys> {
        None
    }
}

struct Service {
    server: LocalServer,
    ledger: Arc<Shuttable>,
    token: Arc<Removable>,
    clock: Arc<TestClock>,
}

impl Service {
    async fn start(wanted: TestDsc) -> Self {
        let keys = Arc::new(SoftwareToken::with_keys(1));
        let dsc: Dsc = issue(&keys, &[wanted]).remove(0);
        let token = Arc::new(Removable { keys: Arc::clone(&keys), is_away: AtomicBool::new(false) });
        let station = Station::new(Arc::clone(&token) as Arc<dyn Token>);
        let key = SigningKey::new(dsc, vec![(station, keys.key(0).0)]).unwrap();
        let keyring = Arc::new(LiveKeyring::new(Keyring::new(vec![Arc::new(key)]).unwrap()));
        let clock = Arc::new(TestClock::default());
        let uvci_maker = UvciMaker::new(&[3; 32]).unwrap();
        let retention = Retention { keep: BOUND, max_items: NonZeroUsize::MIN };
        let ledger = Arc::new(Shuttable { memory: MemoryLedger::new(retention), is_shut: AtomicBool::new(false) });
        let signer = Signer::new(keyring, Arc::clone(&clock) as Arc<dyn Clock>, uvci_maker, settings()).unwrap();
        let signer = signer.with_ledger(Arc::clone(&ledger) as Arc<dyn Ledger>);
        Self { ledger, server: LocalServer::start(signer, Limits::default()).await, token, clock }
    }

    async fn health(&self) -> HealthClient<Channel> {
        health_client(&self.server.endpoint).await
    }
}

async fn status(health: &mut HealthClient<Channel>, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_whose_token_goes_away_is_not_serving_while_the_process_lives() {
    let service = Service::start(TestDsc::default()).await;
    let mut health = service.health().await;
    for name in ["", "sceau.v1.Signer", "sceau.v1.Signer/dcc", "sceau.v1.Signer/other"] {
        assert_eq!(status(&mut health, name).await, ServingStatus::Serving, "{name}");
    }
    let unknown = health.check(HealthCheckRequest { service: "sceau.v1.Signer/none".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    // What is said of all profiles together is said behind what is said of each.
    let request = HealthCheckRequest { service: "sceau.v1.Signer".to_owned() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(BOUND, watch.message()).await.unwrap().unwrap().unwrap().status();
    assert_eq!(next().await, ServingStatus::Serving);
    service.token.is_away.store(true, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "sceau.v1.Signer/dcc").await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "").await, ServingStatus::Serving);
    service.token.is_away.store(false, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dsc_that_ends_too_soon_for_a_whole_certificate_is_no_readiness() {
    // The profile's certificates are valid for a year from 2021-10-20 on.
    let service = Service::start(TestDsc { not_after: "2022-10-01T00:00:00Z", ..TestDsc::default() }).await;
    assert_eq!(status(&mut service.health().await, "sceau.v1.Signer/dcc").await, ServingStatus::NotServing);
    let service = Service::start(TestDsc { not_after: "2022-10-21T00:00:00Z", ..TestDsc::default() }).await;
    assert_eq!(status(&mut service.health().await, "sceau.v1.Signer/dcc").await, ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_clock_fails_each_call_at_once_and_every_profiles_health() {
    let service = Service::start(TestDsc::default()).await;
    let mut health = service.health().await;
    service.clock.is_stopped.store(true, Ordering::SeqCst);
    let mut client = SignerClient::connect(service.server.endpoint.clone()).await.unwrap();
    let item = v1::Item { item_id: "a".to_owned(), payload_json: "{}".into(), expires_at: None };
    let request = v1::SignBatchRequest { items: vec![item], ..Default::default() };
    let refused = client.sign_batch(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("jumped") && refused.message().contains("sceau clock accept"), "{refused}");
    let mut stream = client.sign_stream(tokio_stream::iter([request])).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    let mut watch = health.watch(HealthCheckRequest { service: "sceau.v1.Signer".into() }).await.unwrap().into_inner();
    while tokio::time::timeout(BOUND, watch.message()).await.unwrap().unwrap().unwrap().status() == ServingStatus::Serving {}
    assert_eq!(status(&mut health, "sceau.v1.Signer/other").await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "").await, ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_cannot_be_written_nothing_is_serving_and_then_it_is_again() {
    let service = Service::start(TestDsc::default()).await;
    let mut health = service.health().await;
    // What is said of all profiles together is said behind what is said of each.
    let request = HealthCheckRequest { service: "sceau.v1.Signer".to_owned() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(BOUND, watch.message()).await.unwrap().unwrap().unwrap().status();
    assert_eq!(next().await, ServingStatus::Serving);
    service.ledger.is_shut.store(true, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "sceau.v1.Signer/dcc").await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "").await, ServingStatus::Serving);
    service.ledger.is_shut.store(false, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_cannot_be_signed_takes_its_profile_and_not_the_service() {
    let vaccinations = TestDsc { types: vec![CertificateType::Vaccination], ..TestDsc::default() };
    let tests = TestDsc { types: vec![CertificateType::Test], not_after: "2022-10-01T00:00:00Z", ..TestDsc::default() };
    let (server, _) = LocalServer::with_dscs(&[vaccinations.clone(), tests], Limits::default()).await;
    let mut health = health_client(&server.endpoint).await;
    assert_eq!(status(&mut health, "sceau.v1.Signer/dcc").await, ServingStatus::NotServing);
    assert_eq!(status(&mut health, "sceau.v1.Signer").await, ServingStatus::Serving);
    // A type that no DSC is for is not issued, and hinders nothing.
    let (server, _) = LocalServer::with_dscs(&[vaccinations], Limits::default()).await;
    assert_eq!(status(&mut health_client(&server.endpoint).await, "sceau.v1.Signer/dcc").await, ServingStatus::Serving);
}

/// The real binary, on SoftHSM whose tokens are taken away.
#[test]
fn health_follows_a_real_token_that_goes_and_comes_back() {
    let server = DevServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let check = |service: &str| {
        runtime.block_on(async {
            let mut health = health_client(&server.endpoint).await;
            status(&mut health, service).await
        })
    };
    wait_until("the profile is ready", || check("sceau.v1.Signer/dcc") == ServingStatus::Serving);
    let (tokens, away) = (server.dir.join("tokens"), server.dir.join("away"));
    wait_until("every worker is ready", || {
        let workers = children_of(server.pid());
        workers.len() == sceau::token::cores() && workers.iter().all(|worker| has_threads(*worker, "softhsm-"))
    });
    fs::rename(&tokens, &away).unwrap();
    children_of(server.pid()).into_iter().for_each(|worker| send("-KILL", worker));
    for service in ["sceau.v1.Signer/dcc", "sceau.v1.Signer/dcc-ps256", "sceau.v1.Signer"] {
        wait_until("health says so", || check(service) == ServingStatus::NotServing);
    }
    assert_eq!(check(""), ServingStatus::Serving);
    fs::rename(&away, &tokens).unwrap();
    for service in ["sceau.v1.Signer/dcc", "sceau.v1.Signer/dcc-ps256", "sceau.v1.Signer"] {
        wait_until("it is ready again", || check(service) == ServingStatus::Serving);
    }
}
