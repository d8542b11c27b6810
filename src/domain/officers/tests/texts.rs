//! The texts: one form, one reading.

use super::*;
use crate::domain::{CertificateType, CertificateTypes, Digest, HashType, NumericDate, PublicKey};

/// One of each change.
fn changes() -> Vec<Change> {
    let kid = "870aaa4460b56d17".parse().unwrap();
    let subject = Subject {
        country: "FR".parse().unwrap(),
        organization: Some("Santé".parse().unwrap()),
        common_name: "DSC 7".parse().unwrap(),
    };
    let types = CertificateTypes::from_iter([CertificateType::Vaccination, CertificateType::Recovery]);
    let (label, token) = (label("dsc-7"), label("hsm-a"));
    let revocation = Revocation {
        question: "kid 870aaa4460b56d17".parse().unwrap(),
        hash_type: HashType::Signature,
        reason: "the key was copied".parse().unwrap(),
        expect: 12,
    };
    vec![
        Change::Generate(Generation { label: label.clone(), token: token.clone(), key: KeyKind::P256, subject, types }),
        Change::Certify(Certification { label: label.clone(), certificate: vec![1, 2, 3] }),
        Change::Publish { kid, at: MIDNIGHT },
        Change::Activate(Activation { kid, from: MIDNIGHT, to: None, types, weight: 1 }),
        Change::Activate(Activation { kid, from: MIDNIGHT, to: Some(MIDNIGHT.plus_seconds(1)), types, weight: 1 }),
        Change::Retire { kid, at: MIDNIGHT },
        Change::Compromise { kid, reason: "a \"stolen\" backup".parse().unwrap() },
        Change::Destroy(KeyName::Kid(kid)),
        Change::Destroy(KeyName::Label(label)),
        roster_change(&["joan"], &["ada"], 1),
        Change::ChangePin { token: token.clone() },
        Change::InitialiseToken { token },
        Change::Revoke(revocation),
    ]
}

