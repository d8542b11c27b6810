use std::sync::LazyLock;

use super::*;
use crate::domain::Octets;
use crate::domain::officers::fixture::*;
use crate::domain::officers::{
    Activation, Certification, Decision, NoConsent, Proposal, ProposalText, Refusal, Role, RosterHistory, SignedText, Subject,
    Verdict,
};
use crate::domain::{CertificateType, CertificateTypes};

/// A self-signed certificate over a P-256 key: what a CSCA would issue.
static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| certificate(&rcgen::PKCS_ECDSA_P256_SHA256));

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().der().to_vec()
}

fn kid() -> Kid {
    Kid::of_der(&CERTIFICATE)
}

fn overseer() -> Overseer {
    Overseer::new("hsm-a".to_owned(), Some(three()))
}

fn types() -> CertificateTypes {
    [CertificateType::Vaccination].into_iter().collect()
}

fn generation(token: &str) -> Change {
    let subject = Subject { country: "NC".parse().unwrap(), organization: None, common_name: "DSC 1".parse().unwrap() };
    Change::Generate(Generation { label: label("dsc-1"), token: label(token), key: KeyKind::P256, subject, types: types() })
}

fn certification(name: &str, certificate: &[u8]) -> Change {
    Change::Certify(Certification { label: label(name), certificate: certificate.to_vec() })
}

fn activation(kid: Kid) -> Change {
    Change::Activate(Activation { kid, from: MIDNIGHT, to: None, types: types(), weight: 1 })
}

/// What ada proposes and grace approves.
fn agreed(change: Change) -> Consent {
    let proposal = propose("ada", change);
    consent(&proposal, &[approve("grace", &proposal)])
}

fn agreed_when(change: Change, edit: impl FnOnce(&mut ProposalText)) -> (Proposal, Consent) {
    let mut text = proposing("ada", change);
    edit(&mut text);
    let proposal = key("ada").propose(&text).unwrap();
    let consent = consent(&proposal, &[approve("grace", &proposal)]);
    (proposal, consent)
}

/// joan comes and hedy goes: roster number 1.
fn next_roster() -> RosterHistory {
    let mut history = RosterHistory::default();
    history.push(agreed(roster_change(&["joan"], &["hedy"], 1)));
    history
}

fn execution(consent: Consent) -> Management {
    Management { history: RosterHistory::default(), consent, task: Task::Execute }
}

fn judge(asked: &Management) -> Result<Allowed, Denial> {
    overseer().judge(asked, &Remembered::default(), MIDNIGHT)
}

fn denial(asked: &Management) -> Denial {
    judge(asked).unwrap_err()
}

