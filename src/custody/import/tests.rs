//! Each refusal, by a certificate that has that one fault; tests/it/custody.rs has those that OpenSSL has to make.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    PKCS_RSA_SHA512, SignatureAlgorithm,
};
use x509_cert::der::Decode;

use super::*;
use crate::domain::{CertificateType, Kid};

/// 2025-01-01.
const NOW: NumericDate = NumericDate::from_seconds(1_735_689_600);
const VACCINATION: &[u64] = &[1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2];
const EARLY_VACCINATION: &[u64] = &[1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 2];

fn name(country: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, country);
    name.push(DnType::OrganizationName, "Ministry");
    name.push(DnType::CommonName, common_name);
    name
}

/// A CSCA, a key of ours, and what was asked for.
struct Room {
    authority: Issuer<'static, KeyPair>,
    csca: Csca,
    key: KeyPair,
    known: KnownKids,
    types: CertificateTypes,
    now: NumericDate,
}

impl Room {
    fn new() -> Self {
        Self::under(&PKCS_ECDSA_P256_SHA256, |_| ())
    }

    fn under(algorithm: &'static SignatureAlgorithm, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (authority, csca) = authority(algorithm, change);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            authority,
            csca,
            key,
            known: KnownKids::new(),
            types: [CertificateType::Vaccination].into_iter().collect(),
            now: NOW,
        }
    }

    /// A DSC as it should be, but for a change.
    fn dsc(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        dsc_params(change).signed_by(&self.key, &self.authority).unwrap().der().to_vec()
    }

    fn check(&self, der: &[u8]) -> Result<Certified, Refused> {
        self.check_under(der, std::slice::from_ref(&self.csca))
    }

    fn check_under(&self, der: &[u8], cscas: &[Csca]) -> Result<Certified, Refused> {
        let public_key = public_key(&self.key);
        let (types, known, now) = (self.types, &self.known, self.now);
        check(der, &Expected { public_key: &public_key, country: "FR".parse().unwrap(), types, cscas, known, now })
    }

    /// The faults of a DSC with a change, as text.
    fn faults(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<String> {
        texts(&self.check(&self.dsc(change)).unwrap_err())
    }
}

fn texts(refused: &Refused) -> Vec<String> {
    refused.faults().iter().map(ToString::to_string).collect()
}

fn authority(
    algorithm: &'static SignatureAlgorithm,
    change: impl FnOnce(&mut CertificateParams),
) -> (Issuer<'static, KeyPair>, Csca) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = name("FR", "CSCA-FRANCE");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2028, 1, 1);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let csca = Csca::from_der(certificate.der()).unwrap();
    (Issuer::new(params, key), csca)
}

fn dsc_params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("FR", "DSC 1");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(VACCINATION.to_vec())];
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2024, 12, 31);
    params.not_after = rcgen::date_time_ymd(2026, 12, 31);
    change(&mut params);
    params
}

fn public_key(key: &KeyPair) -> PublicKey {
    let der = CertificateParams::default().self_signed(key).unwrap().der().to_vec();
    PublicKey::from_certificate(&Certificate::from_der(&der).unwrap()).unwrap()
}

#[test]
fn a_dsc_as_it_should_be_is_taken() {
    let room = Room::new();
    let der = room.dsc(|_| ());
    let certified = room.check(&der).unwrap();
    assert_eq!(certified.warnings(), [ImportWarning::NoCrl]);
    assert_eq!(certified.into_dsc().der(), der);
}

#[test]
fn every_kind_of_csca_of_the_field_is_followed() {
    for algorithm in
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_RSA_SHA256, &PKCS_RSA_SHA512]
    {
        let room = Room::under(algorithm, |_| ());
        room.check(&room.dsc(|_| ())).unwrap_or_else(|refused| panic!("{algorithm:?}: {refused}"));
    }
}

#[test]
fn an_rsa_key_is_certified_as_well() {
    let mut room = Room::new();
    room.key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    room.check(&room.dsc(|_| ())).unwrap();
}

