//! Who may do what: every call, made by everybody.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use prost::Message;
use prost_types::FileDescriptorSet;
use sceau::domain::CertificateType;
use sceau::domain::time::FixedClock;
use sceau::service::access::{CallerSettings, Lanes, PersonDemand, Role, Roles};
use sceau::service::client::ClientTls;
use sceau::service::person::{KeySource, PersonSettings};
use sceau::service::proto::DESCRIPTORS;
use sceau::service::proto::v1;
use sceau::service::proto::v1::admin_client::AdminClient;
use sceau::service::proto::v1::auditor_client::AuditorClient;
use sceau::service::proto::v1::custody_client::CustodyClient;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::service::tls::{LiveTls, TlsFiles};
use sceau::service::{Limits, Live, LiveSettings};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::jwt::{self, IssuerKey, jwks};
use crate::pki::{ClientCertificate, Pki};
use crate::support::{LocalServer, TestDsc, profile, settings, signer_over, signing_time};

const VACCINATION: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;
const TEST: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","t":[{"tg":"840539006","tt":"LP6464-4",
"sc":"2021-10-19T08:00:00+11:00","tr":"260415000","tc":"CHT","co":"FR","is":"DASS-NC"}]}"#;

/// A service behind mutual TLS.
struct Guarded {
    server: LocalServer,
    pki: Pki,
    live: Arc<Live>,
    tls: Arc<LiveTls>,
    _home: TempDir,
}

fn caller(name: &str, roles: &[Role]) -> CallerSettings {
    let identities = vec![format!("uri:spiffe://test/{name}").parse().unwrap()];
    CallerSettings { name: name.to_owned(), identities, roles: Roles::of(roles), ..CallerSettings::loopback() }
}

fn live_settings(callers: Vec<CallerSettings>, person: Option<PersonSettings>) -> LiveSettings {
    LiveSettings { callers, person, profiles: vec![profile("dcc"), profile("other")], limits: Limits::default() }
}

impl Guarded {
    async fn start(callers: Vec<CallerSettings>) -> Self {
        Self::start_with(callers, None).await
    }

    async fn start_with(callers: Vec<CallerSettings>, person: Option<PersonSettings>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let pki = Pki::new(home.path());
        let live = Live::new(live_settings(callers, person), Arc::new(FixedClock(signing_time())));
        let tls = LiveTls::new(pki.server().load().unwrap());
        let (signer, _) = signer_over(&[TestDsc::default()], settings());
        let server = LocalServer::start_with(signer, Arc::clone(&live), Some(Arc::clone(&tls))).await;
        Self { server, pki, live, tls, _home: home }
    }

    fn client(&self, name: &str) -> ClientTls {
        self.pki.client(name, ClientCertificate { uri: Some(&format!("spiffe://test/{name}")), ..ClientCertificate::default() })
    }

    async fn channel(&self, tls: &ClientTls) -> Channel {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(&tls.ca).unwrap()));
        if let Some((certificate, key)) = &tls.identity {
            config = config.identity(Identity::from_pem(std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap()));
        }
        Endpoint::from_shared(self.server.endpoint.clone()).unwrap().tls_config(config).unwrap().connect_lazy()
    }
}

fn batch(items: &[(&str, &str)]) -> v1::SignBatchRequest {
    let item = |(id, payload): &(&str, &str)| v1::Item {
        item_id: (*id).to_owned(),
        payload_json: payload.as_bytes().to_vec().into(),
        expires_at: None,
    };
    v1::SignBatchRequest { items: items.iter().map(item).collect(), ..Default::default() }
}

/// The path of every call that the descriptors of the served packages know: a new one is in the matrix at once.
fn every_call() -> Vec<String> {
    let sets = [
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let paths = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let prefix = format!("/{package}.{}/", service.name());
            service.method.into_iter().map(move |method| format!("{prefix}{}", method.name()))
        })
    });
    paths.collect()
}

