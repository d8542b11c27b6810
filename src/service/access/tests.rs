use super::PeerCertificate;
use crate::domain::NumericDate;

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
