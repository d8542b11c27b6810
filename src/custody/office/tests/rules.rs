//! What officers may do, and what they try.

use super::*;
use crate::domain::officers::fixture::{officer, roster_change};

#[tokio::test]
async fn a_key_goes_through_its_life_by_two_officers() {
    let bench = Bench::new().await;
    let generated = bench.carry_out(generate("dsc-0")).await;
    let done = generated.done.unwrap();
    assert_eq!((done.request.as_deref(), done.key), (Some(&b"request"[..]), Some(label("dsc-0"))));
    assert!(done.next.contains("CSR"), "{}", done.next);
    assert_eq!(bench.office.request(&label("dsc-0")).await.unwrap(), b"request");
    let certified = bench.carry_out(bench.certify("dsc-0", &[])).await;
    assert_eq!(certified.done.unwrap().next, "upload it to the gateway, and publish it here");
    let kid = bench.register().await.key(&label("dsc-0")).unwrap().kid().unwrap();
    let now = bench.clock.now();
    bench.carry_out(Change::Publish { kid, at: now }).await;
    assert_refused(bench.propose("ada", activate(kid, now.plus_seconds(59))).await, "is too soon");
    bench.carry_out(activate(kid, now.plus_seconds(61))).await;
    let canary = bench.office.canary(now.plus_seconds(61)).await.unwrap();
    assert_eq!(canary.specimens.iter().map(|specimen| (specimen.kid, specimen.fault.clone())).collect::<Vec<_>>(), [(kid, None)]);
    assert_eq!(canary.uncovered, []);
    assert_eq!(bench.office.canary(now).await.unwrap().uncovered.len(), 3);
    bench.clock.pass(61);
    assert_eq!(bench.state("dsc-0").await, Some(State::Active));
    bench.carry_out(Change::Retire { kid, at: bench.clock.now().plus_seconds(61) }).await;
    bench.clock.pass(61);
    bench.carry_out(Change::Destroy(KeyName::Kid(kid))).await;
    assert_eq!((bench.state("dsc-0").await, bench.tokens.executed()), (Some(State::Destroyed), 2));
}

#[tokio::test]
async fn what_a_dry_run_says_is_not_written() {
    let bench = Bench::new().await;
    let signed = bench.signed("ada", generate("dsc-0")).await;
    let tried = bench.office.try_proposal(&signed, true, None).await.unwrap();
    assert!(tried.effect.will.starts_with("the token hsm-a makes a p256 key pair"), "{}", tried.effect.will);
    assert_eq!((tried.approvals_needed, tried.head, bench.register().await.head().seq), (1, None, 0));
    let unsigned = SignedText { signature: Octets([0; 64]), ..signed.clone() };
    assert!(bench.office.try_proposal(&unsigned, false, None).await.is_ok());
    assert_refused(bench.office.try_proposal(&unsigned, true, None).await, "the signature is not ada's");
    let id = bench.office.propose(signed, None).await.unwrap().id;
    let head = bench.register().await.head();
    let verdict = bench.verdict("grace", Decision::Approve, id).await;
    bench.office.try_verdict(&verdict, None).await.unwrap();
    assert_eq!((bench.register().await.head(), bench.tokens.executed()), (head, 0));
}

#[tokio::test]
async fn nobody_approves_their_own_proposal() {
    let bench = Bench::new().await;
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    assert_refused(bench.approve("ada", id).await, "ada proposed it; another officer approves it");
    assert_refused(bench.office.execute(id).await, "it has 0 of 1 approvals");
    assert_eq!(bench.tokens.executed(), 0);
}

#[tokio::test]
async fn an_officer_counts_once() {
    let of = |names: &[&str]| Roster::new(names.iter().map(|name| officer(name)).collect(), 2, 86_400).unwrap();
    let bench = Bench::of(of(&["ada", "grace", "hedy"])).await;
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    assert!(bench.approve("grace", id).await.unwrap().done.is_none());
    assert_refused(bench.approve("grace", id).await, "grace stands there twice");
    assert_refused(bench.office.execute(id).await, "it has 1 of 2 approvals");
    assert!(bench.approve("hedy", id).await.unwrap().done.is_some());
}

