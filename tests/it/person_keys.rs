//! The issuer's keys: a file that changes; a URL with a cache, rotation, outage, slow, huge and wrong answers; TLS.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sceau::service::person::{KeySource, Pace, Person, PersonError, PersonSettings, PersonVerifier};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};

use super::jwt::{Answer, IssuerKey, KeyServer, NOW, claims, jwks, settings, verifier};

/// Far beyond what any step here takes; only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

/// Keys are read again at each use.
const NO_CACHE: Pace = Pace {
    shortest: Duration::ZERO,
    longest: Duration::ZERO,
    usual: Duration::ZERO,
    retry: Duration::ZERO,
    unknown_kid: Duration::from_secs(30),
    time_limit: Duration::from_secs(5),
};

fn on(server: &KeyServer, change: impl FnOnce(&mut PersonSettings)) -> PersonVerifier {
    let mut settings = settings(KeySource::url(&server.url(), None).unwrap());
    change(&mut settings);
    PersonVerifier::new(settings)
}

async fn take(verifier: &PersonVerifier, key: &IssuerKey) -> Result<Person, PersonError> {
    tokio::time::timeout(HANG, verifier.verify(&key.jwt_of(&claims()), NOW)).await.expect("it does not hang")
}

async fn eventually(verifier: &PersonVerifier, key: &IssuerKey, is_so: impl Fn(&Result<Person, PersonError>) -> bool) {
    let start = Instant::now();
    while !is_so(&take(verifier, key).await) {
        assert!(start.elapsed() < HANG, "it did not come to be so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed() {
    let (old, new) = (IssuerKey::p256("old"), IssuerKey::p256("new"));
    let (verifier, home) = verifier(&[&old], |_| {});
    take(&verifier, &old).await.unwrap();
    fs::write(home.path().join("issuer.jwks"), jwks(&[&new])).unwrap();
    eventually(&verifier, &new, Result::is_ok).await;
    assert!(matches!(take(&verifier, &old).await, Err(PersonError::UnknownKid)));
}

#[tokio::test]
async fn a_file_that_goes_or_breaks_leaves_the_old_keys_for_a_time() {
    let key = IssuerKey::p256("a");
    let (kept, home) = verifier(&[&key], |_| {});
    let (strict, strict_home) = verifier(&[&key], |settings| settings.max_stale = Duration::ZERO);
    take(&kept, &key).await.unwrap();
    take(&strict, &key).await.unwrap();
    fs::write(home.path().join("issuer.jwks"), "{}").unwrap();
    fs::remove_file(strict_home.path().join("issuer.jwks")).unwrap();
    eventually(&strict, &key, |taken| matches!(taken, Err(PersonError::NoKeys))).await;
    take(&kept, &key).await.unwrap();
}

#[tokio::test]
async fn a_url_is_asked_once_for_many_calls_within_its_max_age() {
    let key = IssuerKey::p256("a");
    let server = KeyServer::start(Answer::Jwks(jwks(&[&key]), "Cache-Control: max-age=3600")).await;
    let verifier = on(&server, |_| {});
    let calls = (0..50).map(|_| {
        let (verifier, jwt) = (verifier.clone(), key.jwt_of(&claims()));
        tokio::spawn(async move { verifier.verify(&jwt, NOW).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_url_is_asked_again_after_its_max_age_within_bounds() {
    let key = IssuerKey::p256("a");
    let server = KeyServer::start(Answer::Jwks(jwks(&[&key]), "Cache-Control: no-store")).await;
    let unbounded = on(&server, |settings| settings.pace = Pace { longest: HANG, ..NO_CACHE });
    for asked in 1..=3 {
        take(&unbounded, &key).await.unwrap();
        assert_eq!(server.asked(), asked);
    }
    let bounded = on(&server, |_| {});
    for _ in 0..3 {
        take(&bounded, &key).await.unwrap();
    }
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn a_new_key_is_asked_for_at_once_and_unknown_ones_no_more_than_that() {
    let (old, new, stranger) = (IssuerKey::p256("old"), IssuerKey::p256("new"), IssuerKey::p256("stranger"));
    let server = KeyServer::start(Answer::Jwks(jwks(&[&old]), "Cache-Control: max-age=3600")).await;
    let verifier = on(&server, |_| {});
    take(&verifier, &old).await.unwrap();
    server.answer(Answer::Jwks(jwks(&[&old, &new]), "Cache-Control: max-age=3600"));
    let calls = (0..20).map(|_| {
        let (verifier, jwt) = (verifier.clone(), new.jwt_of(&claims()));
        tokio::spawn(async move { verifier.verify(&jwt, NOW).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.asked(), 2);
    for _ in 0..20 {
        assert!(matches!(take(&verifier, &stranger).await, Err(PersonError::UnknownKid)));
    }
    assert_eq!(server.asked(), 2);
    take(&verifier, &old).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_issuer_withdraws_is_taken_no_more_not_even_from_memory() {
    let (old, new) = (IssuerKey::p256("old"), IssuerKey::p256("new"));
    let server = KeyServer::start(Answer::Jwks(jwks(&[&old]), "X: y")).await;
    let verifier = on(&server, |settings| settings.pace = NO_CACHE);
    let jwt = old.jwt_of(&claims());
    verifier.verify(&jwt, NOW).await.unwrap();
    server.answer(Answer::Jwks(jwks(&[&new]), "X: y"));
    assert!(matches!(verifier.verify(&jwt, NOW).await, Err(PersonError::UnknownKid)));
}

#[tokio::test]
async fn old_keys_serve_through_an_outage_and_then_no_more() {
    let key = IssuerKey::p256("a");
    for outage in [Answer::Closed, Answer::Status(503), Answer::Status(302), Answer::Jwks("<html>".to_owned(), "X: y")] {
        let server = KeyServer::start(Answer::Jwks(jwks(&[&key]), "X: y")).await;
        let patient = on(&server, |settings| settings.pace = NO_CACHE);
        let strict = on(&server, |settings| {
            settings.pace = NO_CACHE;
            settings.max_stale = Duration::ZERO;
            // With no time at all, what was just read would be too old.
            settings.pace.shortest = Duration::from_millis(200);
            settings.pace.longest = Duration::from_millis(200);
        });
        take(&patient, &key).await.unwrap();
        eventually(&strict, &key, Result::is_ok).await;
        server.answer(outage);
        for _ in 0..3 {
            take(&patient, &key).await.unwrap();
        }
        eventually(&strict, &key, |taken| matches!(taken, Err(PersonError::NoKeys))).await;
        server.answer(Answer::Jwks(jwks(&[&key]), "X: y"));
        eventually(&strict, &key, Result::is_ok).await;
    }
}

#[tokio::test]
async fn without_any_keys_a_call_is_unavailable_and_the_source_is_let_alone_for_a_while() {
    let key = IssuerKey::p256("a");
    let server = KeyServer::start(Answer::Closed).await;
    let verifier = on(&server, |_| {});
    for _ in 0..5 {
        let status = Status::from(take(&verifier, &key).await.unwrap_err());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("keys of the issuer") && !status.message().contains("127.0.0.1"));
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn slow_and_huge_answers_are_given_up() {
    let key = IssuerKey::p256("a");
    for answer in [Answer::Silence, Answer::Endless] {
        let server = KeyServer::start(answer).await;
        let time_limit = Duration::from_secs(1);
        let verifier = on(&server, |settings| settings.pace = Pace { time_limit, ..NO_CACHE });
        assert!(matches!(take(&verifier, &key).await, Err(PersonError::NoKeys)));
    }
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_the_same_source() {
    let key = IssuerKey::p256("a");
    let server = KeyServer::start(Answer::Jwks(jwks(&[&key]), "Cache-Control: max-age=3600")).await;
    let before = on(&server, |_| {});
    assert_eq!(before.read_keys().await.unwrap(), 1);
    server.answer(Answer::Closed);
    let after = before.with_settings(settings(KeySource::url(&server.url(), None).unwrap()));
    take(&after, &key).await.unwrap();
    let other = KeySource::url(&format!("{}2", server.url()), None).unwrap();
    let elsewhere = before.with_settings(settings(other));
    assert!(matches!(take(&elsewhere, &key).await, Err(PersonError::NoKeys)));
}

#[tokio::test]
async fn https_is_trusted_by_its_configured_authority_alone() {
    let key = IssuerKey::p256("a");
    let (issuer, ca) = authority();
    let (_, stranger) = authority();
    let server_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&server_key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], server_key.into())
        .unwrap();
    let tls = Some(TlsAcceptor::from(Arc::new(config)));
    let server = KeyServer::start_with(Answer::Jwks(jwks(&[&key]), "X: y"), tls).await;
    let url = format!("https://{}/jwks", server.address);
    let trusting = PersonVerifier::new(settings(KeySource::url(&url, Some(ca.as_bytes())).unwrap()));
    take(&trusting, &key).await.unwrap();
    let wary = PersonVerifier::new(settings(KeySource::url(&url, Some(stranger.as_bytes())).unwrap()));
    assert!(matches!(take(&wary, &key).await, Err(PersonError::NoKeys)));
    assert_eq!(server.asked(), 1);
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}
