//! The API over the wire, on keys in memory: results, errors, limits, faulty tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use prost::Message;
use sceau::domain::{CertificateType, Digest, Dsc, Signature, SignatureCheck};
use sceau::encode::SignedHcert;
use sceau::service::Limits;
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::token::software::SoftwareToken;
use sceau::token::{Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::{RpcStatusExt, StatusExt};

use crate::support::{LocalServer, TestDsc, issue, settings, signer};

const VACCINATION: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;
const TEST: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","t":[{"tg":"840539006","tt":"LP6464-4",
"sc":"2021-10-19T08:00:00+11:00","tr":"260415000","tc":"CHT","co":"FR","is":"DASS-NC"}]}"#;

fn item(item_id: &str, payload: &[u8]) -> v1::Item {
    v1::Item { item_id: item_id.to_owned(), payload_json: payload.to_vec().into(), expires_at: None }
}

fn batch(items: Vec<v1::Item>) -> v1::SignBatchRequest {
    v1::SignBatchRequest { items, ..Default::default() }
}

async fn connect(server: &LocalServer) -> SignerClient<Channel> {
    SignerClient::connect(server.endpoint.clone()).await.unwrap()
}

async fn one_dsc() -> (LocalServer, Vec<Dsc>, SignerClient<Channel>) {
    let (server, dscs) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let client = connect(&server).await;
    (server, dscs, client)
}

async fn sign(client: &mut SignerClient<Channel>, request: v1::SignBatchRequest) -> Vec<v1::Result> {
    client.sign_batch(request).await.unwrap().into_inner().results
}

fn certificate(result: &v1::Result) -> &v1::Certificate {
    match result.outcome.as_ref().unwrap() {
        Outcome::Certificate(certificate) => certificate,
        Outcome::Error(error) => panic!("{}: {error:?}", result.item_id),
    }
}

fn error(result: &v1::Result) -> &tonic_types::Status {
    match result.outcome.as_ref().unwrap() {
        Outcome::Error(error) => error,
        Outcome::Certificate(_) => panic!("{} was signed", result.item_id),
    }
}

/// Path and rule of each fault.
fn faults(result: &v1::Result) -> Vec<(String, String)> {
    let request = error(result).get_details_bad_request().expect("a BadRequest");
    request.field_violations.into_iter().map(|fault| (fault.field, fault.reason)).collect()
}

