//! The person behind a call: what a JWT has to be, and what it gives.

use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use sceau::domain::CertificateTypes;
use sceau::service::person::{JwtAlgorithm, PersonVerifier, PseudonymMaker, read_claims};
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::jwt::{IssuerKey, NOW, RSA, SUBJECT, base64url, claims, rules, unsigned, verifier};

/// The code and the text that a caller hears of a JWT that is refused.
async fn refusal(verifier: &PersonVerifier, jwt: &str) -> (Code, String) {
    let error = verifier.verify(jwt, NOW).await.expect_err("the JWT is refused");
    assert!(error.rule().starts_with("person."));
    let status = Status::from(error);
    for private in [SUBJECT, "Curie", "other", "8997"] {
        assert!(!status.message().contains(private), "{}", status.message());
    }
    (status.code(), status.message().to_owned())
}

/// Claims with one of them changed, or without it where the value is null.
fn with(path: &str, value: Value) -> Value {
    let mut claims = claims();
    *claims.pointer_mut(path).unwrap() = value;
    claims
}

fn types(text: &str) -> CertificateTypes {
    sceau::domain::CertificateType::ALL.into_iter().filter(|kind| text.contains(kind.key())).collect()
}

#[tokio::test]
async fn a_jwt_gives_a_pseudonym_professions_and_their_types() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    let person = verifier.verify(&key.jwt_of(&claims()), NOW).await.unwrap();
    assert_eq!(person.pseudonym, PseudonymMaker::new(&[7; 32]).unwrap().make(SUBJECT));
    assert_eq!(person.pseudonym.as_str().len(), 32);
    assert_eq!((person.professions, person.types), (vec!["10".to_owned()], types("vtr")));
}

