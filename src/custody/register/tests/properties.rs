//! What holds whatever officers, strangers and clocks do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::officers::fixture::NAMES;
use crate::domain::officers::{Role, RosterChange};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Something that somebody tries.
#[derive(Clone, Debug)]
enum Attempt {
    /// Proposes a change by its number, among those that fit or among all, in a name, with a key.
    Propose { change: u8, fits: bool, name: usize, key: usize },
    /// Writes a verdict on a proposal by its number: in a name, with a key, signed in a role, as an event.
    Judge { proposal: usize, name: usize, key: usize, approves: bool, role: u8, as_approval: bool },
    /// Says that a proposal was executed.
    Execute { proposal: usize, fails: bool },
    /// Stops a key, alone.
    Stop { key_index: usize, name: usize, key: usize },
    /// Writes an earlier event once more.
    Replay { event: usize },
    /// Time goes by; it may go back.
    Wait { seconds: i64 },
}

/// Officers are the first three of five; mostly each signs in their own name.
fn person() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![9 => (0..5_usize).prop_map(|one| (one, one)), 1 => (0..5_usize, 0..5_usize)]
}

/// By its number, the last one first.
fn proposal() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 1 => 0..6_usize]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let judged = (proposal(), person(), prop::bool::weighted(0.9), 0..30_u8, prop::bool::weighted(0.95));
    prop_oneof![
        4 => (0..14_u8, prop::bool::weighted(0.8), person()).prop_map(|(change, fits, (name, key))| Attempt::Propose { change, fits, name, key }),
        8 => judged.prop_map(|(proposal, (name, key), approves, role, straight)| {
            Attempt::Judge { proposal, name, key, approves, role, as_approval: approves == straight }
        }),
        6 => (proposal(), prop::bool::weighted(0.05)).prop_map(|(proposal, fails)| Attempt::Execute { proposal, fails }),
        1 => (0..2_usize, person()).prop_map(|(key_index, (name, key))| Attempt::Stop { key_index, name, key }),
        1 => (0..40_usize).prop_map(|event| Attempt::Replay { event }),
        1 => prop_oneof![0..20_i64, -20..4_000_i64].prop_map(|seconds| Attempt::Wait { seconds }),
    ]
}

fn change(number: u8, now: NumericDate) -> Change {
    let index = usize::from(number % 2);
    match number / 2 {
        0 => generate(index),
        1 => certify(index),
        2 => publish(index, now),
        3 => activate(index, now.plus_seconds(5), Some(now.plus_seconds(500))),
        4 => retire(index, now.plus_seconds(3)),
        5 => destroy(index),
        _ if index == 0 => roster_change(&["joan"], &["hedy"], 1),
        _ => roster_change(&["mary"], &[], 2),
    }
}

/// The chain with every proposal and event that was tried, in order.
struct Attack {
    chain: Chain,
    proposals: Vec<Proposal>,
    events: Vec<Event>,
}

impl Attack {
    fn change(&self, number: u8, fits: bool) -> Change {
        let (register, now) = (&self.chain.register, self.chain.now);
        let fitting = (0..14).map(|other| change(other, now)).filter(|change| register.check(change, now, 0).is_ok());
        let fitting: Vec<Change> = if fits { fitting.collect() } else { Vec::new() };
        fitting.get(usize::from(number) % fitting.len().max(1)).cloned().unwrap_or_else(|| change(number, now))
    }

    fn event(&mut self, attempt: &Attempt) -> Option<Event> {
        let is_filed = |proposal: &&Proposal| self.chain.register.proposal(proposal.id()).is_some();
        let filed = |proposal: usize, proposals: &[Proposal]| proposals.iter().rev().filter(is_filed).nth(proposal).cloned();
        match *attempt {
            Attempt::Propose { change: number, fits, name, key: signer } => {
                let wanted = self.change(number, fits);
                let proposal = key(NAMES[signer]).propose(&self.chain.text(NAMES[name], wanted)).unwrap();
                self.proposals.push(proposal.clone());
                Some(Event::Proposed(proposal.signed().clone()))
            }
            Attempt::Judge { proposal, name, key: signer, approves, role, as_approval } => {
                let proposal = filed(proposal, &self.proposals)?;
                let decision = if approves { Decision::Approve } else { Decision::Reject };
                let text = self.chain.verdict(NAMES[name], decision, proposal.id()).text;
                let role =
                    [Role::Propose, Role::Approve, Role::Reject].get(usize::from(role)).copied().unwrap_or(decision.role());
                let signed = key(NAMES[signer]).sign(role, text);
                Some(if as_approval { Event::Approved(signed) } else { Event::Rejected(signed) })
            }
            Attempt::Execute { proposal, fails } => {
                let proposal = filed(proposal, &self.proposals)?;
                let outcome =
                    if fails { Outcome::Failed { reason: "x".parse().unwrap() } } else { outcome_of(proposal.change()) };
                Some(Event::Executed { proposal: proposal.id(), outcome })
            }
            Attempt::Stop { key_index, name, key: signer } => {
                let proposal = key(NAMES[signer]).propose(&self.chain.text(NAMES[name], compromise(key_index))).unwrap();
                Some(Event::Emergency(proposal.signed().clone()))
            }
            Attempt::Replay { event } => self.events.get(event).cloned(),
            Attempt::Wait { seconds } => {
                self.chain.now = self.chain.now.plus_seconds(seconds);
                None
            }
        }
    }
}

/// What a reader of the chain counts for itself, knowing keys and texts and none of the register's code.
struct Count {
    officers: BTreeSet<String>,
    quorum: usize,
    number: u32,
    approvals: BTreeMap<ProposalId, BTreeSet<String>>,
}

