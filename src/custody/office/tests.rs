//! Offices over one store, officers who sign, and a token that does what it is told.

mod chain;
mod replicas;
mod rules;

use std::collections::BTreeMap;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::custody::development::{DevelopmentCsca, DscRequest};
use crate::custody::register::{End, State};
use crate::domain::officers::fixture::{MIDNIGHT, key, label, three};
use crate::domain::officers::{
    Activation, Certification, Consent, GeneratedKey, Generation, KeyKind, KeyName, Label, Outcome, ProposalText, Subject,
    VerdictText,
};
use crate::domain::{CertificateTypes, ClockStopped, Dsc, Kid, Octets, PublicKey, Signature};
use crate::encode::specimen::Specimen;
use crate::ledger::store::sqlite::SqliteStore;
use crate::token::{Managed, Management, Task};

const DAY: i64 = 86_400;
/// Long enough that no test machine is slower, where nothing is about it.
const LEAD: Duration = Duration::from_secs(60);

/// A clock that a test sets.
#[derive(Debug)]
struct SetClock(AtomicI64);

impl SetClock {
    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }

    fn signing_time(&self) -> Result<NumericDate, ClockStopped> {
        Ok(self.now())
    }
}

/// A token: it does each consent once, and remembers.
#[derive(Debug, Default)]
struct Tokens {
    keys: Lock<BTreeMap<Label, EcdsaKeyPair>>,
    /// What it did, by proposal.
    done: Lock<BTreeMap<ProposalId, Result<Managed, NotDone>>>,
    /// What it was asked to do, and did.
    executed: AtomicU32,
    /// It does not answer for now.
    is_down: AtomicBool,
    /// It never answers.
    hangs: AtomicBool,
}

impl Tokens {
    fn public(&self, label: &Label) -> PublicKey {
        public(&self.keys.lock().unwrap()[label])
    }

    fn executed(&self) -> u32 {
        self.executed.load(Ordering::SeqCst)
    }

    fn execute(&self, consent: &Consent) -> Result<Managed, NotDone> {
        let proposal = Proposal::read(consent.proposal.clone()).unwrap();
        let mut done = self.done.lock().unwrap();
        done.entry(proposal.id()).or_insert_with(|| self.execute_once(proposal.change().clone())).clone()
    }

    fn execute_once(&self, change: Change) -> Result<Managed, NotDone> {
        self.executed.fetch_add(1, Ordering::SeqCst);
        let mut keys = self.keys.lock().unwrap();
        match change {
            Change::Generate(generation) if keys.contains_key(&generation.label) => {
                Err(NotDone { reason: "the label is taken".to_owned(), may_retry: false })
            }
            Change::Generate(generation) => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let generated = GeneratedKey::of(&public(&key)).unwrap();
                keys.insert(generation.label, key);
                Ok(Managed::Generated { key: generated, request: b"request".to_vec() })
            }
            Change::Destroy(_) => Ok(Managed::Destroyed),
            Change::ChangePin { .. } => Ok(Managed::PinChanged),
            Change::InitialiseToken { .. } => Ok(Managed::Initialised),
            other => panic!("{other:?} is no token's"),
        }
    }

    fn answer(&self, errand: &Management) -> Result<Managed, NotDone> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(NotDone { reason: "it does not answer".to_owned(), may_retry: true });
        }
        match &errand.task {
            Task::Execute | Task::ExecuteOn { .. } => self.execute(&errand.consent),
            Task::Request => Ok(Managed::Requested { request: b"request".to_vec() }),
            Task::Specimen { iat } => {
                let proposal = Proposal::read(errand.consent.proposal.clone()).unwrap();
                let Change::Certify(certified) = proposal.change() else { panic!("a specimen is of a certificate") };
                let digest = Specimen::of(&Dsc::from_der(&certified.certificate).unwrap(), *iat).digest();
                let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
                let signature = self.keys.lock().unwrap()[&certified.label].sign_digest(&digest).unwrap();
                Ok(Managed::Specimen { signature: Signature::new(signature.as_ref().to_vec()) })
            }
        }
    }
}

fn public(key: &EcdsaKeyPair) -> PublicKey {
    PublicKey::P256 { point: key.public_key().as_ref().try_into().unwrap() }
}

impl Hands for Tokens {
    fn has(&self, token: &Label) -> bool {
        token.as_str() == "hsm-a"
    }

    fn manage(&self, _token: &Label, errand: Management) -> HandsFuture {
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(self.answer(&errand)))
    }
}

/// A replica.
struct Bench {
    _folder: Arc<TempDir>,
    store: Arc<dyn Store>,
    clock: Arc<SetClock>,
    tokens: Arc<Tokens>,
    csca: Arc<DevelopmentCsca<rcgen::KeyPair>>,
    office: Arc<Office>,
    task: OfficeTask,
}

async fn store_in(folder: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap())
}

impl Bench {
    async fn new() -> Self {
        Self::with(|store| store, three(), LEAD).await
    }

    async fn of(roster: Roster) -> Self {
        Self::with(|store| store, roster, LEAD).await
    }

