//! What every token has to do for Sceau, held against two that have nothing in common: SoftHSM and kryoptic.
//!
//! They differ where HSMs differ: in the version of the interface, the form of handles and numbers, what a login costs, and
//! whether wrong PINs are counted. Each test has a token of its own, and loads no module in the process of other tests.

mod home;

use std::fs;
use std::ops::Range;

use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use futures_util::future::join_all;
use sceau::domain::officers::KeyKind;
use sceau::domain::{Digest, Lane, PublicKey, Signature, SignatureCheck};
use sceau::token::software::SoftwareToken;
use sceau::token::{
    Disposition, KeyAttribute, Opened, Order, Pkcs11Token, Purpose, SupervisedToken, Token, TokenAdmin, TokenError, TokenKey,
    TokenSpec, WantedKey, WorkerCommand,
};

use crate::shared::processes::{children_of, send, wait_until};
use crate::testdata::read;
use home::{Home, Maker, TOKEN, alone};

/// Declares a test for each property of a key, on each token for each kind of key; and for each property of a token.
macro_rules! contract {
    (keys: $($of_keys:ident)+, tokens: $($of_tokens:ident)+) => {
        contract!(softhsm_es256, (Maker::SoftHsm, KeyKind::P256), $($of_keys)+);
        contract!(softhsm_ps256, (Maker::SoftHsm, KeyKind::Rsa2048), $($of_keys)+);
        contract!(kryoptic_es256, (Maker::Kryoptic, KeyKind::P256), $($of_keys)+);
        contract!(kryoptic_ps256, (Maker::Kryoptic, KeyKind::Rsa2048), $($of_keys)+);
        contract!(softhsm, Maker::SoftHsm, $($of_tokens)+);
        contract!(kryoptic, Maker::Kryoptic, $($of_tokens)+);
    };
    ($room:ident, $what:expr, $($property:ident)+) => {
        mod $room {
            use super::*;
            $(
                #[test]
                fn $property() {
                    super::$property(concat!(module_path!(), "::", stringify!($property)), $what);
                }
            )+
        }
    };
}

// Each is given its own path and what it is about.
contract!(
    keys:
        a_generated_key_is_found_by_its_public_key_and_kept_as_it_has_to_be
        a_key_that_is_not_kept_so_is_refused_by_the_attribute_that_is_wrong
        a_key_that_is_absent_is_named
        a_key_is_destroyed_by_its_label_and_public_key_and_no_other_is
        every_signature_verifies_and_has_its_length
        many_sessions_sign_at_once_and_the_results_come_in_order,
    tokens:
        a_wrong_pin_is_refused_once_and_latches
        a_pin_is_changed_and_the_next_login_takes_the_new_one
        a_service_signs_with_both_algorithms_on_one_worker_and_on_two
        a_refused_pin_costs_a_service_one_login_until_an_officer_unlatches
);

// ---- keys --------------------------------------------------------------------------------------------------------------

fn a_generated_key_is_found_by_its_public_key_and_kept_as_it_has_to_be(path: &str, (maker, kind): (Maker, KeyKind)) {
    alone(path, Home::new, maker, |home| {
        let spec = home.spec();
        let admin = TokenAdmin::open(&spec).unwrap();
        let [other, key] = ["other", "new"].map(|label| admin.generate(kind, label).unwrap());
        assert_eq!(admin.find(kind, "new").unwrap().as_ref(), Some(&key));
        assert!(matches!(admin.generate(kind, "new"), Err(TokenError::KeyExists { .. })));
        let digest = Digest::of(b"signed by the key of the public key, and by no other");
        let signature = admin.sign(&key, &digest).unwrap();
        assert!(accepts(&key, &digest, &signature) && !accepts(&other, &digest, &signature));
        drop(admin);
        // Nothing is relaxed, so that every attribute has been read back and is as it has to be.
        Pkcs11Token::open(&spec, vec![wanted(&key), wanted(&other)]).unwrap();
    });
}