impl Count {
    fn new(quorum: u32) -> Self {
        let officers = NAMES[..3].iter().map(|name| (*name).to_owned()).collect();
        Self { officers, quorum: quorum as usize, number: 0, approvals: BTreeMap::new() }
    }

    /// Takes an event that the register let pass, and objects.
    fn take(&mut self, event: &Event, proposals: &[Proposal]) {
        match event {
            Event::Approved(signed) => {
                let text: serde_json::Value = serde_json::from_str(&signed.text).unwrap();
                let name = text["officer"].as_str().unwrap();
                assert!(key(name).public().has_signed(Role::Approve, signed), "{name} did not sign");
                let id = text["proposal"].as_str().unwrap().parse().unwrap();
                self.approvals.entry(id).or_default().insert(name.to_owned());
            }
            Event::Executed { proposal, outcome } => {
                let proposal = proposals.iter().find(|other| other.id() == *proposal).unwrap();
                self.executed(proposal);
                if let (Change::Roster(change), Outcome::Done) = (proposal.change(), outcome) {
                    self.change(change);
                }
            }
            Event::Proposed(_) | Event::Rejected(_) | Event::Emergency(_) => {}
        }
    }

    fn executed(&self, proposal: &Proposal) {
        let text = proposal.text();
        assert_eq!(text.roster, self.number);
        assert!(self.officers.contains(text.officer.as_str()));
        assert!(key(text.officer.as_str()).public().has_signed(Role::Propose, proposal.signed()));
        let none = BTreeSet::new();
        let approvers = self.approvals.get(&proposal.id()).unwrap_or(&none);
        let counted = approvers.iter().filter(|name| self.officers.contains(*name) && **name != text.officer.as_str()).count();
        assert!(counted >= self.quorum, "{counted} of {} approved it", self.quorum);
    }

    fn change(&mut self, change: &RosterChange) {
        self.officers.retain(|name| !change.remove.iter().any(|gone| gone.as_str() == name));
        self.officers.extend(change.add.iter().map(|officer| officer.name.to_string()));
        (self.quorum, self.number) = (change.quorum as usize, self.number + 1);
    }
}

/// Tries everything in order, under three officers; gives what was executed, by name.
fn attack(quorum: u32, attempts: &[Attempt]) -> Vec<&'static str> {
    let first = Roster::new(three().officers().to_vec(), quorum, 86_400).unwrap();
    let chain = Chain { register: Register::new(first.clone()), ..Chain::new() };
    let mut attack = Attack { chain, proposals: Vec::new(), events: Vec::new() };
    let mut count = Count::new(quorum);
    let mut executed = Vec::new();
    for attempt in attempts {
        let Some(event) = attack.event(attempt) else { continue };
        attack.events.push(event.clone());
        if attack.chain.write(event.clone()).is_ok() {
            count.take(&event, &attack.proposals);
            if let Event::Executed { proposal, .. } = event {
                let proposal = attack.proposals.iter().find(|other| other.id() == proposal).unwrap();
                executed.push(proposal.change().name());
            }
        }
    }
    let mut again = Register::new(first.clone());
    for (event, at, head) in &attack.chain.written {
        again.follow(Some(event), *at, *head).unwrap();
    }
    assert_eq!(summary(&again), summary(&attack.chain.register));
    assert_eq!(again.roster_history().roster(&first).as_ref(), Ok(attack.chain.register.roster()));
    executed
}

/// A change that two officers agree on, at a time.
fn agreed() -> impl Strategy<Value = (u8, i64)> {
    (0..14_u8, prop_oneof![Just(0), 0..8_i64, 0..600_i64])
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn nothing_is_executed_without_a_quorum_of_other_officers(quorum in 1..=2_u32, attempts in vec(attempt(), 1..120)) {
        attack(quorum, &attempts);
    }

    #[test]
    fn no_state_goes_back_and_windows_hold_their_beginning_and_not_their_end(changes in vec(agreed(), 1..40)) {
        let mut chain = Chain::new();
        let mut states = [State::Generated; 2];
        for (number, seconds) in changes {
            chain.now = chain.now.plus_seconds(seconds);
            let change = if number < 12 { change(number, chain.now) } else { compromise(usize::from(number % 2)) };
            let _refused_or_done = if change.is_emergency() { chain.stop("ada", change) } else { chain.carry_out(change) };
            for (index, state) in states.iter_mut().enumerate() {
                let Some(key) = chain.register.key(&name(index)) else { continue };
                prop_assert!(key.state(chain.now) >= *state, "{} after {}", key.state(chain.now), state);
                *state = key.state(chain.now);
                let Some(window) = key.used().map(|used| used.window) else { continue };
                let signs = |iat: NumericDate| chain.register.keys_at(iat).any(|other| other.label == key.label());
                let may = window.from < window.to && *state < State::Destroyed;
                prop_assert_eq!(signs(window.from), may);
                prop_assert_eq!(signs(window.to.plus_seconds(-1)), may);
                prop_assert!(!signs(window.to) && !signs(window.from.plus_seconds(-1)));
            }
        }
    }
}

/// The attempts reach far enough to mean something.
#[test]
fn the_attack_gets_changes_through_where_officers_agree() {
    let mut attempts = Vec::new();
    for number in [0, 2, 4, 6, 12, 1] {
        attempts.push(Attempt::Propose { change: number, fits: false, name: 0, key: 0 });
        let straight = |name| Attempt::Judge { proposal: 0, name, key: name, approves: true, role: 9, as_approval: true };
        attempts.extend([straight(0), straight(1), Attempt::Execute { proposal: 0, fails: false }]);
    }
    assert_eq!(attack(1, &attempts), ["generate", "certify", "publish", "activate", "roster", "generate"]);
}