#[tokio::test]
async fn what_has_expired_is_neither_approved_nor_executed() {
    let bench = Bench::new().await;
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    let approved = bench.propose("ada", generate("dsc-1")).await.unwrap();
    bench.tokens.is_down.store(true, Ordering::SeqCst);
    assert!(bench.approve("grace", approved).await.unwrap().pending_because.is_some());
    bench.tokens.is_down.store(false, Ordering::SeqCst);
    bench.clock.pass(3_600 - 150);
    assert_refused(bench.office.execute(approved).await, "propose it anew");
    bench.clock.pass(150);
    assert_refused(bench.approve("grace", id).await, "it expired at");
    assert_refused(bench.office.execute(approved).await, "it expired at");
    assert_eq!(bench.tokens.executed(), 0);
}

#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_nobodys() {
    let bench = Bench::new().await;
    let mut signed = bench.signed("ada", generate("dsc-0")).await;
    signed.text = signed.text.replace("dsc-0", "dsc-9");
    assert_refused(bench.office.propose(signed, None).await, "the signature is not ada's over this text, to propose");
    let (one, other) = (bench.propose("ada", generate("dsc-0")).await.unwrap(), bench.propose("ada", generate("dsc-1")).await);
    let mut verdict = bench.verdict("grace", Decision::Approve, one).await;
    verdict.text = verdict.text.replace(&one.to_string(), &other.unwrap().to_string());
    assert_refused(bench.office.decide(verdict, None).await, "the signature is not grace's over this text, to approve");
    let mut turned = bench.verdict("grace", Decision::Reject, one).await;
    turned.text = turned.text.replace("reject", "approve");
    assert_refused(bench.office.decide(turned, None).await, "the signature is not grace's over this text, to approve");
}

#[tokio::test]
async fn what_was_said_once_counts_once() {
    let bench = Bench::new().await;
    let signed = bench.signed("ada", generate("dsc-0")).await;
    let id = bench.office.propose(signed.clone(), None).await.unwrap().id;
    assert_refused(bench.office.propose(signed.clone(), None).await, "is there already");
    let verdict = bench.verdict("grace", Decision::Approve, id).await;
    bench.office.decide(verdict.clone(), None).await.unwrap();
    assert_refused(bench.office.decide(verdict, None).await, "has ended: it was executed");
    assert_refused(bench.office.propose(signed, None).await, "is there already");
    let again = bench.office.execute(id).await.unwrap();
    assert_eq!(again.done.unwrap().next, "nothing: it was done before");
    assert_eq!(bench.tokens.executed(), 1);
}

#[tokio::test]
async fn of_two_proposals_that_contradict_each_other_the_first_that_is_approved_wins() {
    let bench = Bench::new().await;
    let kid = bench.active("dsc-0").await;
    let soon = bench.clock.now().plus_seconds(61);
    let early = bench.propose("ada", Change::Retire { kid, at: soon }).await.unwrap();
    let late = bench.propose("hedy", Change::Retire { kid, at: soon.plus_seconds(61) }).await.unwrap();
    bench.approve("grace", early).await.unwrap();
    assert_refused(bench.approve("grace", late).await, "signs until");
    let (first, second) = (bench.propose("ada", generate("dsc-1")).await, bench.propose("hedy", generate("dsc-1")).await);
    bench.approve("grace", first.unwrap()).await.unwrap();
    assert_refused(bench.approve("grace", second.unwrap()).await, "there is, or was, a key dsc-1");
}

#[tokio::test]
async fn an_officer_who_was_removed_meanwhile_decides_nothing() {
    let bench = Bench::new().await;
    let (open, of_hedy) =
        (bench.propose("ada", generate("dsc-0")).await.unwrap(), bench.propose("hedy", generate("dsc-1")).await);
    bench.carry_out(roster_change(&["joan"], &["hedy"], 1)).await;
    for id in [open, of_hedy.unwrap()] {
        for name in ["hedy", "grace"] {
            let refused = bench.approve(name, id).await.unwrap_err().to_string();
            assert!(refused.contains("propose it anew") || refused.contains("hedy is no officer"), "{refused}");
        }
    }
    assert_refused(bench.propose("hedy", generate("dsc-2")).await, "hedy is no officer of the roster number 1");
    let anew = bench.propose("ada", generate("dsc-0")).await.unwrap();
    assert!(bench.approve("joan", anew).await.unwrap().done.is_some());
}

#[tokio::test]
async fn what_is_approved_and_fits_no_more_is_not_executed() {
    let bench = Bench::new().await;
    bench.tokens.is_down.store(true, Ordering::SeqCst);
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    assert!(bench.approve("grace", id).await.unwrap().pending_because.unwrap().contains("it does not answer"));
    bench.carry_out(roster_change(&["joan"], &["hedy"], 1)).await;
    bench.tokens.is_down.store(false, Ordering::SeqCst);
    assert_refused(bench.office.execute(id).await, "it was proposed under the roster number 0, and number 1 is in force");
    assert_eq!(bench.tokens.executed(), 0);
}

