//! The life of a key: every step, and every step that is not one.

use super::*;

#[test]
fn a_key_goes_through_its_life() {
    let mut chain = Chain::new();
    chain.carry_out(generate(0)).unwrap();
    assert_eq!(chain.state(0), State::Generated);
    chain.carry_out(certify(0)).unwrap();
    assert_eq!((chain.state(0), chain.register.key_of(kid(0)).unwrap().label()), (State::Certified, &name(0)));
    chain.carry_out(publish(0, chain.now.plus_seconds(5))).unwrap();
    assert_eq!(chain.state(0), State::Certified, "it is on the list in five seconds");
    chain.now = chain.now.plus_seconds(5);
    assert_eq!(chain.state(0), State::Published);
    chain.carry_out(activate(0, chain.now.plus_seconds(5), None)).unwrap();
    assert_eq!((chain.state(0), chain.kids_at(chain.now)), (State::Published, vec![]));
    chain.now = chain.now.plus_seconds(5);
    assert_eq!((chain.state(0), chain.kids_at(chain.now)), (State::Active, vec![kid(0)]));
    chain.carry_out(retire(0, chain.now.plus_seconds(5))).unwrap();
    assert_eq!(chain.state(0), State::Active);
    chain.now = chain.now.plus_seconds(5);
    assert_eq!((chain.state(0), chain.kids_at(chain.now)), (State::Retired, vec![]));
    chain.carry_out(destroy(0)).unwrap();
    assert_eq!(chain.state(0), State::Destroyed);
}

#[test]
fn a_key_that_never_signed_can_be_destroyed() {
    let mut chain = Chain::new();
    chain.carry_out(generate(0)).unwrap();
    chain.carry_out(Change::Destroy(KeyName::Label(name(0)))).unwrap();
    assert_refused(chain.propose("ada", certify(0)), "the key dsc-0 is destroyed; certify takes one that is generated");
    assert_refused(chain.propose("ada", generate(0)), "there is, or was, a key dsc-0");
    let again = Change::Destroy(KeyName::Label(name(0)));
    assert_refused(chain.propose("ada", again), "the key dsc-0 is destroyed; destroy takes one that is on its token");
}

#[test]
fn a_key_is_stopped_from_any_state_with_a_certificate() {
    for state in [State::Certified, State::Published, State::Active, State::Retired] {
        let mut chain = Chain::new();
        chain.bring(0, state);
        chain.stop("hedy", compromise(0)).unwrap();
        assert_eq!((chain.state(0), chain.kids_at(chain.now)), (State::Compromised, vec![]), "{state}");
        for change in [publish(0, chain.now), activate(0, chain.now, None), retire(0, chain.now)] {
            assert_refused(chain.propose("ada", change), "the key dsc-0 is");
        }
        chain.carry_out(destroy(0)).unwrap();
        assert_eq!(chain.state(0), State::Compromised, "what it signed is in doubt after that too");
    }
    let mut chain = Chain::new();
    chain.bring(0, State::Certified);
    chain.carry_out(destroy(0)).unwrap();
    chain.stop("hedy", compromise(0)).unwrap();
    assert_eq!(chain.state(0), State::Compromised);
    assert_refused(chain.stop("hedy", compromise(1)), "is not in the register");
}

#[test]
fn no_step_is_left_out() {
    let mut chain = Chain::new();
    chain.carry_out(generate(0)).unwrap();
    for change in [publish(0, chain.now), activate(0, chain.now, None), retire(0, chain.now), destroy(0)] {
        assert_refused(chain.propose("ada", change), "is not in the register");
    }
    chain.carry_out(certify(0)).unwrap();
    let refusals = [
        (certify(0), "the key dsc-0 is certified; certify takes one that is generated"),
        (activate(0, chain.now, None), "the key dsc-0 is certified; activate takes one that is published"),
        (retire(0, chain.now), "the key dsc-0 is certified; retire takes one that is active, or to be"),
    ];
    for (change, reason) in refusals {
        assert_refused(chain.propose("ada", change), reason);
    }
    chain.carry_out(publish(0, chain.now)).unwrap();
    assert_refused(
        chain.propose("ada", publish(0, chain.now)),
        "the key dsc-0 is published; publish takes one that is certified",
    );
}