/// Who may make a call: this is the table, written a second time.
fn may(role: Role, path: &str) -> Seen {
    use Role::{Auditor, Issuer, Officer, Operator};

    let roles: &[Role] = match path {
        "/sceau.v1.Signer/SignBatch" | "/sceau.v1.Signer/SignStream" => &[Issuer],
        "/sceau.v1.Admin/UnlatchToken" => &[Officer],
        "/sceau.v1.Custody/Revoke"
        | "/sceau.v1.Custody/Propose"
        | "/sceau.v1.Custody/Decide"
        | "/sceau.v1.Custody/Execute"
        | "/sceau.v1.Custody/RequestCertificate"
        | "/sceau.v1.Custody/Canary"
        | "/sceau.v1.Custody/SignUpload"
        | "/sceau.v1.Custody/FetchRevocation" => &[Officer],
        "/sceau.v1.Custody/ShowCustody" | "/sceau.v1.Custody/CountSigned" => &[Officer, Auditor],
        "/sceau.v1.Admin/ListTokens" | "/sceau.v1.Admin/ShowClock" | "/sceau.v1.Admin/AcceptClock" => &[Officer, Operator],
        "/sceau.v1.Auditor/FindCertificates" | "/sceau.v1.Auditor/CountCertificates" | "/sceau.v1.Auditor/ExportLedger" => {
            &[Auditor]
        }
        "/sceau.v1.Auditor/ShowLedger" => &[Officer, Auditor, Operator],
        "/sceau.v1.Signer/ListSigningCertificates"
        | "/grpc.health.v1.Health/Check"
        | "/grpc.health.v1.Health/Watch"
        | "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        | "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => &Role::ALL,
        // It would list every profile.
        "/grpc.health.v1.Health/List" => return Seen::Unserved,
        other => panic!("{other} is not in the matrix"),
    };
    if roles.contains(&role) { Seen::Yes } else { Seen::Denied }
}

/// Makes one call, and says what came of it.
async fn call(channel: Channel, path: &str) -> Result<(), Status> {
    let mut signer = SignerClient::new(channel.clone());
    let mut admin = AdminClient::new(channel.clone());
    let mut auditor = AuditorClient::new(channel.clone());
    let mut custody = CustodyClient::new(channel.clone());
    let mut health = HealthClient::new(channel.clone());
    let check = HealthCheckRequest { service: String::new() };
    match path.rsplit('/').next().unwrap() {
        "SignBatch" => signer.sign_batch(batch(&[("a", VACCINATION)])).await.map(drop),
        "SignStream" => {
            let mut answers = signer.sign_stream(tokio_stream::iter([batch(&[("b", VACCINATION)])])).await?.into_inner();
            answers.message().await.map(drop)
        }
        "ListSigningCertificates" => signer.list_signing_certificates(v1::ListSigningCertificatesRequest {}).await.map(drop),
        "ListTokens" => admin.list_tokens(v1::ListTokensRequest {}).await.map(drop),
        "UnlatchToken" => admin.unlatch_token(v1::UnlatchTokenRequest { token: "none".to_owned() }).await.map(drop),
        "ShowClock" => admin.show_clock(v1::ShowClockRequest {}).await.map(drop),
        "AcceptClock" => admin.accept_clock(v1::AcceptClockRequest {}).await.map(drop),
        "FindCertificates" => {
            let mut answers = auditor.find_certificates(v1::FindCertificatesRequest::default()).await?.into_inner();
            answers.message().await.map(drop)
        }
        "CountCertificates" => auditor.count_certificates(v1::CountCertificatesRequest::default()).await.map(drop),
        "ExportLedger" => {
            let mut pieces = auditor.export_ledger(v1::ExportLedgerRequest {}).await?.into_inner();
            pieces.message().await.map(drop)
        }
        "ShowLedger" => auditor.show_ledger(v1::ShowLedgerRequest {}).await.map(drop),
        "Revoke" => {
            let mut answers = custody.revoke(v1::RevokeRequest::default()).await?.into_inner();
            answers.message().await.map(drop)
        }
        "ShowCustody" => custody.show_custody(v1::ShowCustodyRequest::default()).await.map(drop),
        "Propose" => custody.propose(v1::ProposeRequest::default()).await.map(drop),
        "Decide" => custody.decide(v1::DecideRequest::default()).await.map(drop),
        "Execute" => custody.execute(v1::ExecuteRequest::default()).await.map(drop),
        "RequestCertificate" => custody.request_certificate(v1::RequestCertificateRequest::default()).await.map(drop),
        "Canary" => custody.canary(v1::CanaryRequest::default()).await.map(drop),
        "SignUpload" => custody.sign_upload(v1::SignUploadRequest::default()).await.map(drop),
        "CountSigned" => custody.count_signed(v1::CountSignedRequest::default()).await.map(drop),
        "FetchRevocation" => {
            let mut answers = custody.fetch_revocation(v1::FetchRevocationRequest::default()).await?.into_inner();
            answers.message().await.map(drop)
        }
        "Check" => health.check(check).await.map(drop),
        "Watch" => health.watch(check).await?.into_inner().message().await.map(drop),
        "ServerReflectionInfo" if path.contains("v1alpha") => reflection_v1alpha(channel).await,
        "ServerReflectionInfo" => reflection_v1(channel).await,
        _ => bare(channel, path).await,
    }
}

