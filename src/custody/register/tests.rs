//! A chain of custody in memory, and officers who write it.

mod approvals;
mod keys;
mod properties;
mod windows;

use std::sync::LazyLock;

use rcgen::{KeyPair, PublicKeyData};

use super::*;
use crate::custody::development::{DevelopmentCsca, DscRequest};
use crate::domain::officers::fixture::{MIDNIGHT, key, label, proposing, roster_change, three};
use crate::domain::officers::{
    Activation, Certification, Change, Decision, GeneratedKey, Generation, KeyKind, KeyName, Outcome, Proposal, ProposalText,
    Refusal, SignedText, Subject, Verdict, VerdictText,
};
use crate::domain::{CertificateType, Country, Digest, Kid, PublicKey};

const DAY: i64 = 86_400;

/// A DSC's key and its certificate, made once for all tests: valid from the day before [`MIDNIGHT`] for two years.
struct Made {
    public_key: PublicKey,
    certificate: Vec<u8>,
}

impl Made {
    fn kid(&self) -> Kid {
        Kid::of_der(&self.certificate)
    }
}

fn point() -> PublicKey {
    PublicKey::P256 { point: KeyPair::generate().unwrap().der_bytes().try_into().unwrap() }
}

fn certificate(public_key: &PublicKey, country: &str, types: &[CertificateType], not_after: NumericDate) -> Vec<u8> {
    static CSCA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
    let country: Country = country.parse().unwrap();
    let csca = DevelopmentCsca::new(&*CSCA, country, MIDNIGHT).unwrap();
    let not_before = MIDNIGHT.plus_seconds(-DAY);
    let request = DscRequest { common_name: "DSC".to_owned(), types: types.to_vec(), not_before, not_after };
    csca.issue(public_key, &request).unwrap()
}

fn end() -> NumericDate {
    MIDNIGHT.plus_seconds(730 * DAY)
}

static MADE: LazyLock<[Made; 4]> = LazyLock::new(|| {
    std::array::from_fn(|_| {
        let public_key = point();
        Made { certificate: certificate(&public_key, "FR", &[], end()), public_key }
    })
});

fn name(index: usize) -> Label {
    label(&format!("dsc-{index}"))
}

fn kid(index: usize) -> Kid {
    MADE[index].kid()
}

fn any() -> CertificateTypes {
    CertificateTypes::ANY
}

fn generate(index: usize) -> Change {
    let subject =
        Subject { country: "FR".parse().unwrap(), organization: None, common_name: format!("DSC {index}").parse().unwrap() };
    Change::Generate(Generation { label: name(index), token: label("hsm-a"), key: KeyKind::P256, subject, types: any() })
}

fn certify(index: usize) -> Change {
    Change::Certify(Certification { label: name(index), certificate: MADE[index].certificate.clone() })
}

fn publish(index: usize, at: NumericDate) -> Change {
    Change::Publish { kid: kid(index), at }
}

fn activate(index: usize, from: NumericDate, to: Option<NumericDate>) -> Change {
    Change::Activate(Activation { kid: kid(index), from, to, types: any(), weight: 1 })
}

fn retire(index: usize, at: NumericDate) -> Change {
    Change::Retire { kid: kid(index), at }
}

fn compromise(index: usize) -> Change {
    Change::Compromise { kid: kid(index), reason: "a stolen backup".parse().unwrap() }
}

fn destroy(index: usize) -> Change {
    Change::Destroy(KeyName::Kid(kid(index)))
}

/// The chain, its register, and the time.
struct Chain {
    register: Register,
    now: NumericDate,
    nonce: u8,
    written: Vec<(Event, NumericDate, ChainHead)>,
}

impl Chain {
    fn new() -> Self {
        Self { register: Register::new(three()), now: MIDNIGHT, nonce: 0, written: Vec::new() }
    }

    /// Writes an event where it is admitted; where it is not, nothing may have changed.
    fn write(&mut self, event: Event) -> Result<(), Misfit> {
        let before = summary(&self.register);
        if let Err(misfit) = self.register.admit(&event, self.now, 0) {
            assert!(self.register.apply(&event, self.now).is_err());
            assert_eq!(summary(&self.register), before);
            return Err(misfit);
        }
        let seq = self.register.head().seq + 1;
        let head = ChainHead { seq, link: Digest::of(&seq.to_be_bytes()).into() };
        self.register.follow(Some(&event), self.now, head).unwrap();
        self.written.push((event, self.now, head));
        Ok(())
    }

