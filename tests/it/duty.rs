//! The keyring follows the register: keys come, sign in their windows, go, and are stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sceau::custody::duty::{Duty, DutyView, Holding, KeyHolder, Post, Settings};
use sceau::custody::office::{Standing, Unreadable};
use sceau::custody::register::{Papers, Register, StopOrder};
use sceau::domain::officers::{
    Activation, Certification, ChainHead, Change, Consent, Decision, Event, GeneratedKey, Generation, KeyKind, Label, Officer,
    OfficerKey, Outcome, Proposal, ProposalText, Roster, Subject, VerdictText,
};
use sceau::domain::{CertificateTypes, Clock, Dsc, Kid, NumericDate, Octets, UvciMaker};
use sceau::ledger::store::StoreError;
use sceau::sign::{ItemError, ItemOutcome, LiveKeyring, Signer, SigningKey, Station};
use sceau::token::software::SoftwareToken;
use sceau::token::{Disposition, Order, Readiness, SessionId, SignFuture, Token, TokenError, TokenKey};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::rotation::SetClock;
use crate::support::{TestDsc, VACCINATION, batch, issue, settings, signing_time};

const DAY: i64 = 86_400;

/// Long enough that it is over only where something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

/// A token in memory that takes keys, and may be told not to.
#[derive(Debug)]
struct Vault {
    keys: Arc<SoftwareToken>,
    dscs: Vec<Dsc>,
    roster: Roster,
    /// How often it says no before it takes a key.
    refusals: AtomicUsize,
    /// How often it does not answer to an order to stop.
    deaf: AtomicUsize,
    asked: AtomicUsize,
    admitted: Mutex<BTreeSet<Kid>>,
    stopped: Mutex<BTreeSet<Kid>>,
}

impl Vault {
    fn down(why: &str) -> TokenError {
        TokenError::Down { token: "hsm-a".to_owned(), reason: why.to_owned() }
    }

    fn judge(&self, consent: &Consent) -> Change {
        let at = Proposal::read(consent.proposal.clone()).unwrap().text().made_at;
        consent.judge(&self.roster, at).unwrap().change().clone()
    }

    fn take(&self, papers: &Papers) -> Result<TokenKey, TokenError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.refusals.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Self::down("it will not have it"));
        }
        assert!(matches!(self.judge(&papers.generation), Change::Generate(_)));
        let Change::Certify(Certification { certificate, .. }) = self.judge(&papers.certification) else { panic!() };
        let Change::Activate(Activation { kid, .. }) = self.judge(&papers.activation) else { panic!() };
        let number = self.dscs.iter().position(|dsc| dsc.der() == certificate).unwrap();
        assert_eq!(self.dscs[number].kid(), kid);
        self.admitted.lock().unwrap().insert(kid);
        Ok(self.keys.key(number).0)
    }

    fn number(&self, key: TokenKey) -> usize {
        (0..self.dscs.len()).find(|number| self.keys.key(*number).0 == key).unwrap()
    }

    fn has_stopped(&self, key: TokenKey) -> bool {
        self.stopped.lock().unwrap().contains(&self.dscs[self.number(key)].kid())
    }
}

/// Where the duty reaches it.
#[derive(Debug)]
struct Admitting(Arc<Vault>);

impl KeyHolder for Admitting {
    fn admit(&self, papers: Papers) -> Holding<TokenKey> {
        let vault = Arc::clone(&self.0);
        Box::pin(async move { vault.take(&papers) })
    }

    fn stop(&self, order: StopOrder) -> Holding<()> {
        let vault = Arc::clone(&self.0);
        Box::pin(async move {
            if vault.deaf.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(Vault::down("it does not hear"));
            }
            let proposal = Proposal::read(order.emergency).unwrap();
            let Change::Compromise { kid, .. } = proposal.change() else { panic!() };
            vault.stopped.lock().unwrap().insert(*kid);
            Ok(())
        })
    }
}

/// What batches see of it.
#[derive(Debug)]
struct Signing(Arc<Vault>);

