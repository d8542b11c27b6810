//! Several tokens: who is asked first, and who signs when one does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sceau::domain::{CertificateType, Digest, Dsc, Kid, Signature};
use sceau::sign::{Certificate, ItemError, ItemOutcome, SignFailure, Signer, SignerSettings, SigningKey, Station};
use sceau::token::software::SoftwareToken;
use sceau::token::{Disposition, Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};

use crate::support::{TestDsc, VACCINATION, batch, issue, settings, signer_of};

const TEST_VACCINATION: &[u8] = br#"{"ver":"1.3.0","nam":{"fn":"Wallis","gn":"Jeanne"},"dob":"1984-03-02","t":[{"tg":"840539006",
"tt":"LP6464-4","sc":"2021-10-19T08:00:00+11:00","tr":"260415000","tc":"CHT","co":"FR","is":"DASS-NC"}]}"#;

/// How a token behaves.
#[derive(Clone, Debug)]
enum Mood {
    Signs,
    /// Answers, after so many more signatures, with an error.
    FailsAfter(usize, TokenError),
    /// The next signatures, so many, do not verify.
    Lies(usize),
    /// Says so itself, and signs again when it was asked so often.
    Unsettled(usize),
    Down,
}

/// A token in memory with moods.
#[derive(Debug)]
struct MoodyToken {
    name: &'static str,
    keys: Arc<SoftwareToken>,
    mood: Mutex<Mood>,
    signed: AtomicUsize,
    good: AtomicUsize,
    bad: AtomicUsize,
    /// Lets a test hold signatures back, so that work is outstanding.
    delay: Duration,
}

impl MoodyToken {
    fn new(name: &'static str, keys: &Arc<SoftwareToken>, mood: Mood) -> Arc<Self> {
        let (signed, good, bad) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let delay = Duration::from_millis(1);
        Arc::new(Self { name, keys: Arc::clone(keys), mood: Mutex::new(mood), signed, good, bad, delay })
    }

    fn signed(&self) -> usize {
        self.signed.load(Ordering::SeqCst)
    }

    fn sign_one(&self, key: TokenKey, digest: &Digest) -> Result<Signed, TokenError> {
        let mut mood = self.mood.lock().unwrap();
        match &mut *mood {
            Mood::Down | Mood::Unsettled(_) => return Err(self.down()),
            Mood::FailsAfter(0, error) => return Err(error.clone()),
            Mood::FailsAfter(left, _) => *left -= 1,
            Mood::Lies(left) if *left > 0 => {
                *left -= 1;
                let session = SessionId::default();
                return Ok(Signed { signature: Signature::new(vec![7; 64]), session });
            }
            Mood::Lies(_) | Mood::Signs => {}
        }
        self.signed.fetch_add(1, Ordering::SeqCst);
        self.keys.sign_now(key, digest)
    }

    fn down(&self) -> TokenError {
        TokenError::Down { token: self.name.to_owned(), reason: "it is in a mood".to_owned() }
    }
}

