use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tonic::Code;

use super::guard::Guard;
use super::{CallerSettings, Chain, Peer, PeerCertificate};
use crate::domain::{Clock, NumericDate};
use crate::service::tls::{LiveTls, Tls, TlsFiles};
use crate::service::{Limits, Live, LiveSettings, status};

#[test]
fn a_certificate_gives_its_names_and_its_end() {
    let mut params = rcgen::CertificateParams::new(vec!["Issuer.Example".to_owned()]).unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI("spiffe://nc/issuer".try_into().unwrap()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Issuer");
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let peer = PeerCertificate::from_der(certificate.der()).unwrap();
    let names: Vec<String> = peer.identities.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["dns:issuer.example", "uri:spiffe://nc/issuer", "subject:CN=Issuer"]);
    assert!(peer.has_expired(NumericDate::from_rfc3339("2030-01-01T00:00:01Z").unwrap()));
    assert!(!peer.has_expired(NumericDate::from_rfc3339("2029-12-31T00:00:00Z").unwrap()));
    assert!(PeerCertificate::from_der(b"no certificate").is_none());
}

fn tls(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> Arc<Tls> {
    let folder = tempfile::tempdir().unwrap();
    let [pem, secret] = ["tls.pem", "tls.key"].map(|name| folder.path().join(name));
    std::fs::write(&pem, certificate.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    let files = TlsFiles { certificate: pem.clone(), key: secret, client_ca: pem, client_crl: None, allow_tls_1_2: false };
    files.load().unwrap()
}

/// A clock that a test moves.
#[derive(Debug)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_pass_ends_with_the_certificate_that_it_was_given_for() {
    let mut params = rcgen::CertificateParams::new(vec!["issuer.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let tls = tls(&certificate, &key);
    let chain = Chain::verified(vec![certificate.der().clone()], LiveTls::new(Arc::clone(&tls)), tls);
    let peer = Peer::Certificate(Arc::new(PeerCertificate::from_der(certificate.der()).unwrap()), Arc::new(chain));
    let issuer = CallerSettings { identities: vec!["dns:issuer.example".parse().unwrap()], ..CallerSettings::loopback() };
    let settings = LiveSettings { callers: vec![issuer], person: None, profiles: Vec::new(), limits: Limits::default() };
    let at = |text| NumericDate::from_rfc3339(text).unwrap().seconds();
    let clock = Arc::new(MovedClock(AtomicI64::new(at("2029-12-31T00:00:00Z"))));
    let guard = Guard::new(Live::new(settings, Arc::clone(&clock) as Arc<dyn Clock>));
    let mut request = http::Request::get("/sceau.v1.Signer/SignStream").body(()).unwrap();
    request.extensions_mut().insert(peer);
    let (_, pass) = guard.admit(&request).unwrap();
    assert!(pass.caller().is_ok());
    clock.0.store(at("2030-01-01T00:00:01Z"), Ordering::SeqCst);
    let refused = pass.caller().unwrap_err();
    assert_eq!((refused.code(), status::rule_of(&refused).as_str()), (Code::Unauthenticated, "caller.certificate"));
}
