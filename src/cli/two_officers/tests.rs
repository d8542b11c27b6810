//! What officers are shown, and what is signed.

use base64::Engine;

use super::next::{approval, then};
use super::scene::{Scene, types_of};
use super::signer::proposing;
use super::view::{read_proposal, to_wire};
use super::{KeyArgs, tell};
use crate::cli::place::PlaceArgs;
use crate::domain::officers::fixture::{MIDNIGHT, NAMES, approve, change_pin, label, officer, propose, roster_change, three};
use crate::domain::officers::{Activation, Change, KeyName, Proposal, Revocation, Verdict};
use crate::domain::{CertificateType, CertificateTypes, Kid, NumericDate};
use crate::service::proto::v1;

const KID: [u8; 8] = [0x87, 0x0a, 0xaa, 0x44, 0x60, 0xb5, 0x6d, 0x17];

fn answer(proposals: Vec<v1::CustodyProposal>) -> v1::ShowCustodyResponse {
    let told = |officer: &crate::domain::officers::Officer| v1::CustodyOfficer {
        name: officer.name.to_string(),
        key: officer.key.to_string(),
    };
    v1::ShowCustodyResponse {
        now: MIDNIGHT.seconds(),
        head: Some(v1::CustodyHead { seq: 7, link: vec![7; 32].into() }),
        lead_seconds: 1,
        roster: Some(v1::CustodyRoster {
            number: 2,
            quorum: 1,
            limit_seconds: 86_400,
            officers: three().officers().iter().map(told).collect(),
        }),
        keys: vec![v1::CustodyKey { label: "dsc-1".into(), ..Default::default() }],
        proposals,
    }
}

fn scene(proposals: Vec<v1::CustodyProposal>) -> Scene {
    Scene::read(answer(proposals)).unwrap()
}

fn told(proposal: &Proposal, approvals: &[Verdict]) -> v1::CustodyProposal {
    v1::CustodyProposal {
        id: proposal.id().0.as_ref().to_vec().into(),
        signed: Some(to_wire(proposal.signed())),
        approvals: approvals.iter().map(|verdict| to_wire(verdict.signed())).collect(),
        ..Default::default()
    }
}

fn place() -> PlaceArgs {
    use clap::Parser;
    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        place: PlaceArgs,
    }
    Words::parse_from(["x", "--config", "my sceau.toml"]).place
}

#[test]
fn a_text_is_of_the_services_clock_its_roster_and_its_chains_end() {
    let scene = scene(Vec::new());
    let text = proposing(&scene, label("ada"), change_pin(), None).unwrap();
    assert_eq!((text.made_at, text.roster, text.head), (MIDNIGHT, 2, scene.head));
    assert_eq!(text.valid_until, MIDNIGHT.plus_seconds(86_400));
    assert_eq!(proposing(&scene, label("ada"), change_pin(), Some(60)).unwrap().valid_until, MIDNIGHT.plus_seconds(60));
    assert_ne!(proposing(&scene, label("ada"), change_pin(), None).unwrap().nonce, text.nonce);
    for seconds in [0, 86_401] {
        assert!(proposing(&scene, label("ada"), change_pin(), Some(seconds)).is_err(), "{seconds}");
    }
}

#[test]
fn every_change_is_told_with_all_that_it_says() {
    let scene = scene(Vec::new());
    let (kid, types) = (Kid::from(KID), CertificateTypes::from_iter([CertificateType::Test]));
    let at = NumericDate::from_rfc3339("2024-03-01T00:00:00Z").unwrap();
    let question = r#"{"kid":"870aaa4460b56d17"}"#;
    let revocation = Revocation {
        question: question.parse().unwrap(),
        hash_type: crate::domain::HashType::Signature,
        reason: "a drill".parse().unwrap(),
        expect: 1_312,
    };
    let hedy = officer("hedy");
    let changes: [(Change, &[&str]); 8] = [
        (Change::Publish { kid, at }, &["on the trust list", "870aaa4460b56d17", "2024-03-01T00:00:00Z"]),
        (
            Change::Activate(Activation { kid, from: at, to: None, types, weight: 3 }),
            &["sign", "2024-03-01T00:00:00Z", "retired, or its certificate ends", "test", "3"],
        ),
        (Change::Retire { kid, at }, &["sign nothing any more", "2024-03-01T00:00:00Z"]),
        (Change::Compromise { kid, reason: "a drill".parse().unwrap() }, &["STOP", "NOW", "a drill"]),
        (Change::Destroy(KeyName::Label(label("dsc-1"))), &["DESTROY", "the key dsc-1", "nobody can bring it back"]),
        (roster_change(&["hedy"], &["joan"], 2), &["comes", "hedy", &hedy.key.to_string(), "goes", "joan", "2; now 1"]),
        (change_pin(), &["change the user PIN of the token hsm-a"]),
        (Change::Revoke(revocation), &["REVOKE 1312 certificates", question, "SIGNATURE", "a drill"]),
    ];
    for (change, parts) in changes {
        let told = tell(&change, &scene);
        let all = format!("{} {:?}", told.headline, told.facts).replace("\\\"", "\"");
        for part in parts {
            assert!(all.contains(part), "{part}: {all}");
        }
    }
}

