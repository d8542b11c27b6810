//! The same item again: the same certificate, one signature, and a refusal for whoever takes the item_id for something else.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sceau::domain::{CallerId, CertificateType, CertificateTypes, Digest, ItemId, Lane, Rule};
use sceau::ledger::{
    Claim, EachItem, Group, ItemKey, Ledger, LedgerError, LedgerFuture, LedgerKeys, MemoryLedger, OpenIntent, Retention,
    SignedItem,
};
use sceau::service::Limits;
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::sign::{
    BatchItem, BatchRequest, Certificate, ItemError, ItemOutcome, Keyring, LiveKeyring, Permits, SignFailure, Signer, SigningKey,
    Station,
};
use sceau::token::software::SoftwareToken;
use sceau::token::{Order, Readiness, SessionId, SignFuture, Token, TokenError, TokenKey};
use tokio::sync::watch;
use tonic_types::RpcStatusExt;

use crate::support::{LocalServer, TestDsc, issue, profile, settings, signer_of, signing_time};

const PAYLOAD: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wallis","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006",
"vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

/// The same with its members in another order, and other spaces and escapes.
const REWRITTEN: &str = r#" { "v" : [ { "is":"DASS-NC","co":"FR","dt":"2021-09-06","sd":1,"dn":2,"ma":"ORG-100030215",
  "mp":"EU\/1\/20\/1528", "vp":"1119349007","tg":"840539006" } ], "dob":"1984-03-02",
  "nam":{"gn":"J\u0065anne","fn":"Wallis"}, "ver":"1.3.0" } "#;

/// Counts what it signs; holds its signatures back or fails them while it is told to.
#[derive(Debug)]
struct CountingToken {
    keys: Arc<SoftwareToken>,
    signed: AtomicUsize,
    asked: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
    fails: Mutex<usize>,
}

impl CountingToken {
    fn signed(&self) -> usize {
        self.signed.load(Ordering::SeqCst)
    }

    /// Waits until it has been asked so often, signed or not.
    async fn wait_until_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }
}

impl Token for CountingToken {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        let mut is_open = self.is_open.subscribe();
        let keys = Arc::clone(&self.keys);
        let mut fails = self.fails.lock().unwrap();
        let is_failing = *fails > 0;
        *fails = fails.saturating_sub(1);
        if !is_failing {
            self.signed.fetch_add(digests.len(), Ordering::SeqCst);
        }
        self.asked.send_modify(|asked| *asked += 1);
        Box::pin(async move {
            let _ = is_open.wait_for(|is_open| *is_open).await;
            if is_failing {
                return digests.iter().map(|_| Err(TokenError::Closed)).collect();
            }
            keys.sign(order, digests).await
        })
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, verifies: bool) {
        assert!(verifies);
    }
}

/// A signer with a ledger, over a token that counts.
struct Bench {
    token: Arc<CountingToken>,
    signer: Arc<Signer>,
}

const FOR_LONG: Duration = Duration::from_secs(600);

impl Bench {
    fn new() -> Self {
        Self::keeping(FOR_LONG, 1_000)
    }

    fn keeping(keep: Duration, max_items: usize) -> Self {
        let retention = Retention { keep, max_items: NonZeroUsize::new(max_items).unwrap() };
        Self::with_ledger(Arc::new(MemoryLedger::new(retention)), settings().sign_timeout)
    }

    fn with_ledger(ledger: Arc<dyn Ledger>, sign_timeout: Duration) -> Self {
        let token = Arc::new(CountingToken {
            keys: Arc::new(SoftwareToken::with_keys(1)),
            signed: AtomicUsize::new(0),
            asked: watch::Sender::new(0),
            is_open: watch::Sender::new(true),
            fails: Mutex::new(0),
        });
        let settings = sceau::sign::SignerSettings { sign_timeout, ..settings() };
        let signer = signer_of(vec![signing_key(&token)], settings).with_ledger(ledger);
        Self { token, signer: Arc::new(signer) }
    }

    async fn sign(&self, items: Vec<BatchItem>) -> Vec<ItemOutcome> {
        self.signer.sign_batch(request("clinic", items)).await
    }