#[test]
fn what_is_no_certificate_has_that_one_fault() {
    let room = Room::new();
    for bytes in [&b""[..], b"-----BEGIN CERTIFICATE-----", &room.dsc(|_| ())[..100]] {
        let refused = room.check(bytes).unwrap_err();
        assert!(matches!(refused.faults(), [ImportFault::Der(_)]), "{refused}");
    }
}

#[test]
fn another_key_is_refused() {
    let room = Room::new();
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let der = dsc_params(|_| ()).signed_by(&other, &room.authority).unwrap().der().to_vec();
    let refused = room.check(&der).unwrap_err();
    assert!(matches!(refused.faults(), [ImportFault::ForeignKey { found, generated }] if found != generated), "{refused}");
}

#[test]
fn a_key_on_p384_is_refused() {
    let mut room = Room::new();
    let ours = std::mem::replace(&mut room.key, KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    let der = room.dsc(|_| ());
    room.key = ours;
    let right = "the key is on the curve secp384r1 (1.3.132.0.34); a DSC has one on P-256, or RSA of 2048 to 3072 bits";
    assert_eq!(texts(&room.check(&der).unwrap_err()), [right]);
}

#[test]
fn another_country_none_and_two_are_refused() {
    let room = Room::new();
    let of = |found| vec![format!("the subject's C is {found}; exactly one, FR, is right")];
    assert_eq!(room.faults(|params| params.distinguished_name = name("DE", "DSC 1")), of("DE"));
    assert_eq!(room.faults(|params| params.distinguished_name = name("fr", "DSC 1")), of("fr"));
    assert_eq!(room.faults(|params| assert!(params.distinguished_name.remove(DnType::CountryName))), of("missing"));
    let second = |params: &mut CertificateParams| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 6]), "DE");
    };
    assert_eq!(room.faults(second), of("FR and DE"));
}

#[test]
fn a_subject_without_a_name_is_refused() {
    let faults = Room::new().faults(|params| assert!(params.distinguished_name.remove(DnType::CommonName)));
    assert_eq!(faults, ["the subject has no CN; a DSC has one that no other DSC of the state has"]);
}

#[test]
fn a_key_that_may_not_sign_or_may_issue_is_refused() {
    let room = Room::new();
    for usages in [vec![], vec![KeyUsagePurpose::KeyEncipherment]] {
        assert_eq!(
            room.faults(|params| params.key_usages = usages),
            ["the key usage does not hold digitalSignature; a DSC has it"]
        );
    }
    let authority = ["it is a certificate authority's; a DSC has neither CA:TRUE nor keyCertSign"];
    assert_eq!(room.faults(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), authority);
    assert_eq!(room.faults(|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)), authority);
}

#[test]
fn the_extended_key_usage_is_what_was_asked_for_in_either_form() {
    let mut room = Room::new();
    let with = |usages: Vec<&[u64]>| {
        let usages: Vec<_> = usages.into_iter().map(|oid| ExtendedKeyUsagePurpose::Other(oid.to_vec())).collect();
        move |params: &mut CertificateParams| params.extended_key_usages = usages
    };
    room.check(&room.dsc(with(vec![EARLY_VACCINATION]))).unwrap();
    assert_eq!(room.faults(with(vec![])), ["the extended key usage allows any; vaccination was asked for"]);
    let test = [&VACCINATION[..9], &[1]].concat();
    assert_eq!(room.faults(with(vec![&test])), ["the extended key usage allows test; vaccination was asked for"]);
    assert_eq!(
        room.faults(with(vec![VACCINATION, &test])),
        ["the extended key usage allows vaccination, test; vaccination was asked for"]
    );
    room.types = CertificateTypes::ANY;
    room.check(&room.dsc(with(vec![]))).unwrap();
    assert_eq!(room.faults(with(vec![VACCINATION])), ["the extended key usage allows vaccination; any was asked for"]);
}