#[test]
fn a_certificate_that_is_none_is_told_as_such() {
    let certification = crate::domain::officers::Certification { label: label("dsc-1"), certificate: vec![0x30, 0x00] };
    let told = tell(&Change::Certify(certification), &scene(Vec::new()));
    assert!(told.facts[1].1.starts_with("NONE THAT CAN BE A DSC"), "{told:?}");
}

#[test]
fn a_proposal_is_found_by_the_digits_that_it_begins_with() {
    let (one, other) = (propose("ada", change_pin()), propose("grace", change_pin()));
    let scene = scene(vec![told(&one, &[]), told(&other, &[])]);
    let id = one.id().to_string();
    assert_eq!(scene.proposal(&id[..8].to_uppercase()).unwrap().id, told(&one, &[]).id);
    for wrong in ["", &id[..7], "not-digits", "00000000000000000000", &format!("{id}0")] {
        assert!(scene.proposal(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_text_under_another_name_is_not_believed() {
    let (one, other) = (propose("ada", change_pin()), propose("grace", change_pin()));
    let mut swapped = told(&one, &[approve("hedy", &one)]);
    assert_eq!(read_proposal(&swapped).unwrap().id(), one.id());
    swapped.signed = Some(to_wire(other.signed()));
    assert!(read_proposal(&swapped).unwrap_err().to_string().contains("nothing of it is believed"));
}

#[test]
fn an_answer_that_is_half_is_refused() {
    let edits: [fn(&mut v1::ShowCustodyResponse); 4] = [
        |answer| answer.head = None,
        |answer| answer.roster = None,
        |answer| answer.head.as_mut().unwrap().link = vec![1; 31].into(),
        |answer| answer.roster.as_mut().unwrap().officers[0].key = base64::engine::general_purpose::STANDARD.encode("no key"),
    ];
    for edit in edits {
        let mut answer = answer(Vec::new());
        edit(&mut answer);
        assert!(format!("{:#}", Scene::read(answer).unwrap_err()).starts_with("the service's answer cannot be understood"));
    }
}

#[test]
fn a_key_that_is_not_there_is_told_with_those_that_are() {
    let scene = scene(Vec::new());
    let asked = |name| KeyArgs { label: Some(label(name)), kid: None };
    assert_eq!(scene.key(&asked("dsc-1")).unwrap().label, "dsc-1");
    assert!(scene.key(&asked("dsc-2")).unwrap_err().to_string().contains("there are dsc-1"));
    assert!(scene.certified(&asked("dsc-1")).unwrap_err().to_string().contains("has no certificate yet"));
    assert!(scene.key(&KeyArgs { label: None, kid: Some(Kid::from(KID)) }).is_err());
}

#[test]
fn what_comes_next_can_be_copied() {
    let (scene, place) = (scene(Vec::new()), place());
    let proposal = propose(NAMES[0], change_pin());
    let id = proposal.id();
    let next = approval(&id.to_string(), proposal.change(), &place);
    assert_eq!(next.command, format!("sceau approve {id} --config 'my sceau.toml' --officer NAME --officer-key FILE"));
    let next = then(&Change::Publish { kid: Kid::from(KID), at: MIDNIGHT }, id, &scene, &place);
    assert!(next[0].command.starts_with("sceau dsc activate --config 'my sceau.toml' --kid 870aaa4460b56d17 --at "), "{next:?}");
}

#[test]
fn types_are_known_by_their_letters() {
    let letters = ["v", "r"].map(str::to_owned);
    assert_eq!(types_of(&letters).to_string(), "vaccination, recovery");
}