    async fn sign_one(&self, item: BatchItem) -> Certificate {
        self.sign(vec![item]).await.remove(0).unwrap()
    }

    fn spawn(&self, items: Vec<BatchItem>) -> tokio::task::JoinHandle<Vec<ItemOutcome>> {
        let signer = Arc::clone(&self.signer);
        tokio::spawn(async move { signer.sign_batch(request("clinic", items)).await })
    }
}

/// A new DSC over the token's key.
fn signing_key(token: &Arc<CountingToken>) -> SigningKey {
    let dsc = issue(&token.keys, &[TestDsc::default()]).remove(0);
    let station = Station::new(Arc::clone(token) as Arc<dyn Token>);
    SigningKey::new(dsc, vec![(station, token.keys.key(0).0)]).unwrap()
}

fn request(caller: &str, items: Vec<BatchItem>) -> BatchRequest {
    let (caller, profile) = (CallerId::new(caller), profile("dcc"));
    let permits = Permits::ALL;
    let (person, request) = (None, "test".into());
    BatchRequest { caller, person, request, profile, lane: Lane::Bulk, validate_only: false, permits, deadline: None, items }
}

fn item(item_id: &str) -> BatchItem {
    with_payload(item_id, PAYLOAD)
}

fn with_payload(item_id: &str, payload: &str) -> BatchItem {
    BatchItem { item_id: ItemId::new(item_id).unwrap(), payload: payload.to_owned().into(), expires_at: None }
}

fn items(count: usize) -> Vec<BatchItem> {
    (0..count).map(|number| item(&format!("item-{number}"))).collect()
}

/// All that a caller sees of a certificate.
fn seen(certificate: &Certificate) -> (String, Vec<u8>, String, [i64; 2], [u8; 8]) {
    let signed = certificate.signed.as_ref().unwrap();
    let times = [certificate.issued_at.seconds(), certificate.expires_at.seconds()];
    let (hc1, cose) = (signed.hc1.as_str().to_owned(), signed.cose.as_bytes().to_vec());
    (hc1, cose, certificate.uvci.clone(), times, *certificate.kid.as_bytes())
}

fn certificate(outcome: &ItemOutcome) -> &Certificate {
    outcome.as_ref().unwrap()
}

/// The faults of a refused item: rule and message.
fn faults(outcome: &ItemOutcome) -> Vec<(Rule, String)> {
    match outcome {
        Err(ItemError::Refused(faults)) => faults.iter().map(|fault| (fault.rule, fault.message.clone())).collect(),
        other => panic!("{other:?}"),
    }
}

/// Its only fault is that its item_id is taken; gives the message.
fn taken(outcome: &ItemOutcome) -> String {
    let mut faults = faults(outcome);
    assert!(faults.len() == 1 && faults[0].0 == Rule::ItemIdTaken, "{faults:?}");
    faults.remove(0).1
}

#[tokio::test]
async fn the_same_batch_again_gets_the_same_bytes_and_no_new_signature() {
    let bench = Bench::new();
    let (first, second) = (bench.sign(items(150)).await, bench.sign(items(150)).await);
    for (first, second) in first.iter().zip(&second) {
        let (first, second) = (certificate(first), certificate(second));
        assert_eq!(seen(first), seen(second));
        assert!(!first.is_replayed && second.is_replayed);
    }
    assert_eq!(bench.token.signed(), 150);
}

#[tokio::test]
async fn without_a_ledger_a_retry_is_signed_again() {
    let token = Bench::new().token;
    let signer = signer_of(vec![signing_key(&token)], settings());
    for _ in 0..2 {
        assert!(signer.sign_batch(request("clinic", items(1))).await[0].is_ok());
    }
    assert_eq!(token.signed(), 2);
}

#[tokio::test]
async fn a_payload_is_compared_by_value() {
    let bench = Bench::new();
    let first = bench.sign_one(item("a")).await;
    assert_eq!(seen(&bench.sign_one(with_payload("a", REWRITTEN)).await), seen(&first));
    assert_eq!(bench.token.signed(), 1);
}