#[test]
fn a_certificate_that_does_not_belong_to_the_key_is_refused() {
    let mut chain = Chain::new();
    chain.carry_out(generate(0)).unwrap();
    let key = &MADE[0].public_key;
    let ended = certificate(key, "FR", &[], MIDNIGHT.plus_seconds(-1));
    let bad = [
        (vec![1, 2, 3], "the certificate cannot be a DSC"),
        (MADE[1].certificate.clone(), "the certificate's public key is not that of dsc-0"),
        (certificate(key, "DE", &[], end()), "the certificate's country is DE, and FR was asked for"),
        (ended, "the certificate ended at 2024-02-28T23:59:59Z"),
    ];
    for (certificate, reason) in bad {
        assert_refused(chain.propose("ada", Change::Certify(Certification { label: name(0), certificate })), reason);
    }
    assert_refused(chain.propose("ada", certify(1)), "the key \"dsc-1\" is not in the register");
}

#[test]
fn a_common_name_and_a_serial_number_are_given_once() {
    use rcgen::{CertificateParams, DnType, Issuer, KeyUsagePurpose};

    let mut chain = Chain::new();
    let of_country = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CountryName, "FR");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let csca = |name: &str| Issuer::new(of_country(name), KeyPair::generate().unwrap());
    let (one, other) = (csca("CSCA 1"), csca("CSCA 2"));
    let issue = |key: &KeyPair, csca: &Issuer<'_, KeyPair>, serial: u64| {
        let mut params = of_country("DSC");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.serial_number = Some(serial.into());
        params.signed_by(key, csca).unwrap().der().to_vec()
    };
    let keys = [0, 1, 2].map(|index| {
        let key = KeyPair::generate().unwrap();
        let point = PublicKey::P256 { point: key.der_bytes().try_into().unwrap() };
        let id = chain.propose("ada", generate(index)).unwrap();
        chain.approve("grace", id).unwrap();
        chain.execute(id, Outcome::Generated(GeneratedKey::of(&point).unwrap())).unwrap();
        key
    });
    let Change::Generate(mut same_name) = generate(0) else { panic!("it is one") };
    same_name.label = name(3);
    assert_refused(chain.propose("ada", Change::Generate(same_name)), "the key dsc-0 has the CN \"DSC 0\"");
    let certify = |index: usize, certificate| Change::Certify(Certification { label: name(index), certificate });
    chain.carry_out(certify(0, issue(&keys[0], &one, 7))).unwrap();
    let again = chain.propose("ada", certify(1, issue(&keys[1], &one, 7)));
    assert_refused(again, "the certificate of the key dsc-0 has the same issuer and serial number");
    chain.carry_out(certify(1, issue(&keys[1], &other, 7))).unwrap();
    chain.carry_out(certify(2, issue(&keys[2], &one, 8))).unwrap();
}

#[test]
fn a_key_is_used_within_what_its_certificate_allows() {
    let mut chain = Chain::new();
    chain.bring(0, State::Published);
    let now = chain.now;
    let with = |edit: &dyn Fn(&mut Activation)| {
        let Change::Activate(mut activation) = activate(0, now, None) else { panic!("it is one") };
        edit(&mut activation);
        Change::Activate(activation)
    };
    let refusals = [
        (with(&|wanted| wanted.weight = 0), "the weight is 0; it is 1 to 1000"),
        (with(&|wanted| wanted.weight = 1001), "the weight is 1001"),
        (with(&|wanted| wanted.to = Some(now)), "is empty: it holds its first instant, and not its end"),
        (with(&|wanted| wanted.from = now.plus_seconds(-1)), "2024-02-29T00:00:00Z is too soon"),
        (with(&|wanted| wanted.from = now.plus_seconds(-2)), "is on the trust list from 2024-02-29T00:00:00Z on"),
        (with(&|wanted| wanted.from = end().plus_seconds(1)), "and the certificate is valid from"),
    ];
    for (change, reason) in refusals {
        assert_refused(chain.propose("ada", change), reason);
    }
    let lead = chain.register.check(&activate(0, now, None), now, 1).unwrap_err().to_string();
    assert_eq!(lead, format!("{now} is too soon: a change reaches every replica by {}", now.plus_seconds(2)));
}

