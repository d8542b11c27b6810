//! Streams: a reader that stands still, a right that is taken away, an end in the middle, a deadline.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sceau::domain::time::FixedClock;
use sceau::service::access::{CallerSettings, PersonDemand, Role, Roles};
use sceau::service::person::{KeySource, PersonSettings};
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::service::{Limits, Live, LiveSettings};
use sceau::token::Token;
use sceau::token::software::SoftwareToken;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;

use crate::jwt::{self, IssuerKey, jwks};
use crate::service::Gated;
use crate::support::{LocalServer, TestDsc, issue, profile, settings, signer, signer_over, signing_time};

const PAYLOAD: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

/// Guards against hanging.
const BOUND: Duration = Duration::from_secs(60);

fn chunk(name: &str, items: usize) -> v1::SignBatchRequest {
    let item = |n| v1::Item { item_id: format!("{name}-{n}"), payload_json: PAYLOAD.as_bytes().into(), expires_at: None };
    v1::SignBatchRequest { items: (0..items).map(item).collect(), ..Default::default() }
}

/// A stream with whatever is sent to it.
struct Open {
    chunks: mpsc::Sender<v1::SignBatchRequest>,
    answers: Streaming<v1::SignBatchResponse>,
}

impl Open {
    async fn with(endpoint: &str, metadata: &[(&'static str, &str)]) -> Self {
        let (chunks, sent) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(sent));
        for (key, value) in metadata {
            request.metadata_mut().insert(*key, value.parse().unwrap());
        }
        // As small as HTTP/2 has it: what the server sends unread.
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).unwrap().initial_stream_window_size(65_535);
        let mut client = SignerClient::new(endpoint.connect().await.unwrap());
        Self { chunks, answers: client.sign_stream(request).await.unwrap().into_inner() }
    }

    async fn send(&self, chunk: v1::SignBatchRequest) {
        self.chunks.send(chunk).await.unwrap();
    }