#[test]
fn another_purpose_beside_is_said() {
    let room = Room::new();
    let certified = room.check(&room.dsc(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth))).unwrap();
    assert!(matches!(certified.warnings(), [ImportWarning::OtherUsage { oid }, _] if oid.to_string() == "1.3.6.1.5.5.7.3.1"));
}

#[test]
fn what_is_not_yet_valid_or_has_expired_is_refused() {
    let mut room = Room::new();
    let early = room.faults(|params| params.not_before = rcgen::date_time_ymd(2025, 1, 2));
    assert_eq!(early, ["it is valid from 2025-01-02T00:00:00Z only; at 2025-01-01T00:00:00Z it cannot be taken yet"]);
    let late = room.faults(|params| params.not_after = rcgen::date_time_ymd(2024, 12, 31));
    assert_eq!(late, ["it was valid until 2024-12-31T00:00:00Z; at 2025-01-01T00:00:00Z a new one is needed"]);
    // Both ends belong to the validity.
    let der = room.dsc(|_| ());
    for now in ["2024-12-31T00:00:00Z", "2026-12-31T00:00:00Z"] {
        room.now = NumericDate::from_rfc3339(now).unwrap();
        room.check(&der).unwrap();
    }
}

#[test]
fn more_than_two_years_and_a_dsc_that_outlives_its_csca_are_said() {
    let room = Room::new();
    let certified = room.check(&room.dsc(|params| params.not_after = rcgen::date_time_ymd(2028, 1, 2))).unwrap();
    let [long, _, outlives] = certified.warnings() else { panic!("{:?}", certified.warnings()) };
    assert_eq!(long.to_string(), "valid until 2028-01-02T00:00:00Z; two years, until 2026-12-31T00:00:00Z, are recommended");
    let right =
        "valid until 2028-01-02T00:00:00Z, its CSCA until 2028-01-01T00:00:00Z only; a strict verifier refuses it from then on";
    assert_eq!(outlives.to_string(), right);
}

#[test]
fn a_critical_extension_that_is_unknown_is_refused_and_one_that_is_not_critical_passes() {
    let room = Room::new();
    let with = |critical: bool| {
        move |params: &mut CertificateParams| {
            let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            extension.set_criticality(critical);
            params.custom_extensions.push(extension);
        }
    };
    room.check(&room.dsc(with(false))).unwrap();
    assert!(room.faults(with(true))[0].starts_with("the critical extension 1.2.3.4 is unknown here"));
}

#[test]
fn an_extension_that_cannot_be_read_or_stands_twice_is_refused() {
    let room = Room::new();
    let extended_key_usage = |bytes: Vec<u8>| CustomExtension::from_oid_content(&[2, 5, 29, 37], bytes);
    let twice = room.faults(|params| params.custom_extensions.push(extended_key_usage(vec![0x30, 3, 6, 1, 0x2a])));
    assert!(twice[0].starts_with("the extension 2.5.29.37 cannot be read, or stands twice"), "{twice:?}");
    let bent = room.faults(|params| {
        params.extended_key_usages.clear();
        params.custom_extensions.push(extended_key_usage(vec![0x31, 0]));
    });
    assert!(bent[0].starts_with("the extension 2.5.29.37 cannot be read, or stands twice"), "{bent:?}");
}

#[test]
fn a_csca_that_was_not_given_is_named() {
    let room = Room::new();
    let refused = room.check_under(&room.dsc(|_| ()), &[]).unwrap_err();
    assert!(matches!(refused.faults(), [ImportFault::Issuer { given, .. }] if given.is_empty()), "{refused}");
    let (_, other) = authority(&PKCS_ECDSA_P256_SHA256, |params| params.distinguished_name = name("FR", "Another CSCA"));
    let right = "the issuer is \"CN=CSCA-FRANCE,O=Ministry,C=FR\"; \
        the CSCAs given are [\"CN=Another CSCA,O=Ministry,C=FR\"], and one of them has to be the issuer";
    assert_eq!(texts(&room.check_under(&room.dsc(|_| ()), &[other]).unwrap_err()), [right]);
}