#[tokio::test]
async fn another_payload_is_refused_and_its_neighbours_are_signed() {
    let bench = Bench::new();
    let first = bench.sign_one(item("b")).await;
    let other = with_payload("b", &PAYLOAD.replace("Jeanne", "Marie"));
    let outcomes = bench.sign(vec![item("a"), other, item("c")]).await;
    let message = taken(&outcomes[1]);
    assert!(message.contains("another payload") && message.contains("s more"), "{message}");
    assert!(!message.contains("Marie") && !message.contains("Jeanne"), "{message}");
    assert!(!certificate(&outcomes[0]).is_replayed && !certificate(&outcomes[2]).is_replayed);
    assert_eq!(seen(&bench.sign_one(item("b")).await), seen(&first), "the refusal changes nothing");
}

#[tokio::test]
async fn a_payload_with_faults_under_a_taken_item_id_hears_of_both() {
    let bench = Bench::new();
    bench.sign_one(item("a")).await;
    let outcomes = bench.sign(vec![with_payload("a", "{"), with_payload("b", "{")]).await;
    let rules: Vec<Rule> = faults(&outcomes[0]).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, [Rule::ItemIdTaken, Rule::JsonSyntax]);
    assert_eq!(faults(&outcomes[1])[0].0, Rule::JsonSyntax);
}

#[tokio::test]
async fn another_profile_or_expires_at_is_refused() {
    let bench = Bench::new();
    let until = |item_id: &str, seconds| BatchItem { expires_at: Some(signing_time().plus_seconds(seconds)), ..item(item_id) };
    bench.sign(vec![item("by-profile"), until("by-item", 5_000)]).await;
    let wanted = vec![until("by-profile", 365 * 86_400), item("by-item")];
    for outcome in bench.sign(wanted).await {
        assert!(taken(&outcome).contains("expires_at"));
    }
    assert!(taken(&bench.sign(vec![until("by-item", 5_001)]).await[0]).contains("expires_at"));
    assert!(bench.sign_one(until("by-item", 5_000)).await.is_replayed);
    let other = BatchRequest { profile: profile("other"), ..request("clinic", vec![item("by-profile")]) };
    assert!(taken(&bench.signer.sign_batch(other).await[0]).contains("under the profile dcc"));
}

#[tokio::test]
async fn another_caller_has_item_ids_of_its_own() {
    let bench = Bench::new();
    let first = bench.sign_one(item("a")).await;
    let other = bench.signer.sign_batch(request("pharmacy", vec![with_payload("a", &PAYLOAD.replace("Jeanne", "Marie"))])).await;
    assert_ne!(certificate(&other[0]).uvci, first.uvci);
    assert_eq!(bench.token.signed(), 2);
}

#[tokio::test]
async fn a_replay_too_is_for_those_alone_who_may_have_it_signed() {
    let bench = Bench::new();
    bench.sign_one(item("a")).await;
    let tests_only = CertificateTypes::from_iter([CertificateType::Test]);
    let permits = Permits { person: tests_only, ..Permits::ALL };
    let outcomes = bench.signer.sign_batch(BatchRequest { permits, ..request("clinic", items(1)) }).await;
    assert_eq!(faults(&outcomes[0])[0].0, Rule::PersonTypes);
    let outcomes = bench.signer.sign_batch(BatchRequest { permits, ..request("clinic", vec![item("a")]) }).await;
    assert_eq!(faults(&outcomes[0])[0].0, Rule::PersonTypes);
    assert!(bench.sign_one(item("a")).await.is_replayed);
}

#[tokio::test]
async fn a_refused_item_is_not_kept_and_may_come_again_corrected() {
    let bench = Bench::new();
    let outcomes = bench.sign(vec![with_payload("a", &PAYLOAD.replace("1984-03-02", "1984-02-30"))]).await;
    assert_eq!(faults(&outcomes[0])[0].0, Rule::DateReal);
    assert!(!bench.sign_one(item("a")).await.is_replayed);
}

#[tokio::test]
async fn validation_alone_neither_keeps_nor_looks() {
    let bench = Bench::new();
    let look = |payload: &str| {
        let request = BatchRequest { validate_only: true, ..request("clinic", vec![with_payload("a", payload)]) };
        let signer = Arc::clone(&bench.signer);
        async move { signer.sign_batch(request).await.remove(0).unwrap() }
    };
    assert!(look(&PAYLOAD.replace("Jeanne", "Marie")).await.signed.is_none());
    assert!(!bench.sign_one(item("a")).await.is_replayed);
    assert!(look(&PAYLOAD.replace("Jeanne", "Marie")).await.signed.is_none());
}