fn a_key_that_is_not_kept_so_is_refused_by_the_attribute_that_is_wrong(path: &str, (maker, kind): (Maker, KeyKind)) {
    alone(path, Home::new, maker, |home| {
        let spec = home.spec();
        let wrongs = [
            (Attribute::Sensitive(false), KeyAttribute::Sensitive),
            (Attribute::Extractable(true), KeyAttribute::NeverExtractable),
            (Attribute::Sign(false), KeyAttribute::Sign),
            (Attribute::AlwaysAuthenticate(true), KeyAttribute::AlwaysAuthenticate),
        ];
        for (wrong, attribute) in wrongs {
            let label = attribute.to_string();
            let admin = TokenAdmin::open(&spec).unwrap();
            generate_with(&spec, kind, &label, &wrong);
            let key = admin.find(kind, &label).unwrap().unwrap();
            drop(admin);
            let refused = Pkcs11Token::open(&spec, vec![wanted(&key)]).unwrap_err();
            let (_, reason) = of_key(&refused);
            assert!(matches!(reason, TokenError::KeyAttribute { attribute: named, .. } if *named == attribute), "{refused}");
        }
    });
}

fn a_key_that_is_absent_is_named(path: &str, (maker, kind): (Maker, KeyKind)) {
    alone(path, Home::new, maker, |home| {
        let absent = match kind {
            KeyKind::P256 => SoftwareToken::with_keys(1).key(0).1,
            KeyKind::Rsa2048 | KeyKind::Rsa3072 => PublicKey::from_rsa_parts(&[0xc5; 256], &[1, 0, 1]).unwrap(),
        };
        let mut keys = home.wanted();
        keys.push(WantedKey { name: "the absent one".to_owned(), public_key: absent, purpose: Purpose::Certificate });
        let error = Pkcs11Token::open(&home.spec(), keys).unwrap_err();
        assert_eq!(error.disposition(), Disposition::StopKey);
        assert!(matches!(of_key(&error), ("the absent one", TokenError::KeyAbsent { .. })), "{error}");
    });
}

fn a_key_is_destroyed_by_its_label_and_public_key_and_no_other_is(path: &str, (maker, kind): (Maker, KeyKind)) {
    alone(path, Home::new, maker, |home| {
        let admin = TokenAdmin::open(&home.spec()).unwrap();
        let [old, new] = ["old", "new"].map(|label| admin.generate(kind, label).unwrap());
        assert!(matches!(admin.destroy("old", &new), Err(TokenError::KeyAbsent { .. })));
        assert_eq!(admin.find_pair("old").unwrap().as_ref(), Some(&old), "nothing is destroyed where they differ");
        admin.destroy("old", &old).unwrap();
        assert_eq!(admin.find_pair("old").unwrap(), None);
        assert!(matches!(admin.destroy("old", &old), Err(TokenError::KeyAbsent { .. })));
        let digest = digest(1);
        assert!(admin.sign(&old, &digest).is_err());
        assert!(accepts(&new, &digest, &admin.sign(&new, &digest).unwrap()));
    });
}

fn every_signature_verifies_and_has_its_length(_: &str, (maker, kind): (Maker, KeyKind)) {
    let home = Home::new(maker);
    home.set_sizes(1, 1);
    let signatures = sign_at_once(&home, kind, &[(Lane::Interactive, 0..300)]);
    let len = if kind == KeyKind::P256 { 64 } else { 256 };
    assert!(signatures.iter().all(|signature| signature.as_bytes().len() == len));
}

fn many_sessions_sign_at_once_and_the_results_come_in_order(_: &str, (maker, kind): (Maker, KeyKind)) {
    let home = Home::new(maker);
    home.set_sizes(2, 6);
    let ranges = (0..10).map(|batch| batch * 1000..batch * 1000 + 90);
    let lanes = [Lane::Bulk, Lane::Interactive].into_iter().cycle();
    let batches: Vec<_> = lanes.zip(ranges).collect();
    assert_eq!(sign_at_once(&home, kind, &batches).len(), 900);
}