#[test]
fn a_csca_of_the_same_name_and_another_key_is_not_the_issuer() {
    let (room, other) = (Room::new(), Room::new());
    let refused = room.check_under(&room.dsc(|_| ()), std::slice::from_ref(&other.csca)).unwrap_err();
    let faults = refused.faults();
    let [ImportFault::AuthorityKey { .. }, ImportFault::Signature { fault, .. }] = faults else { panic!("{refused}") };
    assert_eq!(*fault, SignatureFault::Wrong);
    // With both given, the one whose key is identified is taken.
    room.check_under(&room.dsc(|_| ()), &[other.csca, room.csca.clone()]).unwrap();
}

#[test]
fn a_changed_certificate_is_refused() {
    let room = Room::new();
    let mut der = room.dsc(|_| ());
    let at = der.windows(5).position(|bytes| bytes == b"DSC 1").unwrap();
    der[at + 4] = b'2';
    let refused = room.check(&der).unwrap_err();
    assert!(matches!(refused.faults(), [ImportFault::Signature { fault: SignatureFault::Wrong, .. }]), "{refused}");
}

#[test]
fn a_dsc_without_an_authority_key_identifier_is_refused() {
    let faults = Room::new().faults(|params| params.use_authority_key_identifier_extension = false);
    assert!(faults[0].starts_with("the authority key identifier is missing; it has to be the CSCA's"), "{faults:?}");
}

#[test]
fn a_csca_that_may_not_issue_is_over_or_of_another_state_is_refused() {
    let of = |change: fn(&mut CertificateParams)| Room::under(&PKCS_ECDSA_P256_SHA256, change).faults(|_| ());
    let usage = "may not issue certificates; it has to have CA:TRUE and the key usage keyCertSign";
    assert!(of(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature])[0].ends_with(usage));
    assert!(of(|params| params.is_ca = IsCa::ExplicitNoCa).iter().any(|fault| fault.ends_with(usage)));
    assert!(of(|params| params.not_after = rcgen::date_time_ymd(2024, 12, 31))[0].contains("at 2025-01-01T00:00:00Z it is not"));
    assert!(of(|params| params.not_before = rcgen::date_time_ymd(2025, 1, 2))[0].contains("at 2025-01-01T00:00:00Z it is not"));
    assert!(of(|params| params.distinguished_name = name("DE", "CSCA"))[0].ends_with("is not of FR"));
}

#[test]
fn a_kid_that_is_taken_is_refused() {
    let mut room = Room::new();
    let der = room.dsc(|_| ());
    let kid = Kid::of_der(&der);
    room.known.add_kid(kid, "the trust list, entry 7");
    let right = format!(
        "the kid {kid} is taken: by another certificate in the trust list, entry 7; \
         the CSCA has to issue this one anew, under another serial number"
    );
    assert_eq!(texts(&room.check(&der).unwrap_err()), [right]);
    room.known = KnownKids::new();
    room.known.add(&der, "the register");
    let right = format!("the kid {kid} is taken: this very certificate stands in the register already");
    assert_eq!(texts(&room.check(&der).unwrap_err()), [right]);
}

#[test]
fn every_fault_is_told_at_once() {
    let room = Room::new();
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = dsc_params(|params| {
        params.distinguished_name = name("DE", "DSC 1");
        params.key_usages.clear();
        params.extended_key_usages.clear();
        params.not_after = rcgen::date_time_ymd(2024, 12, 31);
        params.use_authority_key_identifier_extension = false;
    });
    let refused = room.check(params.signed_by(&other, &room.authority).unwrap().der()).unwrap_err();
    let [
        ImportFault::ForeignKey { .. },
        ImportFault::Country { .. },
        ImportFault::KeyUsage,
        ImportFault::Types { .. },
        ImportFault::Expired { .. },
        ImportFault::AuthorityKey { .. },
    ] = refused.faults()
    else {
        panic!("{refused}")
    };
}

#[test]
fn no_changed_byte_passes() {
    let room = Room::new();
    let der = room.dsc(|_| ());
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(room.check(&changed).is_err(), "byte {at}");
    }
}