fn refused(consent: Consent) -> Refusal {
    match denial(&execution(consent)) {
        Denial::Consent(NoConsent::Refused(refusal)) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn what_two_officers_agreed_on_is_done_once() {
    let consent = agreed(generation("hsm-a"));
    let Ok(Allowed::Once(order)) = judge(&execution(consent)) else { panic!("it is allowed") };
    assert_eq!((order.roster, order.valid_until, order.act.name()), (0, MIDNIGHT.plus_seconds(3_600), "generate"));
    let mut memory = Remembered::default();
    memory.begin(&order, MIDNIGHT);
    assert_eq!(memory.progress(order.id), super::super::memory::Progress::Begun);
}

#[test]
fn nobody_approves_their_own_and_too_few_are_too_few() {
    let proposal = propose("ada", change_pin());
    assert_eq!(refused(consent(&proposal, &[])), Refusal::NotEnough { approvals: 0, needed: 1 });
    assert_eq!(refused(consent(&proposal, &[approve("ada", &proposal)])), Refusal::Own { officer: label("ada") });
    let twice = consent(&proposal, &[approve("grace", &proposal), approve("grace", &proposal)]);
    assert_eq!(refused(twice), Refusal::Twice { officer: label("grace") });
}

#[test]
fn an_expired_proposal_is_not_executed_by_a_second() {
    let asked = execution(agreed(change_pin()));
    let judge = |seconds| overseer().judge(&asked, &Remembered::default(), MIDNIGHT.plus_seconds(seconds));
    assert!(judge(3_599).is_ok());
    assert!(matches!(judge(3_600), Err(Denial::Consent(NoConsent::Refused(Refusal::Expired { .. })))));
}

#[test]
fn what_was_changed_after_the_approval_is_nobodys() {
    let mut touched = agreed(generation("hsm-b"));
    touched.proposal.text = touched.proposal.text.replace("hsm-b", "hsm-a");
    assert_eq!(refused(touched), Refusal::Signature { officer: label("ada"), role: Role::Propose });
    let mut spaced = agreed(generation("hsm-a"));
    spaced.proposal.text.push(' ');
    assert!(matches!(denial(&execution(spaced)), Denial::Consent(NoConsent::Text(_))));
}

#[test]
fn an_approval_of_another_proposal_does_not_serve() {
    let one = propose("ada", change_pin());
    let (other, _) = agreed_when(change_pin(), |text| text.nonce = Octets([8; 16]));
    let replayed = consent(&other, &[approve("grace", &one)]);
    assert_eq!(refused(replayed), Refusal::Other { officer: label("grace"), proposal: one.id() });
}

#[test]
fn another_tokens_change_is_not_done_here() {
    for change in [generation("hsm-b"), Change::ChangePin { token: label("hsm-b") }] {
        let denial = denial(&execution(agreed(change)));
        assert_eq!(denial.to_string(), "it is about the token hsm-b, and this is hsm-a");
    }
}

#[test]
fn officers_of_another_beginning_are_strangers() {
    let mine = Roster::new(["hedy", "joan", "mary"].map(officer).to_vec(), 1, 86_400).unwrap();
    let overseer = Overseer::new("hsm-a".to_owned(), Some(mine));
    let denial = overseer.judge(&execution(agreed(change_pin())), &Remembered::default(), MIDNIGHT).unwrap_err();
    assert!(denial.to_string().contains("ada is no officer"), "{denial}");
    let nobody = Overseer::new("hsm-a".to_owned(), None);
    let denial = nobody.judge(&execution(agreed(change_pin())), &Remembered::default(), MIDNIGHT).unwrap_err();
    assert_eq!(denial, Denial::NoOfficers);
}

#[test]
fn yesterdays_officers_do_nothing_where_todays_were_seen() {
    let mut memory = Remembered::default();
    memory.see(1);
    let old = execution(agreed(change_pin()));
    assert_eq!(overseer().judge(&old, &memory, MIDNIGHT).unwrap_err(), Denial::OldRoster { given: 0, seen: 1 });
    // The whole history, with what was agreed on before its last step.
    let stale = Management { history: next_roster(), ..old };
    let denial = overseer().judge(&stale, &memory, MIDNIGHT).unwrap_err();
    assert!(denial.to_string().contains("proposed under the roster number 0, and number 1"), "{denial}");
    let (_, consent) = agreed_when(change_pin(), |text| text.roster = 1);
    let today = Management { history: next_roster(), consent, task: Task::Execute };
    assert!(matches!(overseer().judge(&today, &memory, MIDNIGHT), Ok(Allowed::Once(order)) if order.roster == 1));
}

#[test]
fn a_history_that_was_touched_lets_nothing_happen() {
    let mut history = RosterHistory::default();
    let alone = propose("ada", roster_change(&["joan"], &["hedy"], 1));
    history.push(consent(&alone, &[]));
    let asked = Management { history, consent: agreed(change_pin()), task: Task::Execute };
    assert!(denial(&asked).to_string().contains("the roster's change number 1 does not hold"));
}

#[test]
fn a_token_does_what_is_its_own_and_nothing_else() {
    let nothing = [activation(kid()), certification("dsc-1", &CERTIFICATE), roster_change(&["joan"], &[], 1)];
    for change in nothing {
        let name = change.name();
        assert_eq!(denial(&execution(agreed(change))), Denial::NoTask { change: name });
    }
    let request = Management { task: Task::Request, ..execution(agreed(change_pin())) };
    assert_eq!(denial(&request), Denial::NotThat { found: "change_pin", wanted: "generate" });
    let specimen = Management { task: Task::Specimen { iat: MIDNIGHT }, ..execution(agreed(generation("hsm-a"))) };
    assert_eq!(denial(&specimen), Denial::NotThat { found: "generate", wanted: "certify" });
}

#[test]
fn two_officers_have_a_slot_initialised_as_this_token_and_no_other() {
    let initialise = |token| Change::InitialiseToken { token: label(token) };
    let allowed = judge(&execution(agreed(initialise("hsm-a"))));
    assert!(matches!(&allowed, Ok(Allowed::Once(order)) if order.act == Act::Initialise), "{allowed:?}");
    assert!(matches!(denial(&execution(agreed(initialise("hsm-b")))), Denial::OtherToken { .. }));
    let alone = consent(&propose("ada", initialise("hsm-a")), &[]);
    assert_eq!(refused(alone), Refusal::NotEnough { approvals: 0, needed: 1 });
}

#[test]
fn a_key_is_destroyed_by_its_label_or_by_the_kid_of_what_certified_it() {
    let order = |task, name| match judge(&Management { task, ..execution(agreed(Change::Destroy(name))) }) {
        Ok(Allowed::Once(order)) => Ok(order.act),
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Err(denial),
    };
    let by_label = order(Task::Execute, KeyName::Label(label("dsc-1"))).unwrap();
    assert_eq!(by_label, Act::Destroy { label: label("dsc-1"), public_key: None });
    assert_eq!(order(Task::Execute, KeyName::Kid(kid())), Err(Denial::WhichKey { kid: kid() }));
    let certified = || Task::ExecuteOn { certification: agreed(certification("dsc-1", &CERTIFICATE)) };
    let public_key = Dsc::from_der(&CERTIFICATE).unwrap().public_key().clone();
    let by_kid = order(certified(), KeyName::Kid(kid())).unwrap();
    assert_eq!(by_kid, Act::Destroy { label: label("dsc-1"), public_key: Some(public_key) });
    let other: Kid = "870aaa4460b56d17".parse().unwrap();
    assert!(matches!(order(certified(), KeyName::Kid(other)), Err(Denial::Different { .. })));
    let proposal = propose("ada", certification("dsc-1", &CERTIFICATE));
    let alone = Task::ExecuteOn { certification: consent(&proposal, &[]) };
    assert!(matches!(order(alone, KeyName::Kid(kid())), Err(Denial::Consent(_))));
}

#[test]
fn a_request_is_made_again_months_later_and_for_its_token_alone() {
    let late = MIDNIGHT.plus_seconds(90 * 86_400);
    let asked = |token| Management { task: Task::Request, ..execution(agreed(generation(token))) };
    let judge = |asked: &Management| overseer().judge(asked, &Remembered::default(), late);
    assert!(matches!(judge(&asked("hsm-a")), Ok(Allowed::Request(generation)) if generation.label == label("dsc-1")));
    assert!(matches!(judge(&asked("hsm-b")), Err(Denial::OtherToken { .. })));
}

fn admission() -> Admission {
    Admission {
        history: RosterHistory::default(),
        generation: agreed(generation("hsm-a")),
        certification: agreed(certification("dsc-1", &CERTIFICATE)),
        activation: agreed(activation(kid())),
    }
}

#[test]
fn a_key_that_was_made_certified_and_activated_signs_also_under_later_officers() {
    let admitted = overseer().admit(&admission(), &Remembered::default()).unwrap();
    assert_eq!((admitted.label, admitted.dsc.kid(), admitted.roster), (label("dsc-1"), kid(), 0));
    let mut memory = Remembered::default();
    memory.see(1);
    assert!(overseer().admit(&admission(), &memory).is_ok(), "it was agreed on before, and is history");
    let (_, activation) = agreed_when(activation(kid()), |text| text.roster = 1);
    let later = Admission { history: next_roster(), activation, ..admission() };
    assert_eq!(overseer().admit(&later, &memory).unwrap().roster, 1);
    let without_history = Admission { history: RosterHistory::default(), ..later };
    assert!(matches!(overseer().admit(&without_history, &memory), Err(Denial::Consent(_))));
}

#[test]
fn every_part_of_an_admission_is_needed_and_about_one_key() {
    let admit = |edit: &dyn Fn(&mut Admission)| {
        let mut asked = admission();
        edit(&mut asked);
        overseer().admit(&asked, &Remembered::default()).unwrap_err().to_string()
    };
    let rsa = certificate(&rcgen::PKCS_RSA_SHA256);
    let alone = |change| consent(&propose("ada", change), &[]);
    type Edit<'e> = &'e dyn Fn(&mut Admission);
    let edits: [(Edit<'_>, &str); 9] = [
        (&|asked| asked.generation = agreed(generation("hsm-b")), "it is about the token hsm-b"),
        (&|asked| asked.generation = alone(generation("hsm-a")), "it has 0 of 1 approvals"),
        (&|asked| asked.certification = alone(certification("dsc-1", &CERTIFICATE)), "it has 0 of 1 approvals"),
        (&|asked| asked.activation = alone(activation(kid())), "it has 0 of 1 approvals"),
        (&|asked| asked.certification = agreed(certification("dsc-2", &CERTIFICATE)), "the consents are not about one key"),
        (&|asked| asked.certification = agreed(certification("dsc-1", &rsa)), "the certificate's key is not the p256 key"),
        (&|asked| asked.certification = agreed(certification("dsc-1", b"none")), "the certificate that the officers agreed on"),
        (
            &|asked| asked.activation = agreed(activation("870aaa4460b56d17".parse().unwrap())),
            "the consents are not about one key",
        ),
        (&|asked| asked.activation = agreed(change_pin()), "agreed on change_pin, where activate is needed"),
    ];
    for (edit, reason) in edits {
        let denial = admit(edit);
        assert!(denial.contains(reason), "{denial}");
    }
}

#[test]
fn a_key_that_was_stopped_or_destroyed_is_not_admitted_again() {
    let mut memory = Remembered::default();
    memory.stop(kid());
    assert_eq!(overseer().admit(&admission(), &memory).unwrap_err(), Denial::Stopped { kid: kid() });
    let specimen =
        Management { task: Task::Specimen { iat: MIDNIGHT }, ..execution(agreed(certification("dsc-1", &CERTIFICATE))) };
    assert_eq!(overseer().judge(&specimen, &memory, MIDNIGHT).unwrap_err(), Denial::Stopped { kid: kid() });
    let mut memory = Remembered::default();
    let Ok(Allowed::Once(order)) = judge(&execution(agreed(Change::Destroy(KeyName::Label(label("dsc-1")))))) else { panic!() };
    memory.begin(&order, MIDNIGHT);
    assert_eq!(overseer().admit(&admission(), &memory).unwrap_err(), Denial::Destroyed { label: label("dsc-1") });
}

fn emergency(officer: &str, change: Change) -> SignedText {
    propose(officer, change).signed().clone()
}

#[test]
fn one_officer_stops_a_key_and_nobody_else_does() {
    let stop = |officer| {
        let compromise = Change::Compromise { kid: kid(), reason: "a stolen backup".parse().unwrap() };
        Stop { history: RosterHistory::default(), emergency: emergency(officer, compromise) }
    };
    assert_eq!(overseer().stop(&stop("hedy")), Ok(Stopped { kid: kid(), roster: 0 }));
    assert!(overseer().stop(&stop("joan")).unwrap_err().to_string().contains("joan is no officer"));
    let joined = Stop { history: next_roster(), ..stop("hedy") };
    assert!(overseer().stop(&joined).is_ok(), "signed while hedy was an officer");
    let other = Stop { emergency: emergency("ada", change_pin()), ..stop("ada") };
    assert!(matches!(overseer().stop(&other), Err(Denial::Consent(_))), "a change needs two");
    let mut touched = stop("ada");
    touched.emergency.text = touched.emergency.text.replace("stolen", "lost");
    assert!(overseer().stop(&touched).is_err());
}

#[test]
fn a_rejection_is_no_approval_for_a_worker_either() {
    let proposal = propose("ada", change_pin());
    let rejection: Verdict = key("grace").judge(&judging("grace", Decision::Reject, &proposal)).unwrap();
    assert_eq!(refused(consent(&proposal, &[rejection])), Refusal::Rejected { officer: label("grace") });
}