#[tokio::test]
async fn what_one_officer_rejects_is_over() {
    let bench = Bench::new().await;
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    bench.reject("hedy", id).await.unwrap();
    assert_refused(bench.approve("grace", id).await, "has ended: it was rejected");
    assert_refused(bench.office.execute(id).await, "has ended: it was rejected");
}

#[tokio::test]
async fn one_officer_stops_a_key_and_starts_none() {
    let bench = Bench::new().await;
    let kid = bench.active("dsc-0").await;
    let proposed = bench.office.propose(bench.signed("hedy", compromise(kid)).await, None).await.unwrap();
    assert_eq!((proposed.approvals_needed, bench.state("dsc-0").await), (0, Some(State::Compromised)));
    assert_eq!(bench.office.fresh().unwrap().keys_at(bench.clock.now()).count(), 0);
}

#[tokio::test]
async fn a_token_that_refuses_ends_the_proposal_and_changes_nothing() {
    let bench = Bench::new().await;
    let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    bench.tokens.keys.lock().unwrap().insert(label("dsc-0"), made);
    let decided = bench.carry_out(generate("dsc-0")).await;
    assert!(decided.done.is_none() && decided.pending_because.is_none());
    let register = bench.register().await;
    let Some(End::Executed(Outcome::Failed { reason })) = register.proposal(decided.id).unwrap().end() else { panic!("failed") };
    assert_eq!((reason.as_str(), bench.state("dsc-0").await), ("the label is taken", None));
}

#[tokio::test]
async fn there_are_only_so_many_open_proposals_and_an_emergency_needs_no_room() {
    let bench = Bench::new().await;
    let kid = bench.active("dsc-0").await;
    for number in 0..MOST_OPEN {
        bench.propose("ada", generate(&format!("key-{number}"))).await.unwrap();
    }
    assert_refused(bench.propose("grace", generate("one-more")).await, "64 proposals are open, and 64 may be");
    bench.office.propose(bench.signed("hedy", compromise(kid)).await, None).await.unwrap();
    bench.clock.pass(3_600);
    bench.propose("grace", generate("one-more")).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_checked_before_it_is_proposed() {
    let bench = Bench::new().await;
    bench.carry_out(generate("dsc-0")).await;
    let good = bench.certify("dsc-0", &[]);
    let try_with = async |change: &Change, cscas: Vec<Vec<u8>>, trust_list| {
        let signed = bench.signed("ada", change.clone()).await;
        bench.office.propose(signed, Some(Against { cscas, trust_list })).await
    };
    let csca = bench.csca.der().to_vec();
    assert_refused(bench.office.propose(bench.signed("ada", good.clone()).await, None).await, "give one at least");
    assert_refused(try_with(&good, vec![], None).await, "give one at least");
    let stranger = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), MIDNIGHT).unwrap();
    assert_refused(try_with(&good, vec![stranger.der().to_vec()], None).await, "the certificate is not taken: ");
    let narrow = bench.certify("dsc-0", &[crate::domain::CertificateType::Test]);
    assert_refused(try_with(&narrow, vec![csca.clone()], None).await, "the certificate is not taken: ");
    let other = public(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
    let certificate = bench.certificate(&other, &[]);
    let foreign = Change::Certify(Certification { label: label("dsc-0"), certificate });
    assert_refused(try_with(&foreign, vec![csca.clone()], None).await, "the certificate is not taken: ");
    let Change::Certify(Certification { certificate, .. }) = &good else { panic!("it is one") };
    let dsc = Dsc::from_der(certificate).unwrap();
    let listing = crate::custody::trust_list::Listing { dsc: &dsc, since: MIDNIGHT, upload: None };
    let list = crate::custody::trust_list::write(&[listing]).unwrap();
    assert_refused(try_with(&good, vec![csca.clone()], Some(list)).await, "the trust list");
    assert_refused(try_with(&good, vec![csca.clone()], Some(b"{}".to_vec())).await, "the trust list: ");
    let id = try_with(&good, vec![csca], None).await.unwrap().id;
    let verdict = bench.verdict("grace", Decision::Approve, id).await;
    let hers = Against { cscas: vec![stranger.der().to_vec()], trust_list: None };
    assert_refused(bench.office.decide(verdict.clone(), Some(hers)).await, "the certificate is not taken: ");
    bench.office.decide(verdict, None).await.unwrap();
}
