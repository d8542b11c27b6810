//! One process's worth of a ledger: a store, a writer, and what is kept, on threads of its own.

use std::sync::Arc;
use std::time::Duration;

use sceau::domain::time::FixedClock;
use sceau::domain::{Algorithm, CallerId, CertificateType, Clock, Digest, ItemId, Kid, NumericDate, Octets, Signature};
use sceau::ledger::record::{Body, Entry, Head, Place, Record, Revocation, RevokedOf};
use sceau::ledger::store::Store;
use sceau::ledger::store::postgres::{PostgresStore, PostgresUrl};
use sceau::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use sceau::ledger::{
    Claim, Expiry, Group, ItemKey, Kept, Ledger, LedgerError, LedgerKeys, OpenIntent, RecordedLedger, SharedRetention,
    SignedItem, Ticket,
};
use tokio::runtime::Runtime;

/// Guards against hanging; nothing here is about speed.
const BOUND: Duration = Duration::from_secs(60);

/// A ledger in use.
pub(crate) struct Replica {
    pub(crate) ledger: Arc<RecordedLedger>,
    pub(crate) store: Arc<PostgresStore>,
    task: Option<WriterTask>,
    runtime: Option<Runtime>,
}

/// What a replica is started with.
pub(crate) struct Start {
    pub(crate) instance: &'static str,
    pub(crate) keys: Vec<char>,
    /// How long a claim holds.
    pub(crate) claim: Duration,
    /// How long an item is kept.
    pub(crate) keep: Duration,
}

impl Start {
    pub(crate) fn of(instance: &'static str) -> Self {
        Self { instance, keys: vec!['1'], claim: BOUND, keep: Duration::from_secs(3_600) }
    }

    /// Waits for the chain.
    pub(crate) async fn on(self, url: PostgresUrl) -> Replica {
        self.try_on(url).await.unwrap()
    }

    pub(crate) async fn try_on(self, url: PostgresUrl) -> Result<Replica, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let started = runtime.spawn(async move {
            let store = Arc::new(PostgresStore::connect(url).await.map_err(|error| error.to_string())?);
            let keys = ledger_keys(&self.keys);
            let settings = WriterSettings {
                instance: self.instance.to_owned(),
                patience: Duration::from_secs(1),
                keys: keys.ids(),
                audit: None,
            };
            let started = ChainWriter::start(Arc::clone(&store) as Arc<dyn Store>, clock(), settings).await;
            let (writer, task) = started.map_err(|error| error.to_string())?;
            let retention = SharedRetention { keep: self.keep, claim: self.claim };
            match RecordedLedger::share(Arc::clone(&store) as _, writer, keys, clock(), retention).await {
                Ok(ledger) => Ok((Arc::new(ledger), store, task)),
                Err(error) => {
                    task.end().await;
                    Err(error.to_string())
                }
            }
        });
        match started.await.unwrap() {
            Ok((ledger, store, task)) => Ok(Replica { ledger, store, task: Some(task), runtime: Some(runtime) }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }
}

impl Replica {
    /// Ends in order.
    pub(crate) async fn end(mut self) {
        self.task.take().unwrap().end().await;
    }

    /// Ends as by `kill -9`.
    pub(crate) fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub(crate) async fn claim(&self, number: usize) -> Claim {
        self.try_claim(number).await.unwrap()
    }

    pub(crate) async fn try_claim(&self, number: usize) -> Result<Claim, LedgerError> {
        self.ledger.claim(vec![key(number)]).await.remove(0)
    }