    fn text(&mut self, officer: &str, change: Change) -> ProposalText {
        self.nonce = self.nonce.wrapping_add(1);
        let mut text = proposing(officer, change);
        (text.made_at, text.valid_until) = (self.now, self.now.plus_seconds(3_600));
        (text.roster, text.head) = (self.register.roster().number(), self.register.head());
        text.nonce = Octets([self.nonce; 16]);
        text
    }

    fn proposal(&mut self, officer: &str, change: Change) -> Proposal {
        key(officer).propose(&self.text(officer, change)).unwrap()
    }

    fn propose(&mut self, officer: &str, change: Change) -> Result<ProposalId, Misfit> {
        let proposal = self.proposal(officer, change);
        self.write(Event::Proposed(proposal.signed().clone()))?;
        Ok(proposal.id())
    }

    fn verdict(&self, officer: &str, decision: Decision, proposal: ProposalId) -> SignedText {
        let (made_at, head) = (self.now, self.register.head());
        let text = VerdictText { v: 1, decision, proposal, officer: label(officer), made_at, head };
        key(officer).judge(&text).unwrap().signed().clone()
    }

    fn approve(&mut self, officer: &str, proposal: ProposalId) -> Result<(), Misfit> {
        self.write(Event::Approved(self.verdict(officer, Decision::Approve, proposal)))
    }

    fn reject(&mut self, officer: &str, proposal: ProposalId) -> Result<(), Misfit> {
        self.write(Event::Rejected(self.verdict(officer, Decision::Reject, proposal)))
    }

    fn execute(&mut self, proposal: ProposalId, outcome: Outcome) -> Result<(), Misfit> {
        self.write(Event::Executed { proposal, outcome })
    }

    fn stop(&mut self, officer: &str, change: Change) -> Result<(), Misfit> {
        let proposal = self.proposal(officer, change);
        self.write(Event::Emergency(proposal.signed().clone()))
    }

    /// Does a change as it should be done: ada proposes it, grace approves it.
    fn carry_out(&mut self, change: Change) -> Result<(), Misfit> {
        let outcome = outcome_of(&change);
        let id = self.propose("ada", change)?;
        self.approve("grace", id)?;
        self.execute(id, outcome)
    }

    /// Brings a key as far as a state, with an open window from a second from now on.
    fn bring(&mut self, index: usize, state: State) {
        let soon = self.now.plus_seconds(1);
        let steps = [generate(index), certify(index), publish(index, self.now), activate(index, soon, None), retire(index, soon)];
        for change in steps.into_iter().take(state as usize + 1) {
            self.carry_out(change).unwrap();
        }
        self.now = soon;
    }

    fn state(&self, index: usize) -> State {
        self.register.key(&name(index)).unwrap().state(self.now)
    }

    fn kids_at(&self, iat: NumericDate) -> Vec<Kid> {
        self.register.keys_at(iat).map(|key| key.dsc.kid()).collect()
    }
}

/// Everything that an event can change, short: certificates by their kid.
fn summary(register: &Register) -> String {
    let key = |key: &Key| {
        let stops = (key.destroyed_at(), key.compromised_at());
        format!("{} {:?} {:?} {:?} {stops:?}", key.label(), key.kid(), key.published_at(), key.used())
    };
    let keys: Vec<String> = register.keys().map(key).collect();
    let filed = |filed: &Filed| (filed.proposal().id(), filed.approvals().len(), filed.end().cloned());
    let proposals: Vec<_> = register.proposals.values().map(filed).collect();
    let roster = (register.roster(), register.roster_history().steps().len());
    format!("{keys:?} {proposals:?} {roster:?} {:?}", register.head())
}

/// What a token answers.
fn outcome_of(change: &Change) -> Outcome {
    match change {
        Change::Generate(generation) => {
            let index = (0..MADE.len()).find(|index| name(*index) == generation.label).unwrap();
            Outcome::Generated(GeneratedKey::of(&MADE[index].public_key).unwrap())
        }
        _ => Outcome::Done,
    }
}

fn instant(text: &str) -> NumericDate {
    NumericDate::from_rfc3339(text).unwrap()
}

#[track_caller]
fn assert_refused(result: Result<impl std::fmt::Debug, Misfit>, reason: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}