fn verifies(hc1: &str, dsc: &Dsc) -> bool {
    let read = SignedHcert::decode(hc1).unwrap();
    let check = SignatureCheck::new(dsc.public_key()).unwrap();
    read.kid() == dsc.kid() && check.accepts(&Digest::of(&read.sig_structure()), read.signature())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_result_an_item_in_request_order() {
    let (_server, dscs, mut client) = one_dsc().await;
    let items = (0..300).map(|n| item(&format!("item-{n}"), if n % 7 == 3 { b"{}" } else { VACCINATION.as_bytes() })).collect();
    let results = sign(&mut client, batch(items)).await;
    assert_eq!(results.len(), 300);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.item_id, format!("item-{n}"));
        if n % 7 == 3 {
            assert_eq!(error(result).code, Code::InvalidArgument as i32);
        } else {
            assert!(verifies(&certificate(result).hc1, &dscs[0]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_what_it_holds() {
    let (_server, dscs, mut client) = one_dsc().await;
    let mut request = batch(vec![item("a", VACCINATION.as_bytes())]);
    request.options = Some(v1::SignOptions { want_cose: true, validate_only: false });
    let results = sign(&mut client, request).await;
    let certificate = certificate(&results[0]);
    let read = SignedHcert::decode(&certificate.hc1).unwrap();
    assert_eq!(read.issuer(), Some("FR"));
    assert_eq!((read.issued_at().seconds(), read.expires_at().seconds()), (certificate.issued_at, certificate.expires_at));
    assert_eq!(certificate.expires_at - certificate.issued_at, 365 * 86_400);
    assert_eq!(read.uvci(), Some(certificate.uvci.as_str()));
    assert_eq!(certificate.kid, dscs[0].kid().as_bytes().as_slice());
    assert_eq!(SignedHcert::from_cose(&certificate.cose).unwrap().signature(), read.signature());
    assert!(read.notes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_has_the_same_identifier_and_another_item_another() {
    let (_server, _, mut client) = one_dsc().await;
    let mut uvci =
        async |id: &str| certificate(&sign(&mut client, batch(vec![item(id, VACCINATION.as_bytes())])).await[0]).uvci.clone();
    let first = uvci("a").await;
    assert_eq!(uvci("a").await, first);
    assert_ne!(uvci("b").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_hears_all_of_its_faults_and_what_would_be_right() {
    let (_server, _, mut client) = one_dsc().await;
    let bad = VACCINATION.replace("1984-03-02", "1984-02-30").replace("EU/1/20/1528", "EU/9");
    let results = sign(&mut client, batch(vec![item("a", bad.as_bytes()), item("b", b"\xff{")])).await;
    assert_eq!(faults(&results[0]), [("dob".into(), "date.real".into()), ("v[0].mp".into(), "code.known".into())]);
    assert_eq!(error(&results[0]).message, "the item has 2 faults");
    assert_eq!(faults(&results[1]), [("$".into(), "json.syntax".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_copies_of_an_item_id_are_refused_and_a_bad_one_is_its_own_fault() {
    let (_server, _, mut client) = one_dsc().await;
    let ids = ["a", "b", "a", "no spaces", ""];
    let results = sign(&mut client, batch(ids.iter().map(|id| item(id, VACCINATION.as_bytes())).collect())).await;
    assert_eq!(faults(&results[0]), [("item_id".into(), "item_id.unique".into())]);
    assert_eq!(faults(&results[2]), faults(&results[0]));
    assert_eq!(faults(&results[3]), [("item_id".into(), "item_id.form".into())]);
    assert_eq!(faults(&results[4]), faults(&results[3]));
    assert!(!certificate(&results[1]).hc1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_only_signs_nothing() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let token = Arc::new(Counting { keys: Arc::clone(&keys), signed: AtomicUsize::new(0) });
    let server =
        LocalServer::start(signer(Arc::clone(&token) as Arc<dyn Token>, &keys, dscs, settings()), Limits::default()).await;
    let canaries = token.signed.load(Ordering::SeqCst);
    let mut request = batch(vec![item("a", VACCINATION.as_bytes()), item("b", b"[]")]);
    request.options = Some(v1::SignOptions { want_cose: true, validate_only: true });
    let results = sign(&mut connect(&server).await, request).await;
    assert_eq!(certificate(&results[0]).hc1, "");
    assert!(certificate(&results[0]).cose.is_empty() && certificate(&results[0]).uvci.starts_with("URN:UVCI:01:FR:"));
    assert_eq!(faults(&results[1]), [("$".into(), "schema.type".into())]);
    assert_eq!(token.signed.load(Ordering::SeqCst), canaries);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_succeed_fails_as_a_whole() {
    let limits = Limits { max_batch_items: 3, max_request_bytes: 100_000, ..Limits::default() };
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], limits).await;
    let mut client = connect(&server).await;
    let status = client.sign_batch(batch(vec![])).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "the batch is empty; it has 1 item or more"));
    let four = (0..4).map(|n| item(&n.to_string(), VACCINATION.as_bytes())).collect();
    let status = client.sign_batch(batch(four)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "the batch has 4 items; it has at most 3"));
    let mut request = batch(vec![item("a", VACCINATION.as_bytes())]);
    request.profile = "nobody".to_owned();
    let status = client.sign_batch(request).await.unwrap_err();
    assert_eq!(status.message(), "there is no profile of that name; there are dcc, other");
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "profile");
    let status = client.sign_batch(batch(vec![item("a", &[b' '; 200_000])])).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_refuses_at_once_and_says_when_to_come_again() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let gate = Arc::new(Gated::new(Arc::clone(&keys)));
    let limits = Limits { max_batch_items: 2, max_waiting_items_interactive: 2, max_waiting_items_bulk: 2, ..Limits::default() };
    let server = LocalServer::start(signer(Arc::clone(&gate) as Arc<dyn Token>, &keys, dscs, settings()), limits).await;
    let (mut first, mut second) = (connect(&server).await, connect(&server).await);
    gate.close();
    let two = |lane: v1::Lane| {
        let mut request = batch(vec![item("a", VACCINATION.as_bytes()), item("b", VACCINATION.as_bytes())]);
        request.lane = lane.into();
        request
    };
    let waiting = tokio::spawn(async move { sign(&mut first, two(v1::Lane::Interactive)).await });
    gate.wait_until_asked().await;
    let status = second.sign_batch(two(v1::Lane::Interactive)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    let bulk = tokio::spawn(async move { sign(&mut second, two(v1::Lane::Bulk)).await });
    gate.open();
    assert_eq!(waiting.await.unwrap().iter().filter(|result| !certificate(result).hc1.is_empty()).count(), 2);
    assert_eq!(bulk.await.unwrap().len(), 2, "the other lane has a queue of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_answers_chunk_by_chunk_in_order() {
    let (_server, _, mut client) = one_dsc().await;
    let chunks = (0..20).map(|chunk| batch((0..50).map(|n| item(&format!("{chunk}-{n}"), VACCINATION.as_bytes())).collect()));
    let mut answers = client.sign_stream(tokio_stream::iter(chunks.collect::<Vec<_>>())).await.unwrap().into_inner();
    for chunk in 0..20 {
        let results = answers.message().await.unwrap().unwrap().results;
        assert_eq!(results.len(), 50);
        assert!(results.iter().enumerate().all(|(n, result)| result.item_id == format!("{chunk}-{n}")));
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_fails_ends_its_stream_with_its_status() {
    let (_server, _, mut client) = one_dsc().await;
    let chunks = vec![batch(vec![item("a", VACCINATION.as_bytes())]), batch(vec![])];
    let mut answers = client.sign_stream(tokio_stream::iter(chunks)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().results.len(), 1);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_is_signed_by_a_dsc_that_may_and_the_one_that_ends_first() {
    let of = |types: &[CertificateType], not_after| TestDsc { types: types.to_vec(), not_after, ..TestDsc::default() };
    let wanted = [
        of(&[CertificateType::Vaccination], "2024-06-01T00:00:00Z"),
        of(&[CertificateType::Vaccination], "2023-06-01T00:00:00Z"),
        of(&[CertificateType::Test], "2023-06-01T00:00:00Z"),
    ];
    let (server, dscs) = LocalServer::with_dscs(&wanted, Limits::default()).await;
    let mut client = connect(&server).await;
    let results = sign(&mut client, batch(vec![item("v", VACCINATION.as_bytes()), item("t", TEST.as_bytes())])).await;
    assert!(verifies(&certificate(&results[0]).hc1, &dscs[1]));
    assert!(verifies(&certificate(&results[1]).hc1, &dscs[2]));
    let listed = client.list_signing_certificates(v1::ListSigningCertificatesRequest {}).await.unwrap().into_inner().certificates;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[2].der, dscs[0].der());
    assert_eq!((listed[2].types.as_slice(), listed[2].algorithm.as_str()), (&["v".to_owned()][..], "ES256"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_dsc_covers_is_refused_and_says_why() {
    let wanted = [
        TestDsc { not_after: "2022-10-01T00:00:00Z", ..TestDsc::default() },
        TestDsc { not_before: "2021-10-21T00:00:00Z", ..TestDsc::default() },
        TestDsc { types: vec![CertificateType::Recovery], ..TestDsc::default() },
        TestDsc { not_before: "2020-01-01T00:00:00Z", not_after: "2021-10-20T11:59:59Z", ..TestDsc::default() },
    ];
    let (server, _) = LocalServer::with_dscs(&wanted, Limits::default()).await;
    let mut client = connect(&server).await;
    let mut sooner = item("sooner", VACCINATION.as_bytes());
    sooner.expires_at = Some(1_664_582_400); // 2022-10-01T00:00:00Z, the first DSC's last second
    let results = sign(&mut client, batch(vec![item("a", VACCINATION.as_bytes()), sooner])).await;
    assert_eq!(error(&results[0]).code, Code::FailedPrecondition as i32);
    let fault = error(&results[0]).get_details_bad_request().unwrap().field_violations.remove(0);
    assert_eq!(fault.reason, "dsc.available");
    for part in
        ["ends at 2022-10-01T00:00:00Z", "begins at 2021-10-21T00:00:00Z", "is not for that type", "ends at 2021-10-20T11:59:59Z"]
    {
        assert!(fault.description.contains(part), "{}", fault.description);
    }
    assert_eq!(certificate(&results[1]).expires_at, 1_664_582_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_validity_in_the_past_or_past_the_profile_is_refused() {
    let (_server, _, mut client) = one_dsc().await;
    let signing = 1_634_731_200;
    let at = |id: &str, expires_at| v1::Item { expires_at: Some(expires_at), ..item(id, VACCINATION.as_bytes()) };
    let year = 365 * 86_400;
    let items = vec![
        at("past", signing),
        at("late", signing + year + 1),
        at("sooner", signing + 1),
        at("last", signing + year),
        at("odd", i64::MIN),
    ];
    let results = sign(&mut client, batch(items)).await;
    for refused in [0, 1, 4] {
        assert_eq!(faults(&results[refused]), [("expires_at".into(), "expires_at.range".into())]);
    }
    assert_eq!(certificate(&results[2]).expires_at, signing + 1);
    assert_eq!(certificate(&results[3]).expires_at, signing + year);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_does_not_verify_is_never_released() {
    let results = with_token(Fault::FlippedBit).await;
    assert_eq!(error(&results[1]).code, Code::Internal as i32);
    assert!(error(&results[1]).message.contains("does not verify"));
    assert!(!certificate(&results[0]).hc1.is_empty() && !certificate(&results[2]).hc1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signature_that_fails_leaves_the_others() {
    let results = with_token(Fault::Gone).await;
    assert_eq!(error(&results[1]).code, Code::Unavailable as i32);
    assert!(!certificate(&results[0]).hc1.is_empty() && !certificate(&results[2]).hc1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_hangs_costs_its_items_a_deadline_and_nothing_else() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let gate = Arc::new(Gated::new(Arc::clone(&keys)));
    let short = sceau::sign::SignerSettings { sign_timeout: std::time::Duration::from_millis(50), ..settings() };
    let server = LocalServer::start(signer(Arc::clone(&gate) as Arc<dyn Token>, &keys, dscs, short), Limits::default()).await;
    let mut client = connect(&server).await;
    gate.close();
    let results = sign(&mut client, batch(vec![item("a", VACCINATION.as_bytes()), item("b", b"{}")])).await;
    assert_eq!(error(&results[0]).code, Code::DeadlineExceeded as i32);
    assert_eq!(error(&results[1]).code, Code::InvalidArgument as i32);
    gate.open();
    assert!(!certificate(&sign(&mut client, batch(vec![item("c", VACCINATION.as_bytes())])).await[0]).hc1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() {
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let (server, _, _client) = one_dsc().await;
    let channel = Channel::from_shared(server.endpoint.clone()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "sceau.v1.Signer"] {
        let answer =
            health.check(tonic_health::pb::HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    }
    let ask = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol("sceau.v1.Signer".to_owned())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection.server_reflection_info(Request::new(tokio_stream::iter([ask]))).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    let file = prost_types::FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    assert_eq!(file.package(), "sceau.v1");
}

// ---- tokens that fail --------------------------------------------------------------------------------------------------

/// Counts what it signs.
#[derive(Debug)]
struct Counting {
    keys: Arc<SoftwareToken>,
    signed: AtomicUsize,
}

impl Token for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        self.signed.fetch_add(digests.len(), Ordering::SeqCst);
        self.keys.sign(order, digests)
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    FlippedBit,
    Gone,
}

/// Does something wrong with one digest, the second that it is given, as often as it is given.
#[derive(Debug)]
struct Faulty {
    keys: Arc<SoftwareToken>,
    fault: Fault,
    victim: Mutex<Option<Digest>>,
}

impl Faulty {
    fn spoil(&self, digest: Digest, result: &mut Result<Signed, TokenError>) {
        if *self.victim.lock().unwrap() != Some(digest) {
            return;
        }
        match (self.fault, result) {
            (Fault::Gone, result) => *result = Err(TokenError::Closed),
            (Fault::FlippedBit, Ok(signed)) => {
                let mut bytes = signed.signature.as_bytes().to_vec();
                bytes[40] ^= 1;
                signed.signature = Signature::new(bytes);
            }
            (Fault::FlippedBit, Err(_)) => {}
        }
    }
}

impl Token for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        if let Some(second) = digests.get(1) {
            *self.victim.lock().unwrap() = Some(*second);
        }
        let results = digests.iter().map(|digest| {
            let mut result = self.keys.sign_now(order.key, digest);
            self.spoil(*digest, &mut result);
            result
        });
        Box::pin(std::future::ready(results.collect()))
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

async fn with_token(fault: Fault) -> Vec<v1::Result> {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let token: Arc<dyn Token> = Arc::new(Faulty { keys: Arc::clone(&keys), fault, victim: Mutex::default() });
    let server = LocalServer::start(signer(token, &keys, dscs, settings()), Limits::default()).await;
    let items = ["a", "b", "c"].map(|id| item(id, VACCINATION.as_bytes())).to_vec();
    sign(&mut connect(&server).await, batch(items)).await
}

/// Signs only while its gate is open.
#[derive(Debug)]
pub(crate) struct Gated {
    keys: Arc<SoftwareToken>,
    gate: tokio::sync::watch::Sender<bool>,
    asked: tokio::sync::Notify,
}

impl Gated {
    pub(crate) fn new(keys: Arc<SoftwareToken>) -> Self {
        Self { keys, gate: tokio::sync::watch::Sender::new(true), asked: tokio::sync::Notify::new() }
    }

    pub(crate) fn close(&self) {
        self.gate.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }

    pub(crate) async fn wait_until_asked(&self) {
        self.asked.notified().await;
    }
}

impl Token for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let signing = self.keys.sign(order, digests);
        let mut gate = self.gate.subscribe();
        if !*gate.borrow() {
            self.asked.notify_one();
        }
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            signing.await
        })
    }
}