impl Token for MoodyToken {
    fn name(&self) -> &str {
        self.name
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let results = digests.iter().map(|digest| self.sign_one(order.key, digest)).collect();
        let delay = self.delay;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            results
        })
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        let mut mood = self.mood.lock().unwrap();
        match &mut *mood {
            Mood::Down => Readiness::Down(self.down()),
            Mood::Unsettled(0) => {
                *mood = Mood::Signs;
                Readiness::Ready
            }
            Mood::Unsettled(left) => {
                *left -= 1;
                Readiness::Unsettled
            }
            _ => Readiness::Ready,
        }
    }

    fn judge(&self, _session: SessionId, verifies: bool) {
        let count = if verifies { &self.good } else { &self.bad };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// Two tokens with a key and a DSC each.
struct Pair {
    a: Arc<MoodyToken>,
    b: Arc<MoodyToken>,
    dscs: Vec<Dsc>,
    signer: Signer,
}

impl Pair {
    fn new(a: Mood, b: Mood) -> Self {
        let keys = Arc::new(SoftwareToken::with_keys(2));
        let (a, b) = (MoodyToken::new("a", &keys, a), MoodyToken::new("b", &keys, b));
        let later = TestDsc { not_after: "2024-06-01T00:00:00Z", ..TestDsc::default() };
        let dscs = issue(&keys, &[TestDsc::default(), later]);
        let bind = |number: usize, token: &Arc<MoodyToken>| {
            SigningKey::new(dscs[number].clone(), vec![(Station::new(Arc::clone(token) as Arc<dyn Token>), keys.key(number).0)])
        };
        let signer = signer_of(vec![bind(0, &a).unwrap(), bind(1, &b).unwrap()], settings());
        Self { a, b, dscs, signer }
    }

    /// One DSC whose key is on both.
    fn with_one_key(a: Mood, b: Mood) -> Self {
        let keys = Arc::new(SoftwareToken::with_keys(1));
        let (a, b) = (MoodyToken::new("a", &keys, a), MoodyToken::new("b", &keys, b));
        let dscs = issue(&keys, &[TestDsc::default()]);
        let place = |token: &Arc<MoodyToken>| (Station::new(Arc::clone(token) as Arc<dyn Token>), keys.key(0).0);
        let signer = signer_of(vec![SigningKey::new(dscs[0].clone(), vec![place(&a), place(&b)]).unwrap()], settings());
        Self { a, b, dscs, signer }
    }

    async fn sign(&self, items: usize) -> Vec<ItemOutcome> {
        sign(&self.signer, items).await
    }
}

async fn sign(signer: &Signer, items: usize) -> Vec<ItemOutcome> {
    sign_payloads(signer, vec![VACCINATION.into(); items]).await
}

async fn sign_payloads(signer: &Signer, payloads: Vec<Bytes>) -> Vec<ItemOutcome> {
    signer.sign_batch(batch(payloads)).await
}

fn kids(outcomes: &[ItemOutcome]) -> Vec<Kid> {
    outcomes.iter().map(|outcome| outcome.as_ref().map(|certificate: &Certificate| certificate.kid).unwrap()).collect()
}

fn failure(outcome: &ItemOutcome) -> &SignFailure {
    match outcome {
        Err(ItemError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn call(code: &str) -> TokenError {
    let disposition = if code == "C_Sign gave MechanismInvalid" { Disposition::StopKey } else { Disposition::TokenGone };
    TokenError::Worker { disposition, message: code.to_owned() }
}

#[tokio::test]
async fn a_batch_is_shared_out_between_two_tokens() {
    let pair = Pair::new(Mood::Signs, Mood::Signs);
    let kids = kids(&pair.sign(1_024).await);
    assert_eq!((pair.a.signed(), pair.b.signed()), (512, 512));
    for dsc in &pair.dscs {
        assert_eq!(kids.iter().filter(|kid| **kid == dsc.kid()).count(), 512);
    }
    assert_eq!(pair.a.good.load(Ordering::SeqCst), 512, "each signature is judged");
}

#[tokio::test]
async fn a_group_that_waits_for_its_token_holds_up_no_other() {
    let keys = Arc::new(SoftwareToken::with_keys(2));
    let (a, b) = (MoodyToken::new("a", &keys, Mood::Unsettled(usize::MAX)), MoodyToken::new("b", &keys, Mood::Lies(1)));
    let of = |kind| TestDsc { types: vec![kind], ..TestDsc::default() };
    let dscs = issue(&keys, &[of(CertificateType::Vaccination), of(CertificateType::Test)]);
    let bind = |number: usize, token: &Arc<MoodyToken>| {
        SigningKey::new(dscs[number].clone(), vec![(Station::new(Arc::clone(token) as Arc<dyn Token>), keys.key(number).0)])
    };
    let keys = vec![bind(0, &a).unwrap(), bind(1, &b).unwrap()];
    let signer = signer_of(keys, SignerSettings { sign_timeout: Duration::from_secs(2), ..settings() });
    // The first has no token until its time is over; the second's first signature does not verify.
    let outcomes = sign_payloads(&signer, vec![VACCINATION.into(), TEST_VACCINATION.into()]).await;
    assert!(outcomes[0].is_err());
    assert_eq!(outcomes[1].as_ref().unwrap().kid, dscs[1].kid());
}

#[tokio::test]
async fn one_item_at_a_time_goes_to_the_dsc_that_ends_first() {
    let pair = Pair::new(Mood::Signs, Mood::Signs);
    for _ in 0..5 {
        assert_eq!(kids(&pair.sign(1).await), [pair.dscs[0].kid()]);
    }
}

#[tokio::test]
async fn a_token_that_is_down_is_asked_nothing() {
    let pair = Pair::new(Mood::Down, Mood::Signs);
    assert!(kids(&pair.sign(200).await).iter().all(|kid| *kid == pair.dscs[1].kid()));
    assert_eq!(pair.a.signed(), 0);
}

#[tokio::test]
async fn what_a_token_drops_half_way_is_prepared_afresh_under_the_others_dsc() {
    let pair = Pair::new(Mood::FailsAfter(10, call("C_Sign gave DeviceRemoved")), Mood::Signs);
    let kids = kids(&pair.sign(200).await);
    let by_a = kids.iter().filter(|kid| **kid == pair.dscs[0].kid()).count();
    assert_eq!((by_a, pair.a.signed(), pair.b.signed()), (10, 10, 190));
    assert_eq!(pair.b.bad.load(Ordering::SeqCst), 0, "each signature is over its own protected header");
}

#[tokio::test]
async fn one_key_on_both_tokens_signs_the_same_bytes_on_the_other() {
    let pair = Pair::with_one_key(Mood::FailsAfter(10, call("C_Sign gave DeviceRemoved")), Mood::Signs);
    let outcomes = pair.sign(64).await;
    assert!(kids(&outcomes).iter().all(|kid| *kid == pair.dscs[0].kid()));
    assert_eq!((pair.a.signed(), pair.b.signed()), (10, 54));
}

#[tokio::test]
async fn a_token_that_may_come_back_is_waited_for() {
    let pair = Pair::new(Mood::Unsettled(5), Mood::Down);
    assert!(kids(&pair.sign(3).await).iter().all(|kid| *kid == pair.dscs[0].kid()));
}

#[tokio::test]
async fn with_every_token_down_each_item_hears_so_at_once() {
    let pair = Pair::new(Mood::Down, Mood::Down);
    let outcomes = tokio::time::timeout(Duration::from_secs(5), pair.sign(100)).await.unwrap();
    for outcome in &outcomes {
        assert!(matches!(failure(outcome), SignFailure::Token(TokenError::Down { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_time_that_a_batch_may_take() {
    let keys = Arc::new(SoftwareToken::with_keys(1));
    let token = MoodyToken::new("a", &keys, Mood::Unsettled(usize::MAX));
    let dsc = issue(&keys, &[TestDsc::default()]).remove(0);
    let place = (Station::new(token as Arc<dyn Token>), keys.key(0).0);
    let short = SignerSettings { sign_timeout: Duration::from_millis(100), ..settings() };
    let outcomes = sign(&signer_of(vec![SigningKey::new(dsc, vec![place]).unwrap()], short), 2).await;
    assert!(matches!(failure(&outcomes[0]), SignFailure::Token(TokenError::Down { .. })));
}

#[tokio::test]
async fn a_key_that_one_token_refuses_is_used_on_another_or_fails_without_a_second_try() {
    let refusal = || Mood::FailsAfter(0, call("C_Sign gave MechanismInvalid"));
    let pair = Pair::new(refusal(), Mood::Signs);
    assert_eq!(kids(&pair.sign(1).await), [pair.dscs[1].kid()]);
    let pair = Pair::new(refusal(), Mood::Down);
    assert!(failure(&pair.sign(1).await[0]).to_string().contains("MechanismInvalid"));
}

#[tokio::test]
async fn a_token_that_always_fails_is_not_tried_for_ever() {
    let pair = Pair::new(Mood::FailsAfter(0, call("C_Sign gave GeneralError")), Mood::Down);
    assert!(failure(&pair.sign(1).await[0]).to_string().contains("GeneralError"));
}

#[tokio::test]
async fn a_signature_that_does_not_verify_is_made_again_elsewhere_once() {
    let pair = Pair::new(Mood::Lies(usize::MAX), Mood::Signs);
    assert_eq!(kids(&pair.sign(1).await), [pair.dscs[1].kid()]);
    assert_eq!(pair.a.bad.load(Ordering::SeqCst), 1, "the token hears of it");
    let pair = Pair::new(Mood::Lies(1), Mood::Down);
    assert_eq!(kids(&pair.sign(1).await), [pair.dscs[0].kid()], "the same token, where there is no other");
    let pair = Pair::new(Mood::Lies(usize::MAX), Mood::Lies(usize::MAX));
    assert!(matches!(failure(&pair.sign(1).await[0]), SignFailure::BadSignature));
    assert_eq!(pair.a.bad.load(Ordering::SeqCst) + pair.b.bad.load(Ordering::SeqCst), 2);
}