#[test]
fn a_key_signs_the_types_of_its_certificate_alone() {
    let mut chain = Chain::new();
    let public_key = point();
    let certificate = certificate(&public_key, "FR", &[CertificateType::Test], end());
    let id = chain.propose("ada", generate(0)).unwrap();
    chain.approve("grace", id).unwrap();
    chain.execute(id, Outcome::Generated(GeneratedKey::of(&public_key).unwrap())).unwrap();
    let kid = Kid::of_der(&certificate);
    chain.carry_out(Change::Certify(Certification { label: name(0), certificate })).unwrap();
    chain.carry_out(Change::Publish { kid, at: chain.now }).unwrap();
    let use_for = |types| Change::Activate(Activation { kid, from: MIDNIGHT, to: None, types, weight: 7 });
    assert_refused(chain.propose("ada", use_for(any())), "the certificate allows [Test], and not all of");
    chain.carry_out(use_for(CertificateTypes::from_iter([CertificateType::Test]))).unwrap();
    let in_force = chain.register.keys_at(MIDNIGHT).next().unwrap();
    assert_eq!((in_force.weight, in_force.token, in_force.label), (7, &label("hsm-a"), &name(0)));
    assert!(in_force.types.allows(CertificateType::Test) && !in_force.types.allows(CertificateType::Recovery));
}

#[test]
fn a_key_that_is_to_sign_is_not_destroyed_and_its_token_not_initialised() {
    let mut chain = Chain::new();
    chain.bring(0, State::Published);
    let (from, to) = (chain.now.plus_seconds(10), chain.now.plus_seconds(20));
    chain.carry_out(activate(0, from, Some(to))).unwrap();
    assert_refused(chain.propose("ada", destroy(0)), "retire it first");
    assert_refused(chain.propose("ada", retire(0, to)), "signs until 2024-02-29T00:00:21Z already");
    chain.carry_out(retire(0, chain.now)).unwrap();
    assert_eq!(chain.state(0), State::Retired, "what is retired before it begins never signs");
    chain.now = from;
    assert_eq!(chain.kids_at(from), []);
    let initialise = Change::InitialiseToken { token: label("hsm-a") };
    assert_refused(chain.propose("ada", initialise.clone()), "the token hsm-a holds the key dsc-0");
    chain.carry_out(destroy(0)).unwrap();
    chain.carry_out(initialise).unwrap();
}

#[test]
fn a_change_says_what_it_will_do_and_what_comes_next() {
    let mut chain = Chain::new();
    chain.bring(0, State::Published);
    let effect = chain.register.check(&activate(0, chain.now.plus_seconds(5), None), chain.now, 1).unwrap();
    assert_eq!((effect.before, effect.after, effect.key), (Some(State::Published), Some(State::Active), Some(name(0))));
    assert!(effect.will.starts_with("the key dsc-0 signs [Vaccination, Test, Recovery] with weight 1 from"), "{}", effect.will);
    assert_eq!(effect.next, "retire the key that it takes over from");
    let roster = chain.register.check(&roster_change(&["joan"], &["ada"], 2), chain.now, 1).unwrap();
    let will = "the roster number 1 takes the place of number 0: grace, hedy, joan; what one of them proposes, 2 more approve";
    assert_eq!(roster.will, will);
}