/// Officers' tools and every chain that exists rely on it.
#[test]
fn the_form_of_the_texts_stays() {
    let text = proposing("ada", changes().remove(0)).to_text();
    assert_eq!(
        text,
        concat!(
            r#"{"v":1,"change":{"generate":{"label":"dsc-7","token":"hsm-a","key":"p256","#,
            r#""subject":{"country":"FR","organization":"Santé","common_name":"DSC 7"},"types":["vaccination","recovery"]}},"#,
            r#""officer":"ada","made_at":"2024-02-29T00:00:00Z","valid_until":"2024-02-29T01:00:00Z","roster":0,"#,
            r#""head":{"seq":0,"link":"0000000000000000000000000000000000000000000000000000000000000000"},"#,
            r#""nonce":"07070707070707070707070707070707"}"#,
        )
    );
    let activate = serde_json::to_string(&changes()[4]).unwrap();
    let expected = concat!(
        r#"{"activate":{"kid":"870aaa4460b56d17","from":"2024-02-29T00:00:00Z","to":"2024-02-29T00:00:01Z","#,
        r#""types":["vaccination","recovery"],"weight":1}}"#
    );
    assert_eq!(activate, expected);
    let proposal = propose("ada", change_pin());
    let verdict = judging("grace", Decision::Approve, &proposal).to_text();
    let start = format!(r#"{{"v":1,"decision":"approve","proposal":"{}","officer":"grace","made_at":"2024"#, proposal.id());
    assert!(verdict.starts_with(&start), "{verdict}");
    assert_eq!(Role::Propose.message("{}"), b"sceau custody 1\npropose\n{}");
    assert_eq!(proposal.id().0, Digest::of(proposal.signed().text.as_bytes()).into());
}

#[test]
fn each_change_is_read_as_it_was_proposed() {
    for change in changes() {
        let proposal = propose("ada", change.clone());
        assert_eq!(proposal.change(), &change);
        assert!(proposal.signed().text.contains(&format!("\"{}\":", change.name())), "{}", proposal.signed().text);
        assert_eq!(change.is_emergency(), change.name() == "compromise");
    }
}

#[test]
fn a_text_with_two_readings_is_refused() {
    let text = proposing("ada", change_pin()).to_text();
    let unusual = [
        text.replace("\"v\":1,", "\"v\": 1,"),
        format!("{text} "),
        format!("{text}\n"),
        text.replace("\"hsm-a\"", "\"hsm\\u002da\""),
        text.replace("00:00:00Z", "00:00:00+00:00"),
        text.replace("00:00:00Z", "00:00:00.5Z"),
        text.replace("0707", "0x07"),
        text.replace("\"v\":1,", "\"v\":1,\"v\":1,"),
        text.replace("\"v\":1,", "\"v\":1,\"w\":1,"),
        text.replace("\"roster\":0", "\"roster\":0.0"),
        String::new(),
        "x".repeat(40_000),
    ];
    for text in unusual {
        let read = Proposal::read(key("ada").sign(Role::Propose, text.clone()));
        assert!(read.is_err(), "{text}");
    }
    let moved = text.replace("{\"v\":1,", "{").replace("\"roster\":0", "\"v\":1,\"roster\":0");
    let read = Proposal::read(key("ada").sign(Role::Propose, moved));
    assert_eq!(read, Err(InvalidText::Unusual));
}

#[test]
fn another_version_is_refused() {
    let text = ProposalText { v: 2, ..proposing("ada", change_pin()) };
    assert_eq!(key("ada").propose(&text), Err(InvalidText::Version { version: 2 }));
}

#[test]
fn an_instant_outside_the_calendar_is_not_signed() {
    let text = ProposalText { valid_until: NumericDate::from_seconds(i64::MAX), ..proposing("ada", change_pin()) };
    assert!(matches!(key("ada").propose(&text), Err(InvalidText::Form { .. })));
}

#[test]
fn names_and_words_hold_what_is_seen() {
    for text in ["", "a b", "é", "a\n", &"x".repeat(65)] {
        assert_eq!(text.parse::<Label>(), Err(InvalidWords::Label), "{text:?}");
    }
    for text in ["", " a", "a ", &"x".repeat(11)] {
        assert_eq!(text.parse::<Words<10>>(), Err(InvalidWords::Length { max: 10 }), "{text:?}");
    }
    for text in ["a\nb", "a\u{202e}b", "a\u{200b}b", "a\u{85}b", "a\u{feff}b"] {
        assert_eq!(text.parse::<Words<10>>(), Err(InvalidWords::Unseen), "{text:?}");
    }
    assert_eq!("Wéa, 2".parse::<Words<10>>().unwrap().as_str(), "Wéa, 2");
}

#[test]
fn a_key_goes_through_its_file_and_keeps_its_public_half() {
    let pem = key("ada").to_pem();
    assert!(pem.lines().all(|line| line.len() <= 64));
    let read = OfficerKey::from_pem(&pem).unwrap();
    assert_eq!(read.public(), key("ada").public());
    assert_eq!(format!("{read:?}"), "OfficerKey(…)");
    let public = read.public();
    assert_eq!(OfficerPublicKey::from_pem(&public.to_pem()), Ok(public.clone()));
    assert_eq!(public.to_string().parse(), Ok(public));
    for text in ["", BEGIN_ONLY, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        assert!(OfficerKey::from_pem(text).is_err());
        assert!(OfficerPublicKey::from_pem(text).is_err());
    }
    assert!(OfficerPublicKey::from_point([4; 65]).is_err(), "it is not on the curve");
}

const BEGIN_ONLY: &str = "-----BEGIN PRIVATE KEY-----";

#[test]
fn events_go_through_cbor_and_json() {
    let proposal = propose("ada", change_pin());
    let public_key = GeneratedKey::P256(Octets([4; 65]));
    let events = [
        Event::Proposed(proposal.signed().clone()),
        Event::Approved(approve("grace", &proposal).signed().clone()),
        Event::Rejected(reject("hedy", &proposal).signed().clone()),
        Event::Executed { proposal: proposal.id(), outcome: Outcome::Done },
        Event::Executed { proposal: proposal.id(), outcome: Outcome::Generated(public_key) },
        Event::Executed { proposal: proposal.id(), outcome: Outcome::Failed { reason: "no such slot".parse().unwrap() } },
        Event::Emergency(proposal.signed().clone()),
    ];
    for event in events {
        let mut cbor = Vec::new();
        ciborium::into_writer(&event, &mut cbor).unwrap();
        assert_eq!(ciborium::from_reader::<Event, _>(cbor.as_slice()).unwrap(), event);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
    let mut cbor = Vec::new();
    ciborium::into_writer(&Event::Executed { proposal: proposal.id(), outcome: Outcome::Done }, &mut cbor).unwrap();
    let expected = format!("a1686578656375746564a26870726f706f73616c5820{}676f7574636f6d6564646f6e65", proposal.id());
    assert_eq!(hex::encode(cbor), expected);
}

#[test]
fn a_generated_key_is_the_public_key() {
    let point = PublicKey::P256 { point: [4; 65] };
    assert_eq!(GeneratedKey::of(&point).unwrap().public_key(), Some(point));
    let rsa = PublicKey::from_rsa_parts(&[0xc5; 256], &[1, 0, 1]).unwrap();
    assert_eq!(GeneratedKey::of(&rsa).unwrap().public_key(), Some(rsa));
    let odd = PublicKey::from_rsa_parts(&[0xc5; 256], &[3]).unwrap();
    assert_eq!(GeneratedKey::of(&odd), None);
    assert_eq!(GeneratedKey::Rsa("c5".to_owned()).public_key(), None);
    assert_eq!(GeneratedKey::Rsa("no".to_owned()).public_key(), None);
}