#[tokio::test]
async fn every_configured_algorithm_is_taken_and_no_other() {
    let (p256, ed25519, rsa) = (IssuerKey::p256("p256"), IssuerKey::ed25519("ed25519"), &*RSA);
    let every = [JwtAlgorithm::Es256, JwtAlgorithm::Ps256, JwtAlgorithm::Rs256, JwtAlgorithm::EdDsa];
    for taken in every {
        let (verifier, _home) = verifier(&[&p256, &ed25519, rsa], |settings| settings.algorithms = vec![taken]);
        for (key, algorithm) in [(&p256, "ES256"), (rsa, "PS256"), (rsa, "RS256"), (&ed25519, "EdDSA")] {
            let jwt = key.jwt(&json!({"alg": algorithm, "kid": key.kid}), &claims());
            if algorithm == taken.to_string() {
                verifier.verify(&jwt, NOW).await.unwrap();
            } else {
                let (code, message) = refusal(&verifier, &jwt).await;
                assert_eq!(
                    (code, message),
                    (Code::Unauthenticated, format!("the JWT's alg is not one that is taken here: {taken}"))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_jwt_that_is_unsigned_or_signed_with_the_public_key_is_refused() {
    let (p256, rsa) = (IssuerKey::p256("p256"), &*RSA);
    let (verifier, _home) = verifier(&[&p256, rsa], |_| {});
    for alg in ["none", "None", "", "HS256", "HS384", "HS512", "ES384", "ES512", "A128KW"] {
        for key in [&p256, rsa] {
            let message = unsigned(&json!({"alg": alg, "kid": key.kid}), &claims());
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_bytes());
            let signature = base64url(hmac::sign(&secret, message.as_bytes()).as_ref());
            for jwt in [format!("{message}."), format!("{message}.{signature}")] {
                let (code, message) = refusal(&verifier, &jwt).await;
                assert_eq!(code, Code::Unauthenticated);
                assert!(message.contains("alg is not one that is taken here: ES256, PS256, RS256"), "{alg}: {message}");
            }
        }
    }
    // A key of one kind under the algorithm of another, and an HMAC under an alg that is taken.
    let other_kind = p256.jwt(&json!({"alg": "RS256", "kid": "p256"}), &claims());
    assert!(refusal(&verifier, &other_kind).await.1.contains("no key of the issuer that fits its alg"));
    let message = unsigned(&json!({"alg": "RS256", "kid": "rsa"}), &claims());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa.public_bytes()), message.as_bytes());
    assert!(refusal(&verifier, &format!("{message}.{}", base64url(tag.as_ref()))).await.1.contains("signature does not verify"));
}

#[tokio::test]
async fn a_jwt_that_was_changed_or_is_anothers_does_not_verify() {
    let (key, stranger) = (IssuerKey::p256("a"), IssuerKey::p256("a"));
    let (verifier, _home) = verifier(&[&key], |_| {});
    let jwt = key.jwt_of(&claims());
    let signature = jwt.rsplit_once('.').unwrap().1;
    let doctored = unsigned(&json!({"alg": "ES256", "kid": "a"}), &with("/sub", json!("another")));
    for jwt in [stranger.jwt_of(&claims()), format!("{doctored}.{signature}"), jwt[..jwt.len() - 4].to_owned()] {
        assert_eq!(refusal(&verifier, &jwt).await, (Code::Unauthenticated, "the JWT's signature does not verify".to_owned()));
    }
}

/// A JWT with its own key in its header is no more than one without.
#[tokio::test]
async fn a_header_is_refused_for_what_it_lacks_or_asks_for() {
    let (key, stranger) = (IssuerKey::p256("a"), IssuerKey::p256("b"));
    let (verifier, _home) = verifier(&[&key], |settings| settings.typ = Some("at+jwt".to_owned()));
    for (header, says) in [
        (json!({"alg": "ES256", "typ": "at+jwt"}), "has no kid"),
        (json!({"alg": "ES256", "typ": "at+jwt", "kid": ""}), "has no kid"),
        (json!({"alg": "ES256", "typ": "at+jwt", "kid": "b"}), "kid is that of no key"),
        (json!({"alg": "ES256", "typ": "at+jwt", "kid": "b", "jwk": stranger.jwk()}), "kid is that of no key"),
        (json!({"alg": "ES256", "typ": "at+jwt", "kid": "b", "jku": "http://127.0.0.1:1/"}), "kid is that of no key"),
        (json!({"alg": "ES256", "typ": "JWT", "kid": "a"}), "typ is not at+jwt"),
        (json!({"alg": "ES256", "kid": "a"}), "typ is not at+jwt"),
        (json!({"alg": "ES256", "typ": "at+jwt", "kid": "a", "crit": ["b64"], "b64": false}), "crit"),
        (json!({"kid": "a", "typ": "at+jwt"}), "alg is not one that is taken"),
        (json!(["alg"]), "no signed JWT"),
    ] {
        let signer = if header["kid"] == "b" { &stranger } else { &key };
        let (code, message) = refusal(&verifier, &signer.jwt(&header, &claims())).await;
        assert_eq!(code, Code::Unauthenticated);
        assert!(message.contains(says), "{header}: {message}");
    }
    let fine = json!({"alg": "ES256", "typ": "application/at+JWT", "kid": "a"});
    verifier.verify(&key.jwt(&fine, &claims()), NOW).await.unwrap();
}

#[tokio::test]
async fn what_is_no_jwt_is_refused() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    let good = key.jwt_of(&claims());
    let padded = good.replacen('.', "=.", 1);
    for text in ["", ".", "..", "...", "a.b", "a.b.c", "é.é.é", "{}.{}.", &format!("{good}.x"), &format!(".{good}"), &padded] {
        assert_eq!(refusal(&verifier, text).await.0, Code::Unauthenticated, "{text}");
    }
    let long = key.jwt_of(&with("/given_name", json!("x".repeat(8192))));
    assert!(refusal(&verifier, &long).await.1.contains("it has at most 8192"));
    let no_object = key.jwt_of(&json!([1]));
    assert_eq!(refusal(&verifier, &no_object).await.1, "the JWT's claims are an array; they are an object");
}

#[tokio::test]
async fn each_claim_that_is_wrong_is_named() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    let now = NOW.seconds();
    let past_i64 = json!(u64::MAX);
    for (path, value, says) in [
        ("/iss", json!("https://id.example.org/"), "iss is not the issuer"),
        ("/iss", Value::Null, "no claim iss"),
        ("/iss", json!(["https://id.example.org"]), "claim iss is an array; it is a string"),
        ("/aud", json!("other"), "aud does not name this service"),
        ("/aud", json!(["other", 1, "sceau2"]), "aud does not name this service"),
        ("/aud", json!([]), "aud does not name this service"),
        ("/aud", json!({"sceau": 1}), "claim aud is an object"),
        ("/aud", Value::Null, "no claim aud"),
        ("/exp", json!(now - 30), "has expired (exp)"),
        ("/exp", json!(now - 30).to_string().into(), "claim exp is a string; it is a number of seconds"),
        ("/exp", Value::Null, "no claim exp"),
        ("/nbf", json!(now + 31), "not valid yet (nbf)"),
        ("/nbf", past_i64.clone(), "not valid yet (nbf)"),
        ("/nbf", json!(true), "claim nbf is a boolean"),
        ("/iat", json!(now + 31), "issued in the future (iat)"),
        ("/iat", json!(1e300), "issued in the future (iat)"),
        ("/sub", Value::Null, "no claim sub"),
        ("/sub", json!(""), "claim sub is not one text of 1 to 512 bytes"),
        ("/sub", json!("x".repeat(513)), "claim sub is not one text"),
        ("/sub", json!(["a", "b"]), "claim sub is not one text"),
        ("/SubjectRefPro/exercices/0/codeProfession", json!(10), "is a number; it is a string or a list of strings"),
    ] {
        let (code, message) = refusal(&verifier, &key.jwt_of(&with(path, value))).await;
        assert_eq!(code, Code::Unauthenticated, "{path}: {message}");
        assert!(message.contains(says), "{path}: {message}");
    }
    for (path, value) in [
        ("/exp", json!(now - 29)),
        ("/exp", json!(now as f64 - 28.5)),
        ("/exp", past_i64),
        ("/nbf", json!(now + 30)),
        ("/nbf", Value::Null),
        ("/iat", json!(now + 30)),
        ("/iat", Value::Null),
        ("/aud", json!("sceau")),
    ] {
        verifier.verify(&key.jwt_of(&with(path, value)), NOW).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    for (claim, twice) in [("iss", "\"iss\":\"x\","), ("exp", "\"exp\":1,"), ("sub", "\"sub\":\"x\",")] {
        let text = claims().to_string().replacen('{', &format!("{{{twice}"), 1);
        let error = read_claims(text.as_bytes(), &rules()).unwrap_err().to_string();
        assert_eq!(error, format!("the JWT's claim {claim} stands twice"));
    }
}

#[tokio::test]
async fn several_professions_give_all_that_any_of_them_may_issue() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    for (professions, names, kinds) in [
        (json!([{"codeProfession": "21"}, {"codeProfession": "60"}]), vec!["21", "60"], "vt"),
        (json!([{"codeProfession": "60"}, {"codeProfession": "60"}, {"codeProfession": "99"}, {}]), vec!["60"], "v"),
        (json!([{"codeProfession": ["21", "10"]}, {"codeProfession": null}]), vec!["10", "21"], "vtr"),
        (json!({"codeProfession": "21"}), vec!["21"], "t"),
    ] {
        let person = verifier.verify(&key.jwt_of(&with("/SubjectRefPro/exercices", professions)), NOW).await.unwrap();
        assert_eq!((person.professions, person.types), (names.iter().map(ToString::to_string).collect(), types(kinds)));
    }
}