impl Token for Signing {
    fn name(&self) -> &'static str {
        "hsm-a"
    }

    fn sign(&self, order: Order, digests: Vec<sceau::domain::Digest>) -> SignFuture {
        if self.0.has_stopped(order.key) {
            let refusal = TokenError::Worker { disposition: Disposition::StopKey, message: "the key is stopped".to_owned() };
            return Box::pin(std::future::ready(digests.iter().map(|_| Err(refusal.clone())).collect()));
        }
        self.0.keys.sign(order, digests)
    }

    fn readiness(&self, key: TokenKey) -> Readiness {
        if self.0.has_stopped(key) { Readiness::Down(Vault::down("the key is stopped")) } else { Readiness::Ready }
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

/// Two officers who agree, and what they wrote.
struct Book {
    ada: OfficerKey,
    grace: OfficerKey,
    register: Register,
    now: NumericDate,
    nonce: u8,
}

impl Book {
    fn new() -> (Self, Roster) {
        let (ada, grace) = (OfficerKey::generate(), OfficerKey::generate());
        let officer = |name, key: &OfficerKey| Officer { name: label(name), key: key.public() };
        let roster = Roster::new(vec![officer("ada", &ada), officer("grace", &grace)], 1, 3_600).unwrap();
        let register = Register::new(roster.clone());
        (Self { ada, grace, register, now: signing_time().plus_seconds(-DAY), nonce: 0 }, roster)
    }

    fn write(&mut self, event: &Event) {
        self.register.admit(event, self.now, 0).unwrap();
        let seq = self.register.head().seq + 1;
        let head = ChainHead { seq, link: Octets([seq as u8; 32]) };
        self.register.follow(Some(event), self.now, head).unwrap();
    }

    fn proposal(&mut self, change: Change) -> Proposal {
        self.nonce += 1;
        let text = ProposalText {
            v: 1,
            change,
            officer: label("ada"),
            made_at: self.now,
            valid_until: self.now.plus_seconds(3_600),
            roster: 0,
            head: self.register.head(),
            nonce: Octets([self.nonce; 16]),
        };
        self.ada.propose(&text).unwrap()
    }

    fn carry_out(&mut self, change: Change, outcome: Outcome) {
        let proposal = self.proposal(change);
        self.write(&Event::Proposed(proposal.signed().clone()));
        let (made_at, head) = (self.now, self.register.head());
        let officer = label("grace");
        let text = VerdictText { v: 1, decision: Decision::Approve, proposal: proposal.id(), officer, made_at, head };
        let verdict = self.grace.judge(&text).unwrap();
        self.write(&Event::Approved(verdict.signed().clone()));
        self.write(&Event::Executed { proposal: proposal.id(), outcome });
    }

    /// Brings a key as far as it is published.
    fn publish(&mut self, number: usize, token: &str, dsc: &Dsc) {
        let common_name = format!("DSC {number}").parse().unwrap();
        let subject = Subject { country: "FR".parse().unwrap(), organization: None, common_name };
        let (label, token) = (label(&format!("dsc-{number}")), label(token));
        let (key, types) = (KeyKind::P256, CertificateTypes::ANY);
        let generation = Generation { label: label.clone(), token, key, subject, types };
        let made = GeneratedKey::of(dsc.public_key()).unwrap();
        self.carry_out(Change::Generate(generation), Outcome::Generated(made));
        let certification = Certification { label, certificate: dsc.der().to_vec() };
        self.carry_out(Change::Certify(certification), Outcome::Done);
        self.carry_out(Change::Publish { kid: dsc.kid(), at: self.now }, Outcome::Done);
    }

    fn activate(&mut self, kid: Kid, from: NumericDate, to: Option<NumericDate>) {
        let activation = Activation { kid, from, to, types: CertificateTypes::ANY, weight: 1 };
        self.carry_out(Change::Activate(activation), Outcome::Done);
    }

    fn retire(&mut self, kid: Kid, at: NumericDate) {
        self.carry_out(Change::Retire { kid, at }, Outcome::Done);
    }

    fn compromise(&mut self, kid: Kid) {
        let proposal = self.proposal(Change::Compromise { kid, reason: "a stolen backup".parse().unwrap() });
        self.write(&Event::Emergency(proposal.signed().clone()));
    }
}

/// A replica: officers, one token, and a duty that runs.
struct Replica {
    book: Book,
    vault: Arc<Vault>,
    readings: watch::Sender<Standing>,
    view: DutyView,
    live: Arc<LiveKeyring>,
    clock: Arc<SetClock>,
    signer: Arc<Signer>,
    running: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Replica {
    /// With so many keys that are published; with none, there is one in the configuration.
    fn start(keys: usize, lead: Duration) -> Self {
        Self::start_on("hsm-a", keys, lead)
    }

    fn start_on(token: &str, keys: usize, lead: Duration) -> Self {
        let memory = Arc::new(SoftwareToken::with_keys(keys + 1));
        let dscs = issue(&memory, &vec![TestDsc::default(); keys + 1]);
        let (mut book, roster) = Book::new();
        dscs[..keys].iter().enumerate().for_each(|(number, dsc)| book.publish(number, token, dsc));
        let vault = Arc::new(Vault {
            keys: memory,
            dscs,
            roster,
            refusals: AtomicUsize::new(0),
            deaf: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            admitted: Mutex::default(),
            stopped: Mutex::default(),
        });
        let clock = Arc::new(SetClock(AtomicI64::new(signing_time().seconds())));
        let station = Station::new(Arc::new(Signing(Arc::clone(&vault))) as Arc<dyn Token>);
        let fixed = SigningKey::new(vault.dscs[keys].clone(), vec![(Arc::clone(&station), vault.keys.key(keys).0)]).unwrap();
        let post = Post { holder: Arc::new(Admitting(Arc::clone(&vault))), station };
        let register = Arc::new(book.register.clone());
        let (readings, seen) = watch::channel(Standing { register, read_at: Instant::now(), trouble: None });
        let live = Arc::new(LiveKeyring::default());
        let posts = BTreeMap::from([(label("hsm-a"), post)]);
        let fixed = if keys == 0 { vec![Arc::new(fixed)] } else { Vec::new() };
        let duty_settings = Settings { standings: seen, posts, fixed, lead };
        let duty = Duty::new(duty_settings, Arc::clone(&live), Arc::clone(&clock) as Arc<dyn Clock>);
        let view = duty.view();
        let uvci_maker = UvciMaker::new(&[3; 32]).unwrap();
        let signer = Signer::new(Arc::clone(&live), Arc::clone(&clock) as Arc<dyn Clock>, uvci_maker, settings()).unwrap();
        let running = tokio::spawn(duty.run());
        Self { book, vault, readings, view, live, clock, signer: Arc::new(signer), running }
    }

    fn kid(&self, number: usize) -> Kid {
        self.vault.dscs[number].kid()
    }

    /// The replica reads what officers have written.
    fn read(&self) {
        self.tell(None);
    }

    fn tell(&self, trouble: Option<Unreadable>) {
        let register = Arc::new(self.book.register.clone());
        // Where there is trouble nothing was read.
        let read_at = if trouble.is_none() { Instant::now() } else { self.readings.borrow().read_at };
        self.readings.send_replace(Standing { register, read_at, trouble });
    }

    fn kids(&self) -> Vec<Kid> {
        self.live.snapshot().iter().map(|key| key.dsc().kid()).collect()
    }

    async fn sign(&self, items: usize) -> Vec<ItemOutcome> {
        self.signer.sign_batch(batch(vec![VACCINATION.into(); items])).await
    }

    /// The kid of one certificate, or why there is none: the item's fault, or not.
    async fn sign_one(&self) -> Result<Kid, (bool, String)> {
        match self.sign(1).await.remove(0) {
            Ok(certificate) => Ok(certificate.kid),
            Err(ItemError::Refused(faults)) => Err((true, faults.iter().map(|fault| fault.message.clone()).collect())),
            Err(ItemError::Failed(failure)) => Err((false, failure.to_string())),
        }
    }
}

async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Keys of which each signs for some seconds of the test's clock, the one after the other, with a leap of a day among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_and_no_item_fails_and_none_is_signed_outside_its_keys_window() {
    const KEYS: usize = 8;
    let mut replica = Replica::start(KEYS, Duration::from_secs(3_600));
    let starts: Vec<NumericDate> =
        (0..=KEYS as i64).map(|n| signing_time().plus_seconds(3 * n + if n > 4 { DAY } else { 0 })).collect();
    // Each next key is put in use, and the one before retired, while that one signs.
    replica.book.activate(replica.kid(0), starts[0], None);
    replica.read();
    wait_until("the first key is there", || replica.kids().len() == 1).await;
    let (is_over, batches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let signing = tokio::spawn({
        let (signer, is_over, batches) = (Arc::clone(&replica.signer), Arc::clone(&is_over), Arc::clone(&batches));
        async move {
            let mut signed = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                for outcome in signer.sign_batch(batch(vec![VACCINATION.into(); 150])).await {
                    let certificate = outcome.expect("no item fails");
                    signed.push((certificate.issued_at, certificate.kid));
                }
                batches.fetch_add(1, Ordering::SeqCst);
            }
            signed
        }
    });
    for (number, from) in starts.iter().copied().enumerate().take(KEYS).skip(1) {
        let kid = replica.kid(number);
        replica.book.retire(replica.kid(number - 1), from);
        replica.book.activate(kid, from, None);
        replica.read();
        wait_until("the next key is there", || replica.kids().contains(&kid)).await;
        for instant in [from.plus_seconds(-1), from, from.plus_seconds(1)] {
            replica.clock.set(instant);
            // Of two that end from now on, one began at that instant.
            let before = batches.load(Ordering::SeqCst);
            wait_until("batches are signed", || batches.load(Ordering::SeqCst) >= before + 2).await;
        }
    }
    is_over.store(true, Ordering::SeqCst);
    let signed = signing.await.unwrap();
    let mut kids = BTreeSet::new();
    for (issued_at, kid) in &signed {
        let number = (0..KEYS).find(|number| replica.kid(*number) == *kid).unwrap();
        assert!(starts[number] <= *issued_at && *issued_at < starts[number + 1], "{number}: {issued_at}");
        kids.insert(*kid);
    }
    assert_eq!(kids.len(), KEYS, "{} items", signed.len());
    // Those that are long over are gone.
    assert!(replica.kids().len() < KEYS, "{:?}", replica.kids());
}

#[tokio::test]
async fn a_key_that_its_token_does_not_take_leaves_the_others_and_is_tried_again() {
    let mut replica = Replica::start(2, Duration::from_secs(3_600));
    replica.book.activate(replica.kid(0), signing_time(), None);
    replica.read();
    wait_until("the first key is there", || replica.kids().len() == 1).await;
    replica.vault.refusals.store(2, Ordering::SeqCst);
    replica.book.retire(replica.kid(0), signing_time().plus_seconds(10));
    replica.book.activate(replica.kid(1), signing_time().plus_seconds(10), None);
    replica.read();
    wait_until("it is told", || replica.view.absent().iter().any(|absent| absent.reason.contains("will not have it"))).await;
    assert_eq!(replica.view.absent()[0].kid, replica.kid(1));
    assert_eq!(replica.sign_one().await, Ok(replica.kid(0)));
    // Only what the missing key alone would sign has to wait; and that is no fault of the item.
    replica.clock.set(signing_time().plus_seconds(10));
    let (is_fault, reason) = replica.sign_one().await.unwrap_err();
    assert!(!is_fault && reason.contains("the token hsm-a does not sign with the key dsc-1: "), "{reason}");
    wait_until("it is taken in the end", || replica.view.absent().is_empty()).await;
    assert_eq!(replica.sign_one().await, Ok(replica.kid(1)));
    assert_eq!(replica.vault.asked.load(Ordering::SeqCst), 1 + 3);
}

#[tokio::test]
async fn a_compromised_key_leaves_the_keyring_at_once_and_is_stopped_in_its_token() {
    let mut replica = Replica::start(2, Duration::from_secs(3_600));
    for number in 0..2 {
        replica.book.activate(replica.kid(number), signing_time(), None);
    }
    replica.read();
    wait_until("both keys are there", || replica.kids().len() == 2).await;
    replica.vault.deaf.store(1, Ordering::SeqCst);
    replica.book.compromise(replica.kid(0));
    replica.read();
    wait_until("it has left", || replica.kids() == [replica.kid(1)]).await;
    for _ in 0..20 {
        assert_eq!(replica.sign_one().await, Ok(replica.kid(1)));
    }
    wait_until("it is stopped", || replica.vault.stopped.lock().unwrap().contains(&replica.kid(0))).await;
    assert_eq!(replica.vault.deaf.load(Ordering::SeqCst), 0, "it was told twice");
}

#[tokio::test]
async fn a_batch_with_a_key_that_is_stopped_meanwhile_goes_on_with_another() {
    let mut replica = Replica::start(2, Duration::from_secs(3_600));
    for number in 0..2 {
        replica.book.activate(replica.kid(number), signing_time(), None);
    }
    replica.read();
    wait_until("both keys are there", || replica.kids().len() == 2).await;
    // The token knows before the keyring does, as another replica's batch would find it.
    replica.vault.stopped.lock().unwrap().insert(replica.kid(0));
    for _ in 0..10 {
        let outcomes = replica.sign(20).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap().kid == replica.kid(1)), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_replica_that_has_not_read_the_register_signs_with_no_key_of_it_and_says_so() {
    let lead = Duration::from_millis(150);
    let mut replica = Replica::start(1, lead);
    replica.book.activate(replica.kid(0), signing_time(), None);
    replica.read();
    wait_until("the key is there", || replica.view.absent().is_empty() && replica.vault.asked.load(Ordering::SeqCst) == 1).await;
    wait_until("the register is read no more", || replica.kids().is_empty()).await;
    let (is_fault, reason) = replica.sign_one().await.unwrap_err();
    assert!(!is_fault && reason.contains("was not read for longer than 0.15 s"), "{reason}");
    replica.tell(Some(Unreadable::Store(StoreError::Database { reason: "no route to host".to_owned() })));
    let why_not = || replica.live.snapshot().lacks().first().map(|lacking| lacking.reason.to_string());
    wait_until("the reason is told", || why_not().is_some_and(|reason| reason.ends_with(": no route to host"))).await;
    let is_back = || {
        replica.read();
        replica.kids() == [replica.kid(0)]
    };
    wait_until("it is read again", is_back).await;
    assert_eq!(replica.vault.asked.load(Ordering::SeqCst), 1, "nothing had to be admitted anew");
}

#[tokio::test]
async fn a_damaged_register_counts_as_none_at_once() {
    let mut replica = Replica::start(1, Duration::from_secs(3_600));
    replica.book.activate(replica.kid(0), signing_time(), None);
    replica.read();
    wait_until("the key is there", || replica.kids().len() == 1).await;
    replica.tell(Some(Unreadable::Damaged { seq: 7, reason: "it does not follow".to_owned() }));
    wait_until("it is gone", || replica.kids().is_empty()).await;
    let (is_fault, reason) = replica.sign_one().await.unwrap_err();
    assert!(!is_fault && reason.contains("the custody chain is damaged at record 7"), "{reason}");
}

#[tokio::test]
async fn keys_of_the_configuration_sign_whatever_becomes_of_the_register() {
    let replica = Replica::start(0, Duration::from_millis(1));
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(replica.sign_one().await, Ok(replica.kid(0)));
}

#[tokio::test]
async fn a_key_on_a_token_that_is_not_there_is_told_of() {
    let mut replica = Replica::start_on("hsm-b", 1, Duration::from_secs(3_600));
    replica.book.activate(replica.kid(0), signing_time(), None);
    replica.read();
    wait_until("it is told", || !replica.view.absent().is_empty()).await;
    let (is_fault, reason) = replica.sign_one().await.unwrap_err();
    assert!(!is_fault && reason.contains("the token hsm-b does not sign with the key dsc-0: it is not among"), "{reason}");
    assert_eq!(replica.vault.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_key_for_later_is_admitted_at_once_and_signs_from_its_first_second_on() {
    let mut replica = Replica::start(1, Duration::from_secs(3_600));
    let from = signing_time().plus_seconds(30 * DAY);
    replica.book.activate(replica.kid(0), from, None);
    replica.read();
    wait_until("it is admitted", || replica.kids().len() == 1).await;
    replica.clock.set(from.plus_seconds(-1));
    let (is_fault, reason) = replica.sign_one().await.unwrap_err();
    assert!(is_fault && reason.contains("signs from"), "{reason}");
    replica.clock.set(from);
    assert_eq!(replica.sign_one().await, Ok(replica.kid(0)));
}
