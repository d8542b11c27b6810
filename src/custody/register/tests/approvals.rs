//! Two people, as the chain has it: each rule broken once.

use super::*;

#[test]
fn a_change_is_in_force_when_it_is_executed_and_not_before() {
    let mut chain = Chain::new();
    let id = chain.propose("ada", generate(0)).unwrap();
    assert_refused(chain.register.approved(id, chain.now, 1), "it has 0 of 1 approvals");
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "it has 0 of 1 approvals");
    chain.approve("grace", id).unwrap();
    assert_eq!(chain.register.approved(id, chain.now, 1).unwrap().approvers(), [label("grace")]);
    assert!(chain.register.key(&name(0)).is_none());
    chain.execute(id, outcome_of(&generate(0))).unwrap();
    assert_eq!(chain.state(0), State::Generated);
    assert_eq!(chain.register.proposal(id).unwrap().consent().approvals.len(), 1);
}

#[test]
fn nobody_approves_their_own_or_twice() {
    let mut chain = Chain::new();
    chain.carry_out(roster_change(&["joan"], &[], 2)).unwrap();
    let id = chain.propose("ada", generate(0)).unwrap();
    assert_refused(chain.approve("ada", id), "ada proposed it");
    chain.approve("grace", id).unwrap();
    chain.now = chain.now.plus_seconds(1);
    assert_refused(chain.approve("grace", id), "grace stands there twice");
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "it has 1 of 2 approvals");
    chain.approve("joan", id).unwrap();
    chain.execute(id, outcome_of(&generate(0))).unwrap();
}

#[test]
fn what_expired_is_neither_approved_nor_executed() {
    let mut chain = Chain::new();
    let (late, approved) = (chain.propose("ada", generate(0)).unwrap(), chain.propose("ada", generate(1)).unwrap());
    chain.approve("grace", approved).unwrap();
    chain.now = chain.now.plus_seconds(3_600);
    assert_refused(chain.approve("grace", late), "it expired at");
    assert_refused(chain.execute(approved, outcome_of(&generate(1))), "it expired at");
    assert!(chain.register.pending(chain.now).is_empty());
}

#[test]
fn a_clock_that_is_behind_takes_no_proposal() {
    let mut chain = Chain::new();
    let proposal = chain.proposal("ada", generate(0));
    chain.now = chain.now.plus_seconds(-61);
    assert_refused(chain.write(Event::Proposed(proposal.signed().clone())), "which is still to come");
}

#[test]
fn what_was_changed_after_its_approval_is_another_proposal() {
    let mut chain = Chain::new();
    let proposal = chain.proposal("ada", generate(0));
    chain.write(Event::Proposed(proposal.signed().clone())).unwrap();
    chain.approve("grace", proposal.id()).unwrap();
    let mut changed = proposal.signed().clone();
    changed.text = changed.text.replace("dsc-0", "dsc-1");
    assert_refused(chain.write(Event::Proposed(changed.clone())), "the signature is not ada's over this text");
    let id = Proposal::read(changed).unwrap().id();
    assert_refused(chain.execute(id, outcome_of(&generate(1))), "there is no proposal");
}

#[test]
fn an_approval_serves_once() {
    let mut chain = Chain::new();
    let (one, another) = (chain.propose("ada", generate(0)).unwrap(), chain.propose("ada", generate(1)).unwrap());
    let approval = Event::Approved(chain.verdict("grace", Decision::Approve, one));
    chain.write(approval.clone()).unwrap();
    assert_refused(chain.execute(another, outcome_of(&generate(1))), "it has 0 of 1 approvals");
    assert_refused(chain.write(approval.clone()), "grace stands there twice");
    chain.execute(one, outcome_of(&generate(0))).unwrap();
    assert_refused(chain.write(approval), "has ended: it was executed");
    assert_refused(chain.execute(one, outcome_of(&generate(0))), "has ended: it was executed");
    let again = chain.register.proposal(one).unwrap().proposal().signed().clone();
    assert_refused(chain.write(Event::Proposed(again)), "is there already");
}

#[test]
fn of_two_proposals_that_contradict_each_other_the_first_one_executed_wins() {
    let mut chain = Chain::new();
    chain.bring(0, State::Published);
    let (from, to) = (chain.now.plus_seconds(10), chain.now.plus_seconds(20));
    let long = chain.propose("ada", activate(0, from, None)).unwrap();
    let short = chain.propose("hedy", activate(0, from, Some(to))).unwrap();
    let both = chain.propose("hedy", activate(0, from, Some(to.plus_seconds(1)))).unwrap();
    chain.approve("grace", long).unwrap();
    chain.approve("grace", both).unwrap();
    chain.execute(long, Outcome::Done).unwrap();
    let reason = "the key dsc-0 is active; activate takes one that is published and not yet activated";
    assert_refused(chain.approve("grace", short), reason);
    assert_refused(chain.execute(both, Outcome::Done), reason);
    let pending = chain.register.pending(chain.now);
    let reasons: Vec<_> = pending.iter().map(|pending| pending.contradiction.as_ref().unwrap().to_string()).collect();
    assert_eq!(reasons, [reason, reason]);
    assert_eq!(chain.register.key(&name(0)).unwrap().used().unwrap().window.to, end().plus_seconds(1));
}