/// A call of which no more is known than its path.
async fn bare(channel: Channel, path: &str) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    client.unary(tonic::Request::new(()), path.parse().unwrap(), codec).await.map(drop)
}

macro_rules! reflection {
    ($name:ident, $version:ident) => {
        async fn $name(channel: Channel) -> Result<(), Status> {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;

            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(channel);
            let mut answers = client.server_reflection_info(tokio_stream::iter([request])).await?.into_inner();
            answers.message().await.map(drop)
        }
    };
}

reflection!(reflection_v1, v1);
reflection!(reflection_v1alpha, v1alpha);

/// What the table of the matrix says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The call was made.
    Yes,
    /// PERMISSION_DENIED.
    Denied,
    /// There was no connection.
    NoConnection,
    /// UNIMPLEMENTED, to everybody.
    Unserved,
}

fn seen(result: &Result<(), Status>) -> Seen {
    match result {
        Ok(()) => Seen::Yes,
        // It was asked, and there is no such token; nothing watches this service's clock.
        Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => Seen::Yes,
        Err(status) if status.code() == Code::Unimplemented => Seen::Unserved,
        Err(status) if status.code() == Code::PermissionDenied => Seen::Denied,
        Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) => Seen::NoConnection,
        Err(status) => panic!("{status:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_made_by_those_who_may_and_by_nobody_else() {
    let everyone = Role::ALL.map(|role| caller(role.name(), &[role])).to_vec();
    let guarded = Guarded::start(everyone).await;
    let foreign_home = tempfile::tempdir().unwrap();
    let foreign = Pki::new(foreign_home.path());
    let issuer = ClientCertificate { uri: Some("spiffe://test/issuer"), ..ClientCertificate::default() };
    let foreigner = ClientTls { ca: guarded.pki.path("ca.pem"), ..foreign.client("issuer", issuer) };
    let expired = guarded.pki.client("expired", ClientCertificate { has_expired: true, ..issuer });
    // Who, and what is wanted of every call; nothing: what the table says of the role.
    let mut rows = vec![
        ("no certificate", guarded.pki.nobody(), Err(Seen::NoConnection)),
        ("foreign CA", foreigner, Err(Seen::NoConnection)),
        ("expired", expired, Err(Seen::NoConnection)),
        ("wrong SAN", guarded.client("stranger"), Err(Seen::Denied)),
    ];
    rows.extend(Role::ALL.map(|role| (role.name(), guarded.client(role.name()), Ok(role))));
    let mut breaches = Vec::new();
    for (who, tls, wanted) in rows {
        for path in every_call() {
            let wanted = wanted.map_or_else(|all| all, |role| may(role, &path));
            let result = call(guarded.channel(&tls).await, &path).await;
            let seen = seen(&result);
            println!("{who:16} {path:64} {seen:?}");
            if seen != wanted {
                breaches.push(format!("{who} {path}: {seen:?}, wanted {wanted:?} ({result:?})"));
            }
            if seen == Seen::Denied {
                let details = result.unwrap_err().get_details_error_info().unwrap();
                assert!(details.reason.starts_with("caller."), "{details:?}");
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_known_by_a_uri_a_dns_name_or_its_subject() {
    let known = CallerSettings {
        identities: ["uri:urn:nc:issuer", "dns:issuer.example", "subject:CN=Issuer"].map(|text| text.parse().unwrap()).to_vec(),
        ..caller("issuer", &[Role::Issuer])
    };
    let guarded = Guarded::start(vec![known]).await;
    let by = [
        ClientCertificate { uri: Some("urn:nc:issuer"), ..ClientCertificate::default() },
        ClientCertificate { dns: Some("Issuer.Example"), ..ClientCertificate::default() },
        ClientCertificate { common_name: Some("Issuer"), ..ClientCertificate::default() },
    ];
    for (number, kind) in by.into_iter().enumerate() {
        let tls = guarded.pki.client(&format!("client-{number}"), kind);
        call(guarded.channel(&tls).await, "SignBatch").await.unwrap();
    }
    let other =
        ClientCertificate { common_name: Some("issuer.example"), dns: Some("other.example"), ..ClientCertificate::default() };
    let refused = call(guarded.channel(&guarded.pki.client("other", other)).await, "SignBatch").await.unwrap_err();
    assert!(refused.message().contains("dns:other.example, subject:CN=issuer.example"), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_not_ask_is_refused_by_the_name_of_the_rule() {
    let narrow = CallerSettings {
        profiles: Some(vec!["dcc".to_owned()]),
        types: std::iter::once(CertificateType::Vaccination).collect(),
        lanes: Lanes { interactive: true, bulk: false },
        max_batch_items: NonZeroUsize::new(2),
        items_per_day: NonZeroU32::new(3),
        ..caller("issuer", &[Role::Issuer])
    };
    let guarded = Guarded::start(vec![narrow]).await;
    let mut client = SignerClient::new(guarded.channel(&guarded.client("issuer")).await);
    let one = batch(&[("a", VACCINATION)]);
    let cases = [
        (v1::SignBatchRequest { profile: "other".to_owned(), ..one.clone() }, "caller.profiles"),
        (v1::SignBatchRequest { lane: v1::Lane::Bulk.into(), ..one.clone() }, "caller.lanes"),
        (batch(&[("a", VACCINATION), ("b", VACCINATION), ("c", VACCINATION)]), "caller.max_batch_items"),
    ];
    for (request, rule) in cases {
        let refused = client.sign_batch(request).await.unwrap_err();
        assert_eq!((refused.code(), refused.get_details_error_info().unwrap().reason.as_str()), (Code::PermissionDenied, rule));
    }
    // A type is an item's own: its neighbour is signed.
    let results = client.sign_batch(batch(&[("v", VACCINATION), ("t", TEST)])).await.unwrap().into_inner().results;
    assert!(matches!(results[0].outcome, Some(Outcome::Certificate(_))));
    let Some(Outcome::Error(error)) = &results[1].outcome else { panic!("{:?}", results[1]) };
    assert_eq!(error.code, Code::PermissionDenied as i32);
    client.sign_batch(one.clone()).await.unwrap();
    let spent = client.sign_batch(one).await.unwrap_err();
    assert_eq!(
        (spent.code(), spent.get_details_error_info().unwrap().reason.as_str()),
        (Code::ResourceExhausted, "caller.items_per_day")
    );
    assert!(spent.get_details_retry_info().unwrap().retry_delay.unwrap().as_secs() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_callers_and_of_the_certificate_holds_at_once_and_drops_no_connection() {
    let guarded = Guarded::start(vec![caller("issuer", &[Role::Issuer])]).await;
    let tls = guarded.client("issuer");
    let open = guarded.channel(&tls).await;
    call(open.clone(), "SignBatch").await.unwrap();
    guarded.pki.renew_server();
    guarded.tls.replace(guarded.pki.server().load().unwrap());
    call(open.clone(), "SignBatch").await.unwrap();
    call(guarded.channel(&tls).await, "SignBatch").await.unwrap();
    guarded.live.replace(live_settings(vec![caller("issuer", &[Role::Auditor])], None));
    assert_eq!(call(open.clone(), "SignBatch").await.unwrap_err().code(), Code::PermissionDenied);
    call(open, "ListSigningCertificates").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_makes_no_call_on_a_connection_that_is_open() {
    let guarded = Guarded::start(vec![caller("issuer", &[Role::Issuer]), caller("auditor", &[Role::Auditor])]).await;
    let revoked = guarded.channel(&guarded.client("issuer")).await;
    let other = guarded.channel(&guarded.client("auditor")).await;
    call(revoked.clone(), "SignBatch").await.unwrap();
    call(other.clone(), "ListSigningCertificates").await.unwrap();
    guarded.pki.revoke(&["issuer"], 4000);
    guarded.tls.replace(guarded.pki.server_with_revocations().load().unwrap());
    for _ in 0..2 {
        let refused = call(revoked.clone(), "SignBatch").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("no longer taken"), "{}", refused.message());
    }
    call(other, "ListSigningCertificates").await.unwrap();
    guarded.tls.replace(guarded.pki.server().load().unwrap());
    call(revoked, "SignBatch").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_ca_that_is_no_longer_trusted_makes_no_call() {
    let guarded = Guarded::start(vec![caller("issuer", &[Role::Issuer])]).await;
    let open = guarded.channel(&guarded.client("issuer")).await;
    call(open.clone(), "SignBatch").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let other = Pki::new(home.path());
    let files = TlsFiles { client_ca: other.path("ca.pem"), ..guarded.pki.server() };
    guarded.tls.replace(files.load().unwrap());
    assert_eq!(call(open, "SignBatch").await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_list_that_has_expired_lets_nobody_in() {
    let guarded = Guarded::start(vec![caller("issuer", &[Role::Issuer])]).await;
    let open = guarded.channel(&guarded.client("issuer")).await;
    call(open.clone(), "SignBatch").await.unwrap();
    guarded.pki.revoke(&[], 2020);
    let tls = guarded.pki.server_with_revocations().load().unwrap();
    assert!(tls.warnings(signing_time())[0].contains("has expired at 2020-12-31"), "{:?}", tls.warnings(signing_time()));
    guarded.tls.replace(tls);
    let refused = call(open, "SignBatch").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("revocation list has expired"), "{}", refused.message());
    let anew = call(guarded.channel(&guarded.client("issuer")).await, "SignBatch").await;
    assert_eq!(seen(&anew), Seen::NoConnection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_rate_is_refused_past_it_and_a_stream_is_held_back() {
    let slow = CallerSettings { items_per_second: NonZeroU32::new(20), ..caller("issuer", &[Role::Issuer]) };
    let guarded = Guarded::start(vec![slow]).await;
    let mut client = SignerClient::new(guarded.channel(&guarded.client("issuer")).await);
    let ids: Vec<String> = (0..20).map(|n| format!("i-{n}")).collect();
    let full: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), VACCINATION)).collect();
    client.sign_batch(batch(&full)).await.unwrap();
    let spent = client.sign_batch(batch(&full)).await.unwrap_err();
    assert_eq!(spent.get_details_error_info().unwrap().reason, "caller.items_per_second");
    let chunks = [batch(&full[..10]), batch(&full[10..])];
    let mut answers = client.sign_stream(tokio_stream::iter(chunks)).await.unwrap().into_inner();
    let mut signed = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        signed += answer.results.len();
    }
    assert_eq!(signed, 20);
}

/// Payloads of each type.
const RECOVERY: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","r":[{"tg":"840539006","fr":"2021-08-01",
"co":"FR","is":"DASS-NC","df":"2021-08-12","du":"2022-01-28"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_profession_issues_its_types_and_whoever_has_none_issues_nothing() {
    let (issuer, home) = (IssuerKey::p256("a"), tempfile::tempdir().unwrap());
    let keys = home.path().join("issuer.jwks");
    std::fs::write(&keys, jwks(&[&issuer])).unwrap();
    let person = jwt::settings(KeySource::file(&keys).unwrap());
    let callers = [("required", PersonDemand::Required), ("optional", PersonDemand::Optional), ("none", PersonDemand::None)]
        .map(|(name, person)| CallerSettings { person, ..caller(name, &[Role::Issuer]) });
    let guarded = Guarded::start_with(callers.to_vec(), Some(person)).await;
    let now = signing_time().seconds();
    let jwt_of = |profession: &str, seconds: i64| {
        let mut claims = jwt::claims();
        *claims.pointer_mut("/SubjectRefPro/exercices/0/codeProfession").unwrap() = profession.into();
        for (claim, at) in [("exp", now + seconds), ("nbf", now - 600), ("iat", now - 600)] {
            claims[claim] = at.into();
        }
        issuer.jwt_of(&claims)
    };
    let (expired, changed) = (jwt_of("10", -300), jwt_of("10", 60) + "A");
    // Who, with which JWT; then the types that are signed, or the code of the call.
    let rows: [(&str, Option<String>, Result<&str, Code>); 12] = [
        ("required", Some(jwt_of("10", 60)), Ok("vtr")),
        ("required", Some(jwt_of("21", 60)), Ok("t")),
        ("required", Some(jwt_of("60", 60)), Ok("v")),
        ("required", Some(jwt_of("99", 60)), Err(Code::PermissionDenied)),
        ("required", Some(expired.clone()), Err(Code::Unauthenticated)),
        ("required", Some(changed), Err(Code::Unauthenticated)),
        ("required", None, Err(Code::PermissionDenied)),
        ("optional", None, Ok("vtr")),
        ("optional", Some(jwt_of("60", 60)), Ok("v")),
        ("optional", Some(expired.clone()), Err(Code::Unauthenticated)),
        ("none", None, Ok("vtr")),
        ("none", Some(expired), Ok("vtr")),
    ];
    for (row, (who, jwt, wanted)) in rows.into_iter().enumerate() {
        let mut client = SignerClient::new(guarded.channel(&guarded.client(who)).await);
        let mut request = tonic::Request::new(batch(&[("v", VACCINATION), ("t", TEST), ("r", RECOVERY)]));
        if let Some(jwt) = jwt {
            request.metadata_mut().insert("authorization", format!("Bearer {jwt}").parse().unwrap());
        }
        let seen = client.sign_batch(request).await.map(|answer| {
            let results = answer.into_inner().results;
            let signed = results.iter().filter(|result| matches!(result.outcome, Some(Outcome::Certificate(_))));
            signed.map(|result| result.item_id.clone()).collect::<String>()
        });
        assert_eq!(seen.map_err(|status| status.code()), wanted.map(str::to_owned), "row {row}: {who}");
    }
}
