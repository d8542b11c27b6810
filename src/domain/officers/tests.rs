//! Each rule of two people, broken once.

mod texts;

use super::fixture::*;
use super::*;
use crate::domain::Octets;

fn refusal(proposal: &Proposal, approvals: &[Verdict]) -> Refusal {
    three().judge(proposal, approvals, MIDNIGHT).unwrap_err()
}

/// A proposal of ada's with something else in it.
fn proposed(edit: impl FnOnce(&mut ProposalText)) -> Proposal {
    let mut text = proposing("ada", change_pin());
    edit(&mut text);
    key("ada").propose(&text).unwrap()
}

/// An approval of grace's with something else in it.
fn approved(proposal: &Proposal, edit: impl FnOnce(&mut VerdictText)) -> Verdict {
    let mut text = judging("grace", Decision::Approve, proposal);
    edit(&mut text);
    key("grace").judge(&text).unwrap()
}

#[test]
fn what_one_proposes_and_another_approves_may_be_done() {
    let proposal = propose("ada", change_pin());
    let approved = three().judge(&proposal, &[approve("grace", &proposal)], MIDNIGHT).unwrap();
    assert_eq!(approved.change(), &change_pin());
    assert_eq!(approved.approvers(), [label("grace")]);
    assert_eq!((approved.proposal().id(), approved.at()), (proposal.id(), MIDNIGHT));
}

#[test]
fn nobody_approves_their_own_proposal() {
    let proposal = propose("ada", change_pin());
    let own = refusal(&proposal, &[approve("ada", &proposal)]);
    assert_eq!(own, Refusal::Own { officer: label("ada") });
    assert_eq!(own.to_string(), "ada proposed it; another officer approves it");
}

#[test]
fn nobody_counts_twice() {
    let roster = Roster::new(["ada", "grace", "hedy"].map(officer).to_vec(), 2, 86_400).unwrap();
    let proposal = propose("ada", change_pin());
    let later = approved(&proposal, |text| text.made_at = MIDNIGHT.plus_seconds(1));
    let twice = roster.judge(&proposal, &[approve("grace", &proposal), later], MIDNIGHT.plus_seconds(1));
    assert_eq!(twice, Err(Refusal::Twice { officer: label("grace") }));
    let both = roster.judge(&proposal, &[approve("grace", &proposal), approve("hedy", &proposal)], MIDNIGHT).unwrap();
    assert_eq!(both.approvers(), ["grace", "hedy"].map(label));
}

#[test]
fn fewer_than_the_quorum_are_not_enough() {
    let proposal = propose("ada", change_pin());
    assert_eq!(refusal(&proposal, &[]), Refusal::NotEnough { approvals: 0, needed: 1 });
    assert_eq!(refusal(&proposal, &[]).to_string(), "it has 0 of 1 approvals");
}

#[test]
fn a_proposal_ends_at_its_instant() {
    let proposal = propose("ada", change_pin());
    let end = proposal.text().valid_until;
    let judged = |now| three().judge(&proposal, &[approve("grace", &proposal)], now).map(|_| ());
    assert_eq!(judged(end.plus_seconds(-1)), Ok(()));
    assert_eq!(judged(end), Err(Refusal::Expired { at: end }));
}

#[test]
fn a_proposal_from_the_future_waits_for_its_time() {
    let proposal = propose("ada", change_pin());
    let judged = |now| three().judge(&proposal, &[approve("grace", &proposal)], now).map(|_| ());
    assert_eq!(judged(MIDNIGHT.plus_seconds(-60)), Ok(()), "a clock may be a minute behind");
    assert_eq!(judged(MIDNIGHT.plus_seconds(-61)), Err(Refusal::NotYet { at: MIDNIGHT }));
}

#[test]
fn a_proposal_is_open_no_longer_than_the_roster_lets_it() {
    for seconds in [-1, 0, 86_401, 200_000_000_000] {
        let proposal = proposed(|text| text.valid_until = text.made_at.plus_seconds(seconds));
        assert_eq!(refusal(&proposal, &[]), Refusal::Limit { limit_seconds: 86_400 }, "{seconds}");
    }
    let proposal = proposed(|text| text.valid_until = text.made_at.plus_seconds(86_400));
    assert_eq!(refusal(&proposal, &[]), Refusal::NotEnough { approvals: 0, needed: 1 });
}

#[test]
fn a_proposal_that_was_changed_is_nobodys() {
    let proposal = propose("ada", change_pin());
    let mut signed = proposal.signed().clone();
    signed.text = signed.text.replace("hsm-a", "hsm-b");
    let changed = Proposal::read(signed).unwrap();
    let forged = refusal(&changed, &[approve("grace", &changed)]);
    assert_eq!(forged, Refusal::Signature { officer: label("ada"), role: Role::Propose });
    assert_eq!(forged.to_string(), "the signature is not ada's over this text, to propose");
}