    pub(crate) async fn ticket(&self, number: usize) -> Ticket {
        match self.claim(number).await {
            Claim::Free(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// The ticket of an item that is freed sooner or later.
    pub(crate) async fn ticket_in_time(&self, number: usize) -> Ticket {
        let taking = async {
            loop {
                match self.claim(number).await {
                    Claim::Free(ticket) => return ticket,
                    Claim::InWork(in_work) => in_work.ended().await,
                    kept @ Claim::Kept { .. } => panic!("{kept:?}"),
                }
            }
        };
        tokio::time::timeout(BOUND, taking).await.expect("the claim ends")
    }

    pub(crate) async fn intend(&self) -> Result<OpenIntent, LedgerError> {
        self.ledger.intend(group()).await
    }

    /// Signs an item, as a batch of its own.
    pub(crate) async fn sign(&self, ticket: Ticket, value: u64) -> Result<(), LedgerError> {
        let intent = self.intend().await?;
        self.settle(intent, ticket, value).await
    }

    pub(crate) async fn settle(&self, intent: OpenIntent, ticket: Ticket, value: u64) -> Result<(), LedgerError> {
        let item = SignedItem { keep: Some((ticket, kept(value))), entry: Some(entry()) };
        self.ledger.settle(intent, vec![item]).await.remove(0)
    }

    /// Revokes the first certificate of each of some outcomes, of any chain; gives when that was put on record.
    pub(crate) async fn revoke(&self, instance: &str, outcomes: &[u64]) -> NumericDate {
        let detail: Vec<u8> = outcomes.iter().flat_map(|seq| Place { seq: *seq, index: 0 }.to_bytes()).collect();
        let certificates = u32::try_from(outcomes.len()).unwrap();
        let revocation = Revocation {
            by: "ada".to_owned(),
            reason: "a test".to_owned(),
            question: "{}".to_owned(),
            hash_type: "UCI".to_owned(),
            certificates,
            places: Digest::of(&detail).into(),
            chains: vec![RevokedOf { instance: instance.to_owned(), certificates }],
            lists: Vec::new(),
        };
        self.ledger.writer().write(Body::Revocation(revocation), detail).await.unwrap();
        clock().now()
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.ledger.status().trouble()
    }

    pub(crate) async fn is_down(&self) {
        self.until("down", |trouble| trouble.is_some()).await;
    }

    pub(crate) async fn is_up(&self) {
        self.until("up", |trouble| trouble.is_none()).await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Option<String>) -> bool) {
        let waiting = async {
            while !is_so(&self.trouble()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(BOUND, waiting).await.unwrap_or_else(|_| panic!("it is {what}: {:?}", self.trouble()));
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The chain of an instance as it is stored, its links checked.
pub(crate) async fn chain(url: PostgresUrl, instance: &str) -> Vec<Body> {
    let store = PostgresStore::connect(url).await.unwrap();
    let state = store.chains().await.unwrap().into_iter().find(|state| state.instance == instance).unwrap();
    let mut head = Head::EMPTY;
    let mut bodies = Vec::new();
    for row in store.rows(state.chain, 0, usize::MAX).await.unwrap() {
        let record = Record::from_cbor(&row.record.unwrap()).unwrap();
        assert!(record.has_detail(&row.detail.unwrap()));
        head = head.next(&row.digest);
        assert_eq!((record.seq, row.seq, row.link), (head.seq, head.seq, head.link));
        bodies.push(record.body);
    }
    assert_eq!(head, state.head);
    bodies
}

pub(crate) fn kinds(bodies: &[Body]) -> Vec<&str> {
    bodies.iter().map(Body::kind).collect()
}

/// The intents that a chain says to be in doubt.
pub(crate) fn doubts(bodies: &[Body]) -> Vec<u64> {
    let doubt = |body: &Body| if let Body::Doubt { intents } = body { intents.clone() } else { Vec::new() };
    bodies.iter().flat_map(doubt).collect()
}

pub(crate) fn key(number: usize) -> ItemKey {
    ItemKey::new(&CallerId::new("clinic"), &ItemId::new(&number.to_string()).unwrap())
}

/// Something to keep, told apart by a number.
pub(crate) fn kept(number: u64) -> Kept {
    Kept {
        digest: Digest::of(&number.to_be_bytes()),
        signature: Signature::new(vec![7; 64]),
        kid: Kid::from([1; 8]),
        algorithm: Algorithm::Es256,
        issued_at: NumericDate::from_seconds(0),
        expires_at: NumericDate::from_seconds(1),
        expiry: Expiry::OfProfile,
        profile: "dcc".into(),
    }
}

/// Keys by the digit that each is made of, the newest in front.
fn ledger_keys(digits: &[char]) -> LedgerKeys {
    let lines: Vec<String> = digits.iter().map(|digit| digit.to_string().repeat(64)).collect();
    LedgerKeys::parse(&lines.join("\n")).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock(NumericDate::from_seconds(1_637_000_000)))
}

fn group() -> Group {
    Group {
        caller: CallerId::new("clinic"),
        person: None,
        request: "r1".into(),
        profile: "dcc".into(),
        kid: Kid::from([1; 8]),
        algorithm: Algorithm::Es256,
        issuer: "FR".parse().unwrap(),
        issued_at: NumericDate::from_seconds(0),
        digests: vec![Digest::of(b"1")],
    }
}

fn entry() -> Entry {
    Entry {
        place: 0,
        kind: CertificateType::Vaccination,
        expires_at: NumericDate::from_seconds(1),
        item: Octets([1; 16]),
        payload: Octets([2; 16]),
        uci: Octets([3; 32]),
        country_uci: Octets([4; 32]),
        signature: Octets([5; 16]),
    }
}