    async fn with(wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>, roster: Roster, lead: Duration) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let store = wrap(store_in(&folder).await);
        let clock = Arc::new(SetClock(AtomicI64::new(MIDNIGHT.seconds())));
        let tokens = Arc::new(Tokens::default());
        let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), MIDNIGHT).unwrap();
        let (office, task) = Office::start(parts(&store, &clock, &tokens, roster, lead)).await;
        Self { _folder: folder, store, clock, tokens, csca: Arc::new(csca), office, task }
    }

    /// Another replica over the same store, with the same token.
    async fn beside(&self) -> Self {
        self.beside_with(LEAD).await
    }

    async fn beside_with(&self, lead: Duration) -> Self {
        let parts = parts(&self.store, &self.clock, &self.tokens, three(), lead);
        let (office, task) = Office::start(parts).await;
        let Self { _folder, store, clock, tokens, csca, .. } = self;
        let (folder, store, clock) = (Arc::clone(_folder), Arc::clone(store), Arc::clone(clock));
        Self { _folder: folder, store, clock, tokens: Arc::clone(tokens), csca: Arc::clone(csca), office, task }
    }

    async fn register(&self) -> Arc<Register> {
        self.office.read().await.unwrap()
    }

    async fn text(&self, officer: &str, change: Change) -> ProposalText {
        let (register, now) = (self.register().await, self.clock.now());
        ProposalText {
            v: 1,
            change,
            officer: label(officer),
            made_at: now,
            valid_until: now.plus_seconds(3_600),
            roster: register.roster().number(),
            head: register.head(),
            nonce: Octets(rand::random()),
        }
    }

    async fn signed(&self, officer: &str, change: Change) -> SignedText {
        key(officer).propose(&self.text(officer, change).await).unwrap().signed().clone()
    }

    async fn propose(&self, officer: &str, change: Change) -> Result<ProposalId, OfficeError> {
        let against = Against { cscas: vec![self.csca.der().to_vec()], trust_list: None };
        let signed = self.signed(officer, change).await;
        self.office.propose(signed, Some(against)).await.map(|proposed| proposed.id)
    }

    async fn verdict(&self, officer: &str, decision: Decision, proposal: ProposalId) -> SignedText {
        let (made_at, head) = (self.clock.now(), self.register().await.head());
        let text = VerdictText { v: 1, decision, proposal, officer: label(officer), made_at, head };
        key(officer).judge(&text).unwrap().signed().clone()
    }

    async fn approve(&self, officer: &str, proposal: ProposalId) -> Result<Decided, OfficeError> {
        self.office.decide(self.verdict(officer, Decision::Approve, proposal).await, None).await
    }

    async fn reject(&self, officer: &str, proposal: ProposalId) -> Result<Decided, OfficeError> {
        self.office.decide(self.verdict(officer, Decision::Reject, proposal).await, None).await
    }

    /// As it should be done: ada proposes, grace approves.
    async fn carry_out(&self, change: Change) -> Decided {
        let id = self.propose("ada", change).await.unwrap();
        self.approve("grace", id).await.unwrap()
    }

    fn certify(&self, name: &str, types: &[crate::domain::CertificateType]) -> Change {
        let public_key = self.tokens.public(&label(name));
        Change::Certify(Certification { label: label(name), certificate: self.certificate(&public_key, types) })
    }

    fn certificate(&self, public_key: &PublicKey, types: &[crate::domain::CertificateType]) -> Vec<u8> {
        let (not_before, not_after) = (MIDNIGHT.plus_seconds(-DAY), MIDNIGHT.plus_seconds(730 * DAY));
        let request = DscRequest { common_name: "DSC".to_owned(), types: types.to_vec(), not_before, not_after };
        self.csca.issue(public_key, &request).unwrap()
    }

    /// A key that signs from the next minute on; its kid.
    async fn active(&self, name: &str) -> Kid {
        self.carry_out(generate(name)).await;
        self.carry_out(self.certify(name, &[])).await;
        let now = self.clock.now();
        let kid = self.register().await.key(&label(name)).unwrap().kid().unwrap();
        self.carry_out(Change::Publish { kid, at: now }).await;
        self.carry_out(activate(kid, now.plus_seconds(61))).await;
        self.clock.pass(61);
        kid
    }

    async fn state(&self, name: &str) -> Option<State> {
        self.register().await.key(&label(name)).map(|key| key.state(self.clock.now()))
    }
}

fn parts(
    store: &Arc<dyn Store>,
    clock: &Arc<SetClock>,
    tokens: &Arc<Tokens>,
    first_roster: Roster,
    lead: Duration,
) -> OfficeParts {
    OfficeParts {
        store: Arc::clone(store),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        first_roster,
        lead,
        hands: Arc::clone(tokens) as Arc<dyn Hands>,
        revoker: None,
        audit: None,
        known: KnownKids::new(),
    }
}

fn generate(name: &str) -> Change {
    let common_name = format!("DSC of {name}").parse().unwrap();
    let subject = Subject { country: "FR".parse().unwrap(), organization: Some("Ministry".parse().unwrap()), common_name };
    let types = CertificateTypes::ANY;
    Change::Generate(Generation { label: label(name), token: label("hsm-a"), key: KeyKind::P256, subject, types })
}

fn activate(kid: Kid, from: NumericDate) -> Change {
    Change::Activate(Activation { kid, from, to: None, types: CertificateTypes::ANY, weight: 1 })
}

fn compromise(kid: Kid) -> Change {
    Change::Compromise { kid, reason: "a stolen backup".parse().unwrap() }
}

#[track_caller]
fn assert_refused(result: Result<impl std::fmt::Debug, OfficeError>, reason: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}