#[test]
fn an_approval_serves_no_proposal_but_its_own() {
    let (one, another) = (propose("ada", change_pin()), proposed(|text| text.nonce = Octets([8; 16])));
    let replayed = refusal(&another, &[approve("grace", &one)]);
    assert_eq!(replayed, Refusal::Other { officer: label("grace"), proposal: one.id() });
}

#[test]
fn an_approval_that_was_changed_is_nobodys() {
    let (one, another) = (propose("ada", change_pin()), proposed(|text| text.nonce = Octets([8; 16])));
    let mut signed = approve("grace", &one).signed().clone();
    signed.text = signed.text.replace(&one.id().to_string(), &another.id().to_string());
    let moved = Verdict::read(signed).unwrap();
    assert_eq!(refusal(&another, &[moved]), Refusal::Signature { officer: label("grace"), role: Role::Approve });
}

#[test]
fn a_stranger_neither_proposes_nor_approves() {
    let proposal = propose("joan", change_pin());
    assert_eq!(refusal(&proposal, &[approve("ada", &proposal)]), Refusal::Unknown { officer: label("joan"), roster: 0 });
    let proposal = propose("ada", change_pin());
    assert_eq!(refusal(&proposal, &[approve("joan", &proposal)]), Refusal::Unknown { officer: label("joan"), roster: 0 });
}

#[test]
fn nobody_signs_in_anothers_name() {
    let forged = key("joan").propose(&proposing("ada", change_pin())).unwrap();
    assert_eq!(refusal(&forged, &[]), Refusal::Signature { officer: label("ada"), role: Role::Propose });
    let proposal = propose("ada", change_pin());
    let forged = key("ada").judge(&judging("grace", Decision::Approve, &proposal)).unwrap();
    assert_eq!(refusal(&proposal, &[forged]), Refusal::Signature { officer: label("grace"), role: Role::Approve });
}

#[test]
fn a_signature_serves_in_its_own_role_alone() {
    let proposal = propose("ada", change_pin());
    for (decision, role) in [(Decision::Approve, Role::Reject), (Decision::Reject, Role::Approve)] {
        let text = judging("grace", decision, &proposal).to_text();
        for signed_as in [role, Role::Propose] {
            let verdict = Verdict::read(key("grace").sign(signed_as, text.clone())).unwrap();
            assert_eq!(
                refusal(&proposal, &[verdict]),
                Refusal::Signature { officer: label("grace"), role: decision.role() },
                "{signed_as:?}"
            );
        }
    }
    let as_approval = Proposal::read(key("ada").sign(Role::Approve, proposal.signed().text.clone())).unwrap();
    assert_eq!(refusal(&as_approval, &[]), Refusal::Signature { officer: label("ada"), role: Role::Propose });
}

#[test]
fn a_rejection_is_no_approval() {
    let proposal = propose("ada", change_pin());
    assert_eq!(refusal(&proposal, &[reject("grace", &proposal)]), Refusal::Rejected { officer: label("grace") });
    assert_eq!(three().check_verdict(&proposal, &reject("ada", &proposal), MIDNIGHT), Ok(()), "who proposed it may withdraw it");
}

#[test]
fn nobody_approves_what_did_not_stand_in_the_chain_yet() {
    let proposal = proposed(|text| text.head = head(5));
    for seq in [0, 4, 5] {
        let early = approved(&proposal, |text| text.head = head(seq));
        assert_eq!(refusal(&proposal, &[early]), Refusal::Order { officer: label("grace") }, "{seq}");
    }
    assert!(three().judge(&proposal, &[approved(&proposal, |text| text.head = head(6))], MIDNIGHT).is_ok());
}

#[test]
fn a_verdict_is_made_while_the_proposal_is_open() {
    let proposal = propose("ada", change_pin());
    for (seconds, now) in [(-61, MIDNIGHT), (3_600, MIDNIGHT.plus_seconds(3_599))] {
        let made_at = MIDNIGHT.plus_seconds(seconds);
        let verdict = approved(&proposal, |text| text.made_at = made_at);
        let judged = three().judge(&proposal, &[verdict], now);
        assert_eq!(judged, Err(Refusal::OutOfTime { officer: label("grace"), at: made_at }));
    }
    let made_at = MIDNIGHT.plus_seconds(61);
    let early = approved(&proposal, |text| text.made_at = made_at);
    assert_eq!(refusal(&proposal, &[early]), Refusal::NotYet { at: made_at });
}