#[test]
fn an_officer_who_was_removed_in_between_counts_no_more() {
    let mut chain = Chain::new();
    let id = chain.propose("ada", generate(0)).unwrap();
    chain.approve("hedy", id).unwrap();
    let early = chain.proposal("hedy", generate(1));
    chain.carry_out(roster_change(&["joan"], &["hedy"], 1)).unwrap();
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "number 1 is in force: propose it anew");
    assert_refused(chain.approve("grace", id), "number 1 is in force: propose it anew");
    assert_refused(chain.write(Event::Proposed(early.signed().clone())), "hedy is no officer of the roster number 1");
    assert!(chain.register.pending(chain.now).is_empty());
    let anew = chain.propose("ada", generate(0)).unwrap();
    assert_refused(chain.approve("hedy", anew), "hedy is no officer of the roster number 1");
    chain.approve("joan", anew).unwrap();
    chain.execute(anew, outcome_of(&generate(0))).unwrap();
    let today = chain.register.roster_history().roster(&three()).unwrap();
    assert_eq!(&today, chain.register.roster());
}

#[test]
fn a_quorum_that_is_only_proposed_to_be_lower_is_not_lower() {
    let mut chain = Chain::new();
    chain.carry_out(roster_change(&["joan"], &[], 2)).unwrap();
    let lower = chain.propose("ada", roster_change(&[], &[], 1)).unwrap();
    let id = chain.propose("ada", generate(0)).unwrap();
    for proposal in [lower, id] {
        chain.approve("grace", proposal).unwrap();
        assert_refused(chain.execute(proposal, Outcome::Done), "it has 1 of 2 approvals");
    }
    chain.approve("joan", lower).unwrap();
    chain.execute(lower, Outcome::Done).unwrap();
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "number 2 is in force: propose it anew");
}

#[test]
fn one_rejection_ends_a_proposal() {
    for officer in ["ada", "grace"] {
        let mut chain = Chain::new();
        let id = chain.propose("ada", generate(0)).unwrap();
        chain.approve("hedy", id).unwrap();
        chain.reject(officer, id).unwrap();
        assert_refused(chain.execute(id, outcome_of(&generate(0))), "has ended: it was rejected");
        assert_refused(chain.approve("grace", id), "has ended: it was rejected");
        assert_eq!(chain.register.proposal(id).unwrap().end(), Some(&End::Rejected { by: label(officer) }));
    }
}

#[test]
fn a_signature_of_another_role_and_a_verdict_under_another_name_count_for_nothing() {
    let mut chain = Chain::new();
    let id = chain.propose("ada", generate(0)).unwrap();
    let (approval, rejection) = (chain.verdict("grace", Decision::Approve, id), chain.verdict("grace", Decision::Reject, id));
    let swapped = SignedText { signature: rejection.signature, ..approval.clone() };
    assert_refused(chain.write(Event::Approved(swapped)), "the signature is not grace's over this text, to approve");
    assert_refused(chain.write(Event::Approved(rejection)), "the text of the event is not one to approve");
    assert_refused(chain.write(Event::Rejected(approval)), "the text of the event is not one to reject");
    let text = chain.verdict("grace", Decision::Approve, id).text;
    let forged = key("ada").sign(crate::domain::officers::Role::Approve, text);
    assert_refused(chain.write(Event::Approved(forged)), "the signature is not grace's over this text");
}

#[test]
fn texts_are_signed_upon_this_chain_and_verdicts_after_the_proposal() {
    let mut chain = Chain::new();
    chain.carry_out(generate(0)).unwrap();
    let foreign = ChainHead { seq: 2, link: Octets([9; 32]) };
    for head in [foreign, ChainHead { seq: 99, ..foreign }] {
        let text = ProposalText { head, ..chain.text("ada", generate(1)) };
        let proposal = key("ada").propose(&text).unwrap();
        assert_refused(chain.write(Event::Proposed(proposal.signed().clone())), "upon a chain whose record");
    }
    let proposal = chain.proposal("ada", generate(1));
    chain.carry_out(generate(2)).unwrap();
    let early = Event::Approved(chain.verdict("grace", Decision::Approve, proposal.id()));
    chain.write(Event::Proposed(proposal.signed().clone())).unwrap();
    assert_refused(chain.write(early), "grace's verdict was made before the proposal stood in the chain");
    let text = VerdictText {
        head: ChainHead { link: Octets([9; 32]), ..chain.register.head() },
        ..Verdict::read(chain.verdict("grace", Decision::Approve, proposal.id())).unwrap().text().clone()
    };
    let elsewhere = key("grace").judge(&text).unwrap();
    assert_refused(chain.write(Event::Approved(elsewhere.signed().clone())), "upon a chain whose record");
    chain.approve("grace", proposal.id()).unwrap();
}