/// Signatures of batches that are all under way at once, each checked to be over the digest in its place. The digests of a
/// batch are those of the numbers of its range.
fn sign_at_once(home: &Home, kind: KeyKind, batches: &[(Lane, Range<u32>)]) -> Vec<Signature> {
    let (token, key, public_key) = supervised(home, kind);
    let check = SignatureCheck::new(&public_key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signing = batches.iter().map(|(lane, range)| {
        token.sign(Order { key, purpose: Purpose::Certificate, lane: *lane }, range.clone().map(digest).collect())
    });
    let results = runtime.block_on(join_all(signing));
    let mut signatures = Vec::new();
    for ((_, range), results) in batches.iter().zip(results) {
        assert_eq!(results.len(), range.len());
        for (number, result) in range.clone().zip(results) {
            let signature = result.unwrap().signature;
            assert!(check.accepts(&digest(number), signature.as_bytes()), "number {number} of {range:?}");
            signatures.push(signature);
        }
    }
    signatures
}

/// The token in worker processes, as a service has it, and its key of a kind.
fn supervised(home: &Home, kind: KeyKind) -> (SupervisedToken, TokenKey, PublicKey) {
    let wanted = home.wanted();
    let command = WorkerCommand {
        program: env!("CARGO_BIN_EXE_sceau").into(),
        arguments: ["token-worker", "--token", TOKEN, "--config", home.config().to_str().unwrap()].map(str::to_owned).to_vec(),
    };
    let Opened { token, keys, outcome } = SupervisedToken::start(&home.spec(), command, &wanted).unwrap();
    outcome.unwrap();
    let place = usize::from(kind == KeyKind::Rsa2048);
    (token, keys[place], wanted[place].public_key.clone())
}

fn digest(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn accepts(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
    assert_eq!(signature.as_bytes().len(), key.signature_len());
    SignatureCheck::new(key).unwrap().accepts(digest, signature.as_bytes())
}

/// The name of the key that a failure is about, and what is wrong with it.
fn of_key(error: &TokenError) -> (&str, &TokenError) {
    let TokenError::Key { name, source } = error else { panic!("no key is named: {error}") };
    (name, source)
}

fn wanted(key: &PublicKey) -> WantedKey {
    WantedKey { name: "0011223344556677".to_owned(), public_key: key.clone(), purpose: Purpose::Certificate }
}

// ---- PINs --------------------------------------------------------------------------------------------------------------

/// As long as the right one: a token may refuse others without counting them.
const WRONG_PIN: &str = "0000000000000000\n";

fn a_wrong_pin_is_refused_once_and_latches(path: &str, maker: Maker) {
    alone(path, Home::counted, maker, |home| {
        let spec = home.spec();
        let open = || Pkcs11Token::open(&spec, home.wanted());
        let right = home.put_pin(WRONG_PIN);
        assert!(matches!(open(), Err(TokenError::PinRefused { code: RvError::PinIncorrect })));
        let stays_latched = || {
            for _ in 0..10 {
                assert!(matches!(open(), Err(TokenError::PinLatched { .. })));
                assert!(matches!(TokenAdmin::open(&spec), Err(TokenError::PinLatched { .. })));
            }
        };
        stays_latched();
        home.put_pin(&right);
        stays_latched();
        assert_eq!(home.logins(), 1);
        // kryoptic locks at the tenth wrong try: it has seen one, and takes the right PIN.
        assert!(spec.latch.take_off().unwrap());
        open().unwrap();
        assert_eq!(home.logins(), 2);
        assert!(!spec.latch.path().exists());
    });
}

fn a_pin_is_changed_and_the_next_login_takes_the_new_one(path: &str, maker: Maker) {
    alone(path, Home::counted, maker, |home| {
        let spec = home.spec();
        let (old, new) = (spec.pin.read().unwrap(), "8642975386429753".into());
        TokenAdmin::open(&spec).unwrap().change_pin(&old, &new).unwrap();
        home.put_pin("8642975386429753\n");
        TokenAdmin::open(&spec).unwrap();
        assert_eq!(home.logins(), 2);
    });
}

#[test]
fn the_last_try_of_a_token_that_counts_is_never_spent() {
    let path = concat!(module_path!(), "::the_last_try_of_a_token_that_counts_is_never_spent");
    alone(path, Home::counted, Maker::Kryoptic, |home| {
        let spec = home.spec();
        let open = || Pkcs11Token::open(&spec, home.wanted());
        let right = home.put_pin(WRONG_PIN);
        // An officer who unlatches and never looks. kryoptic locks a PIN after ten tries.
        for _ in 0..9 {
            assert!(matches!(open(), Err(TokenError::PinRefused { code: RvError::PinIncorrect })));
            assert!(spec.latch.take_off().unwrap());
        }
        assert!(matches!(open(), Err(TokenError::PinAtRisk { .. })));
        home.put_pin(&right);
        assert!(matches!(open(), Err(TokenError::PinAtRisk { .. })));
        let service = home.serve_in_vain();
        assert_eq!(service.code, Some(78), "{}", service.stderr);
        assert!(service.stderr.contains("the next wrong PIN locks the token"), "{}", service.stderr);
        assert_eq!(home.logins(), 9);
        // The token is not locked: the officer's login with the right PIN gives all tries back.
        let officer = session_past_sceau(&spec);
        officer.login(UserType::User, Some(&right.trim().into())).unwrap();
        drop(officer);
        open().unwrap();
    });
}

// ---- the service -------------------------------------------------------------------------------------------------------

fn a_service_signs_with_both_algorithms_on_one_worker_and_on_two(_: &str, maker: Maker) {
    let home = Home::new(maker);
    for (workers, sessions) in [(1, 4), (2, 3)] {
        home.set_sizes(workers, sessions);
        let server = home.serve();
        for profile in ["dcc", "dcc-ps256"] {
            let (samples, out) = (home.samples_named(profile, 300), home.dir.join(format!("{profile}-{workers}")));
            let ran = server.sign(profile, &samples, &out);
            assert_eq!(ran.code, Some(0), "{profile}, {workers} workers: {}", ran.stderr);
            assert_eq!(ids(&read(&out)), ids(&read(&samples)));
            home.verify(&out);
        }
    }
}

fn a_refused_pin_costs_a_service_one_login_until_an_officer_unlatches(_: &str, maker: Maker) {
    let home = Home::counted(maker);
    home.set_sizes(2, 2);
    let (samples, out) = (home.samples(1), home.dir.join("out"));
    let server = home.serve();
    let workers = || children_of(server.pid());
    // Each has its sessions, one that is kept for interactive work, and the one that keeps it logged in.
    let are_ready = || home.open_sessions(&workers()) == 2 * 4;
    wait_until("both workers are ready", are_ready);
    assert_eq!(home.logins(), 2);

    let right = home.put_pin(WRONG_PIN);
    workers().into_iter().for_each(|worker| send("-KILL", worker));
    wait_until("the latch is on", || fs::read_to_string(home.spec().latch.path()).is_ok_and(|text| text.starts_with("refused")));
    wait_until("no worker is left", || workers().is_empty());
    home.put_pin(&right);
    for _ in 0..10 {
        let (service, worker) = (home.serve_in_vain(), home.work_in_vain());
        assert!(service.code == Some(78) && service.stderr.contains("sceau token unlatch"), "{}", service.stderr);
        assert!(worker.code != Some(0) && worker.stderr.contains("sceau token unlatch"), "{}", worker.stderr);
    }
    let refused = server.sign("dcc", &samples, &out);
    assert!(refused.code == Some(1) && refused.stderr.contains("UNAVAILABLE"), "{}", refused.stderr);
    assert_eq!(workers(), Vec::<u32>::new(), "no worker starts while the latch is on");
    assert_eq!(home.logins(), 3);

    home.unlatch();
    wait_until("it signs again", || server.sign("dcc", &samples, &out).code == Some(0));
    home.verify(&out);
    wait_until("both workers are ready", are_ready);
    assert_eq!(home.logins(), 5);
}

fn ids(lines: &str) -> Vec<String> {
    let id = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    lines.lines().map(id).collect()
}

// ---- what Sceau never does, done past it -------------------------------------------------------------------------------

/// A session of the module that Sceau has loaded already.
fn session_past_sceau(spec: &TokenSpec) -> Session {
    let module = Pkcs11::new(&spec.module).unwrap();
    let mut slots = module.get_slots_with_token().unwrap().into_iter();
    let slot = slots.find(|slot| module.get_token_info(*slot).unwrap().label() == spec.label).unwrap();
    module.open_rw_session(slot).unwrap()
}

/// A key pair like Sceau's but for one attribute. The process is logged in.
fn generate_with(spec: &TokenSpec, kind: KeyKind, label: &str, wrong: &Attribute) {
    let prime256v1 = vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let (mechanism, of_kind) = match kind {
        KeyKind::P256 => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(prime256v1)]),
        KeyKind::Rsa2048 | KeyKind::Rsa3072 => (
            Mechanism::RsaPkcsKeyPairGen,
            vec![Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![0x01, 0x00, 0x01])],
        ),
    };
    let named = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(label.into())];
    let public = [&named[..], &of_kind, &[Attribute::Private(false)]].concat();
    let good = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)];
    let is_other = |attribute: &Attribute| attribute.attribute_type() != wrong.attribute_type();
    let good: Vec<Attribute> = good.into_iter().filter(is_other).collect();
    let private = [&named[..], &good, std::slice::from_ref(wrong)].concat();
    session_past_sceau(spec).generate_key_pair(&mechanism, &public, &private).unwrap();
}