#[test]
fn what_was_proposed_under_another_roster_is_void() {
    let Change::Roster(change) = roster_change(&["joan"], &["hedy"], 1) else { panic!("it is one") };
    let roster = three().with(&change).unwrap();
    let proposal = propose("ada", change_pin());
    let judged = |proposal: &Proposal, by| roster.judge(proposal, &[approve(by, proposal)], MIDNIGHT).map(|_| ());
    assert_eq!(judged(&proposal, "grace"), Err(Refusal::RosterChanged { made: 0, now: 1 }));
    let anew = proposed(|text| text.roster = 1);
    assert_eq!(judged(&anew, "hedy"), Err(Refusal::Unknown { officer: label("hedy"), roster: 1 }));
    assert_eq!(judged(&anew, "joan"), Ok(()));
    assert_eq!(judged(&propose("hedy", change_pin()), "ada"), Err(Refusal::Unknown { officer: label("hedy"), roster: 1 }));
}

#[test]
fn one_officer_stops_a_key_and_does_nothing_else_alone() {
    let stop = Change::Compromise { kid: "870aaa4460b56d17".parse().unwrap(), reason: "a stolen backup".parse().unwrap() };
    let proposal = propose("ada", stop);
    assert_eq!(three().judge(&proposal, &[], MIDNIGHT).unwrap().approvers(), []);
    assert!(refusal(&propose("joan", proposal.change().clone()), &[]).to_string().contains("joan is no officer"));
}

#[test]
fn a_roster_under_which_one_could_act_alone_is_none() {
    let of = |names: &[&str], quorum| Roster::new(names.iter().map(|name| officer(name)).collect(), quorum, 1);
    assert_eq!(of(&["ada", "grace"], 0), Err(InvalidRoster::NoQuorum));
    assert_eq!(of(&["ada", "ada", "grace"], 1), Err(InvalidRoster::Name { name: label("ada") }));
    assert_eq!(of(&["ada"], 1), Err(InvalidRoster::TooFew { officers: 1, quorum: 1 }));
    let few = of(&["ada", "grace"], 2).unwrap_err().to_string();
    assert!(few.starts_with("there are 2 officers, too few for a quorum of 2: that takes 3 at least"), "{few}");
    let two_names = vec![officer("ada"), Officer { name: label("lovelace"), ..officer("ada") }];
    assert_eq!(Roster::new(two_names, 1, 1), Err(InvalidRoster::Key { name: label("lovelace") }));
    assert_eq!(Roster::new(vec![officer("ada"), officer("grace")], 1, 0), Err(InvalidRoster::NoLimit));
    let Change::Roster(change) = roster_change(&[], &["joan"], 1) else { panic!("it is one") };
    assert_eq!(three().with(&change), Err(InvalidRoster::Stranger { name: label("joan") }));
}

#[test]
fn the_roster_of_today_follows_from_the_first_one() {
    let mut history = RosterHistory::default();
    assert_eq!(history.roster(&three()), Ok(three()));
    let first = propose("ada", roster_change(&["joan"], &["hedy"], 2));
    history.push(consent(&first, &[approve("grace", &first)]));
    let mut text = proposing("joan", roster_change(&["mary"], &[], 2));
    text.roster = 1;
    let second = key("joan").propose(&text).unwrap();
    let approvals = [approve("ada", &second), approve("grace", &second)];
    history.push(consent(&second, &approvals));
    let today = history.roster(&three()).unwrap();
    let names: Vec<&str> = today.officers().iter().map(|officer| officer.name.as_str()).collect();
    assert_eq!((today.number(), today.quorum(), names), (2, 2, vec!["ada", "grace", "joan", "mary"]));
}

#[test]
fn a_history_of_the_roster_that_was_touched_does_not_hold() {
    let add = propose("ada", roster_change(&["joan"], &[], 1));
    let good = consent(&add, &[approve("grace", &add)]);
    let other = propose("ada", change_pin());
    let swapped = propose("ada", roster_change(&[], &["grace", "hedy"], 1));
    let broken = [
        (vec![consent(&add, &[])], "it has 0 of 1 approvals"),
        (vec![good.clone(), good.clone()], "it was proposed under the roster number 0, and number 1 is in force"),
        (vec![consent(&other, &[approve("grace", &other)])], "it is about change_pin, not about the roster"),
        (vec![consent(&swapped, &[approve("grace", &swapped)])], "there are 1 officers"),
        (vec![Consent { approvals: vec![good.approvals[0].clone(); 65], ..good }], "there are 65 approvals"),
    ];
    for (steps, reason) in broken {
        let mut history = RosterHistory::default();
        steps.into_iter().for_each(|step| history.push(step));
        let error = history.roster(&three()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