#[test]
fn one_officer_stops_a_key_and_nothing_else_goes_that_way() {
    let mut chain = Chain::new();
    chain.bring(0, State::Active);
    assert_eq!(chain.kids_at(chain.now), [kid(0)]);
    assert_refused(chain.propose("ada", compromise(0)), "the text of the event is not one to propose");
    assert_refused(chain.stop("ada", destroy(0)), "not one to stop a key by one officer alone");
    assert_refused(chain.stop("joan", compromise(0)), "joan is no officer");
    let proposal = chain.proposal("ada", compromise(0));
    chain.write(Event::Emergency(proposal.signed().clone())).unwrap();
    assert_eq!((chain.state(0), chain.kids_at(chain.now)), (State::Compromised, vec![]));
    assert_refused(chain.write(Event::Emergency(proposal.signed().clone())), "is there already");
    assert_refused(chain.stop("hedy", compromise(0)), "the key dsc-0 is compromised");
}

#[test]
fn what_came_of_a_change_belongs_to_it() {
    let mut chain = Chain::new();
    let id = chain.propose("ada", generate(0)).unwrap();
    chain.approve("grace", id).unwrap();
    assert_refused(chain.execute(id, Outcome::Done), "the public key of the kind that was asked for");
    let rsa = GeneratedKey::of(&PublicKey::from_rsa_parts(&[0xc5; 256], &[1, 0, 1]).unwrap()).unwrap();
    assert_refused(chain.execute(id, Outcome::Generated(rsa)), "the public key of the kind that was asked for");
    chain.execute(id, outcome_of(&generate(0))).unwrap();
    let id = chain.propose("ada", generate(1)).unwrap();
    chain.approve("grace", id).unwrap();
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "a key that was not there before");
    let id = chain.propose("ada", certify(0)).unwrap();
    chain.approve("grace", id).unwrap();
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "does not belong to certify: no key");
}

#[test]
fn what_failed_has_changed_nothing_and_is_not_tried_again() {
    let mut chain = Chain::new();
    let id = chain.propose("ada", generate(0)).unwrap();
    chain.approve("grace", id).unwrap();
    chain.execute(id, Outcome::Failed { reason: "the token is full".parse().unwrap() }).unwrap();
    assert!(chain.register.key(&name(0)).is_none());
    assert_refused(chain.execute(id, outcome_of(&generate(0))), "has ended: it was tried, and failed");
    chain.carry_out(generate(0)).unwrap();
}

#[test]
fn what_is_pending_says_who_approved_and_until_when() {
    let mut chain = Chain::new();
    chain.carry_out(roster_change(&["joan"], &[], 2)).unwrap();
    let first = chain.propose("ada", generate(0)).unwrap();
    chain.now = chain.now.plus_seconds(5);
    let second = chain.propose("grace", generate(1)).unwrap();
    chain.approve("hedy", first).unwrap();
    let pending = chain.register.pending(chain.now);
    assert_eq!(pending.iter().map(|pending| pending.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!((pending[0].proposer, &pending[0].approvers), (&label("ada"), &vec![&label("hedy")]));
    assert_eq!((pending[0].needed, pending[0].until), (2, MIDNIGHT.plus_seconds(3_600)));
    assert!(pending[0].contradiction.is_none());
}

#[test]
fn a_chain_is_read_again_as_it_was_written_and_a_touched_one_is_damaged() {
    let mut chain = Chain::new();
    chain.bring(0, State::Active);
    chain.carry_out(roster_change(&["joan"], &["hedy"], 1)).unwrap();
    let mut again = Register::new(three());
    for (event, at, head) in &chain.written {
        again.follow(Some(event), *at, *head).unwrap();
    }
    assert_eq!(summary(&again), summary(&chain.register));
    let mut without = Register::new(three());
    let mut rest = chain.written.iter().filter(|(event, ..)| !matches!(event, Event::Approved(_)));
    let damaged = rest.find_map(|(event, at, head)| without.follow(Some(event), *at, *head).err()).unwrap();
    assert_eq!(damaged.to_string(), "the custody chain is damaged at record 3: it has 0 of 1 approvals");
    assert!(matches!(damaged.source, Misfit::Refused(Refusal::NotEnough { .. })));
}