#[tokio::test]
async fn a_failed_item_is_not_kept() {
    let bench = Bench::new();
    *bench.token.fails.lock().unwrap() = 1;
    let outcomes = bench.sign(items(3)).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(ItemError::Failed(SignFailure::Token(_))))), "{outcomes:?}");
    assert!(bench.sign(items(3)).await.iter().all(|outcome| !certificate(outcome).is_replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_the_same_time_get_one_signature() {
    let bench = Bench::new();
    bench.token.is_open.send_replace(false);
    let first = bench.spawn(items(1));
    bench.token.wait_until_asked(1).await;
    let others: Vec<_> = (1..100).map(|_| bench.spawn(items(1))).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.token.is_open.send_replace(true);
    let first = first.await.unwrap().remove(0).unwrap();
    for other in others {
        assert_eq!(seen(certificate(&other.await.unwrap()[0])), seen(&first));
    }
    assert_eq!(bench.token.signed(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_first_fails_one_of_those_that_wait_signs() {
    let bench = Bench::new();
    *bench.token.fails.lock().unwrap() = 1;
    bench.token.is_open.send_replace(false);
    let first = bench.spawn(items(1));
    bench.token.wait_until_asked(1).await;
    let others: Vec<_> = (0..10).map(|_| bench.spawn(items(1))).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.token.is_open.send_replace(true);
    assert!(first.await.unwrap()[0].is_err());
    let mut texts = Vec::new();
    for other in others {
        texts.push(seen(certificate(&other.await.unwrap()[0])).0);
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    assert_eq!(bench.token.signed(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_first_is_cancelled_the_one_that_waits_signs() {
    let bench = Bench::new();
    bench.token.is_open.send_replace(false);
    let first = bench.spawn(items(1));
    bench.token.wait_until_asked(1).await;
    let second = bench.spawn(items(1));
    first.abort();
    assert!(first.await.is_err());
    bench.token.wait_until_asked(2).await;
    bench.token.is_open.send_replace(true);
    assert!(!certificate(&second.await.unwrap()[0]).is_replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_another_call_ends_with_the_time_that_a_batch_may_take() {
    let retention = Retention { keep: FOR_LONG, max_items: NonZeroUsize::MIN };
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(retention));
    let bench = Bench::with_ledger(Arc::clone(&ledger), Duration::from_millis(500));
    let key = ItemKey::new(&CallerId::new("clinic"), &ItemId::new("item-1").unwrap());
    let held = ledger.claim(vec![key]).await;
    let outcomes = bench.sign(items(3)).await;
    assert!(matches!(outcomes[1], Err(ItemError::Failed(SignFailure::InWork))), "{outcomes:?}");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    drop(held);
    assert!(bench.sign(items(2)).await[1].is_ok());
}

/// Each claims half of what the other wants.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_hold_each_others_items_both_end() {
    let bench = Bench::new();
    for round in 0..5 {
        let ids: Vec<String> = (0..100).map(|number| format!("{round}-{number}")).collect();
        let forward = bench.spawn(ids.iter().map(|id| item(id)).collect());
        let backward = bench.spawn(ids.iter().rev().map(|id| item(id)).collect());
        let (forward, backward) = (forward.await.unwrap(), backward.await.unwrap());
        for (one, other) in forward.iter().zip(backward.iter().rev()) {
            assert_eq!(seen(certificate(one)), seen(certificate(other)));
        }
        assert_eq!(bench.token.signed(), 100 * (round + 1));
    }
}

#[tokio::test]
async fn a_kept_item_outlives_the_dsc_that_signed_it() {
    let bench = Bench::new();
    let first = bench.sign_one(item("a")).await;
    let other = Keyring::new(vec![Arc::new(signing_key(&bench.token))]).unwrap();
    let keyring: &Arc<LiveKeyring> = bench.signer.keyring();
    keyring.replace(other);
    assert_eq!(seen(&bench.sign_one(item("a")).await), seen(&first));
    assert_ne!(bench.sign_one(item("b")).await.kid, first.kid);
    keyring.replace(Keyring::default());
    assert_eq!(seen(&bench.sign_one(item("a")).await), seen(&first), "not even a DSC in force is needed");
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_signed_again() {
    let bench = Bench::keeping(FOR_LONG, 2);
    bench.sign(items(3)).await;
    let outcomes = bench.sign(items(3)).await;
    assert_eq!(outcomes.iter().filter(|outcome| !certificate(outcome).is_replayed).count(), 1);
    let bench = Bench::keeping(Duration::from_millis(1), 1_000);
    bench.sign_one(item("a")).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(!bench.sign_one(with_payload("a", &PAYLOAD.replace("Jeanne", "Marie"))).await.is_replayed);
}

/// Answers as it is told to.
#[derive(Debug)]
struct BrokenLedger {
    memory: MemoryLedger,
    is_claiming: bool,
}

impl Ledger for BrokenLedger {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        if self.is_claiming {
            return self.memory.claim(keys);
        }
        let error = LedgerError { reason: "the disk is full".to_owned() };
        Box::pin(async move { keys.iter().map(|_| Err(error.clone())).collect() })
    }

    fn intend(&self, group: Group) -> LedgerFuture<Result<OpenIntent, LedgerError>> {
        self.memory.intend(group)
    }

    fn settle(&self, _intent: OpenIntent, signed: Vec<SignedItem>) -> LedgerFuture<EachItem<()>> {
        let error = LedgerError { reason: "the disk is full".to_owned() };
        Box::pin(async move { signed.iter().map(|_| Err(error.clone())).collect() })
    }

    fn trouble(&self) -> Option<LedgerError> {
        None
    }

    fn keys(&self) -> Option<&LedgerKeys> {
        None
    }
}

#[tokio::test]
async fn what_the_ledger_does_not_claim_or_keep_does_not_leave() {
    for is_claiming in [false, true] {
        let memory = MemoryLedger::new(Retention { keep: FOR_LONG, max_items: NonZeroUsize::MIN });
        let bench = Bench::with_ledger(Arc::new(BrokenLedger { memory, is_claiming }), settings().sign_timeout);
        for outcome in bench.sign(items(2)).await {
            let Err(ItemError::Failed(failure)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(failure.to_string(), "the ledger: the disk is full");
        }
        assert_eq!(bench.token.signed(), if is_claiming { 2 } else { 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_wire_a_retry_is_the_same_message_and_a_taken_item_id_already_exists() {
    let keys = SoftwareToken::with_keys(1);
    let dsc = issue(&keys, &[TestDsc::default()]).remove(0);
    let (key, station) = (keys.key(0).0, Station::new(Arc::new(keys) as Arc<dyn Token>));
    let signer = signer_of(vec![SigningKey::new(dsc, vec![(station, key)]).unwrap()], settings());
    let retention = Retention { keep: FOR_LONG, max_items: NonZeroUsize::new(10).unwrap() };
    let signer = signer.with_ledger(Arc::new(MemoryLedger::new(retention)));
    let server = LocalServer::start(signer, Limits::default()).await;
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let mut sign = async |payload: &str| {
        let item = v1::Item { item_id: "a".to_owned(), payload_json: payload.to_owned().into(), expires_at: None };
        let request = v1::SignBatchRequest { items: vec![item], ..Default::default() };
        client.sign_batch(request).await.unwrap().into_inner().results.remove(0).outcome.unwrap()
    };
    let first = sign(PAYLOAD).await;
    assert!(matches!(&first, Outcome::Certificate(certificate) if certificate.hc1.starts_with("HC1:")));
    assert_eq!(sign(REWRITTEN).await, first);
    let Outcome::Error(status) = sign(&PAYLOAD.replace("Jeanne", "Marie")).await else { panic!("the item_id is taken") };
    assert_eq!(status.code, tonic::Code::AlreadyExists as i32);
    let fault = status.get_details_bad_request().unwrap().field_violations.remove(0);
    assert_eq!((fault.field.as_str(), fault.reason.as_str()), ("item_id", "item_id.taken"));
}