#[tokio::test]
async fn whoever_has_no_profession_that_may_issue_is_denied_by_the_claims_name() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    let says = "the JWT's claim SubjectRefPro.exercices[].codeProfession names no profession that may issue certificates";
    for professions in [json!([]), Value::Null, json!([{"codeProfession": "98"}]), json!([{"codeProfession": ""}]), json!("10")] {
        let jwt = key.jwt_of(&with("/SubjectRefPro/exercices", professions));
        assert_eq!(refusal(&verifier, &jwt).await, (Code::PermissionDenied, says.to_owned()));
    }
}

/// What was verified once is not taken for longer than it is valid.
#[tokio::test]
async fn a_jwt_that_was_taken_expires_all_the_same() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |settings| settings.leeway = Duration::ZERO);
    let jwt = key.jwt_of(&claims());
    let first = verifier.verify(&jwt, NOW).await.unwrap();
    assert_eq!(verifier.verify(&jwt, NOW.plus_seconds(59)).await.unwrap(), first);
    for (now, says) in [(NOW.plus_seconds(60), "expired"), (NOW.plus_seconds(-61), "not valid yet")] {
        assert!(verifier.verify(&jwt, now).await.unwrap_err().to_string().contains(says));
    }
}

#[test]
fn the_jwt_is_the_one_of_the_metadata() {
    let key = IssuerKey::p256("a");
    let (verifier, _home) = verifier(&[&key], |_| {});
    let mut metadata = MetadataMap::new();
    assert_eq!(verifier.jwt_of(&metadata).unwrap(), None);
    metadata.insert("authorization", "Bearer a.b.c".parse().unwrap());
    assert_eq!(verifier.jwt_of(&metadata).unwrap(), Some("a.b.c"));
    metadata.append("authorization", "Bearer d.e.f".parse().unwrap());
    let twice = verifier.jwt_of(&metadata).unwrap_err();
    assert_eq!(twice.to_string(), "the metadata authorization is not one JWT: write authorization: Bearer <JWT>");
    metadata.insert("authorization", "Basic YTpi".parse().unwrap());
    assert_eq!(Status::from(verifier.jwt_of(&metadata).unwrap_err()).code(), Code::Unauthenticated);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_claims_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_claims(&bytes, &rules());
    }

    /// Claims of the right form with one byte changed: read or refused, never a profession that the table does not have.
    #[test]
    fn changed_claims_give_no_profession_of_their_own(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = claims().to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(claims) = read_claims(&text, &rules()) {
            prop_assert!(!claims.person.professions.is_empty());
            prop_assert!(claims.person.professions.iter().all(|name| rules().professions.contains_key(name)));
        }
    }
}