    /// How many items the next answer has signed.
    async fn next(&mut self) -> Result<usize, Status> {
        let answer = tokio::time::timeout(BOUND, self.answers.message()).await.expect("an answer comes")?.expect("one more");
        Ok(answer.results.iter().filter(|result| matches!(result.outcome, Some(Outcome::Certificate(_)))).count())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_readers_stand_still_hold_up_nobody() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let look = Some(v1::SignOptions { validate_only: true, ..Default::default() });
    let mut still = Vec::new();
    for name in ["a", "b", "c"] {
        let mut open = Open::with(&server.endpoint, &[]).await;
        for number in 0..8 {
            open.send(v1::SignBatchRequest { options: look, ..chunk(&format!("{name}{number}"), 1_000) }).await;
        }
        // They are in work, and the other answers are larger than the window.
        assert_eq!(open.next().await.unwrap(), 1_000);
        still.push(open);
    }
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let others = async {
        for number in 0..20 {
            while let Err(refusal) = client.sign_batch(chunk(&format!("one-{number}"), 200)).await {
                // What the streams have in work may fill the lane for a moment.
                assert_eq!(refusal.code(), Code::ResourceExhausted);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(BOUND, others).await.expect("others are let in");
    // And what they had in work is there when they read again.
    for open in &mut still {
        assert_eq!(open.next().await.unwrap(), 1_000);
    }
}

struct Changing {
    server: LocalServer,
    live: Arc<Live>,
}

fn live_settings(callers: Vec<CallerSettings>, person: Option<PersonSettings>) -> LiveSettings {
    LiveSettings { callers, person, profiles: vec![profile("dcc"), profile("other")], limits: Limits::default() }
}

impl Changing {
    async fn start(caller: CallerSettings, person: Option<PersonSettings>) -> Self {
        let live = Live::new(live_settings(vec![caller], person), Arc::new(FixedClock(signing_time())));
        let (signer, _) = signer_over(&[TestDsc::default()], settings());
        let server = LocalServer::start_with(signer, Arc::clone(&live), None).await;
        Self { server, live }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_open_ends_with_the_right_that_it_lives_by() {
    let with = |change: fn(&mut CallerSettings)| {
        let mut caller = CallerSettings::loopback();
        change(&mut caller);
        vec![caller]
    };
    let cases: [(Vec<CallerSettings>, &str); 5] = [
        (Vec::new(), "caller.identities"),
        (with(|caller| caller.roles = Roles::of(&[Role::Auditor])), "caller.roles"),
        (with(|caller| caller.profiles = Some(vec!["other".to_owned()])), "caller.profiles"),
        (with(|caller| caller.lanes.interactive = false), "caller.lanes"),
        (with(|caller| caller.person = PersonDemand::Required), "caller.person"),
    ];
    for (callers, rule) in cases {
        let changing = Changing::start(CallerSettings::loopback(), None).await;
        let mut open = Open::with(&changing.server.endpoint, &[]).await;
        open.send(chunk("before", 3)).await;
        assert_eq!(open.next().await.unwrap(), 3);
        changing.live.replace(live_settings(callers, None));
        open.send(chunk("after", 3)).await;
        let refused = open.next().await.unwrap_err();
        assert_eq!((refused.code(), refused.get_details_error_info().unwrap().reason.as_str()), (Code::PermissionDenied, rule));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_person_is_never_taken_for_nobody() {
    let (key, home) = (IssuerKey::p256("a"), tempfile::tempdir().unwrap());
    let keys = home.path().join("issuer.jwks");
    std::fs::write(&keys, jwks(&[&key])).unwrap();
    let person = jwt::settings(KeySource::file(&keys).unwrap());
    let caller = CallerSettings { person: PersonDemand::Optional, ..CallerSettings::loopback() };
    let changing = Changing::start(caller.clone(), Some(person)).await;
    let mut claims = jwt::claims();
    let now = signing_time().seconds();
    for (claim, at) in [("exp", now + 600), ("nbf", now - 600), ("iat", now - 600)] {
        claims[claim] = at.into();
    }
    let bearer = format!("Bearer {}", key.jwt_of(&claims));
    let mut open = Open::with(&changing.server.endpoint, &[("authorization", &bearer)]).await;
    open.send(chunk("before", 1)).await;
    assert_eq!(open.next().await.unwrap(), 1);
    changing.live.replace(live_settings(vec![caller], None));
    open.send(chunk("after", 1)).await;
    let refused = open.next().await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "caller.person");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_a_stream_answers_what_is_in_work_and_says_where_to_go() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let gate = Arc::new(Gated::new(Arc::clone(&keys)));
    let server =
        LocalServer::start(signer(Arc::clone(&gate) as Arc<dyn Token>, &keys, dscs, settings()), Limits::default()).await;
    let mut open = Open::with(&server.endpoint, &[]).await;
    gate.close();
    open.send(chunk("a", 3)).await;
    gate.wait_until_asked().await;
    drop(server);
    // It is ending; what is sent now may be taken or not, but the first chunk was.
    tokio::time::sleep(Duration::from_millis(100)).await;
    open.send(chunk("b", 3)).await;
    gate.open();
    assert_eq!(open.next().await.unwrap(), 3);
    let end = open.next().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(end.get_details_retry_info().unwrap().retry_delay.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_64_streams_open_and_hears_when_to_try_another() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let open = async || {
        let (chunks, sent) = mpsc::channel(1);
        Ok::<_, Status>((chunks, client.clone().sign_stream(ReceiverStream::new(sent)).await?.into_inner()))
    };
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(open().await.unwrap());
    }
    let refused = open().await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.get_details_error_info().unwrap().reason.as_str()),
        (Code::ResourceExhausted, "caller.streams")
    );
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let (chunks, mut answers) = streams.pop().unwrap();
    drop(chunks);
    assert!(answers.message().await.unwrap().is_none());
    open().await.unwrap();
}

/// A client of HTTP/2 that keeps no time itself, as tonic's does.
fn timeless(endpoint: &str) -> SignerClient<Timeless> {
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    SignerClient::with_origin(client, endpoint.parse().unwrap())
}

type Timeless = hyper_util::client::legacy::Client<HttpConnector, tonic::body::Body>;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_or_a_stream_past_its_deadline_says_so_and_has_its_request_id() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let dscs = issue(&keys, &[TestDsc::default()]);
    let gate = Arc::new(Gated::new(Arc::clone(&keys)));
    let server =
        LocalServer::start(signer(Arc::clone(&gate) as Arc<dyn Token>, &keys, dscs, settings()), Limits::default()).await;
    gate.close();
    let mut client = timeless(&server.endpoint);
    let mut request = Request::new(chunk("a", 3));
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    request.metadata_mut().insert("x-request-id", "the-call".parse().unwrap());
    let late = client.sign_batch(request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    assert_eq!(late.metadata().get("x-request-id").unwrap(), "the-call");
    let (chunks, sent) = mpsc::channel(1);
    chunks.send(chunk("b", 3)).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(sent));
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let mut answers = client.sign_stream(request).await.unwrap().into_inner();
    // The items may be told so one by one just before.
    let late = match answers.message().await {
        Ok(_) => answers.message().await.unwrap_err(),
        Err(late) => late,
    };
    assert_eq!(late.code(), Code::DeadlineExceeded);
}
