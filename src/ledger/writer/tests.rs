use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::domain::time::FixedClock;
use crate::domain::{Algorithm, CallerId, Country, Digest, Kid, NumericDate};
use crate::ledger::intent::OpenIntent;
use crate::ledger::record::Record;
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{ChainState, Lease, StoreFuture};
use crate::ledger::{Group, Ledger, LedgerKeys, RecordedLedger, intent::Abandon};

/// A store that fails when it is told to.
#[derive(Debug)]
struct Flaky {
    inner: SqliteStore,
    /// Appends that are still to fail before they are written.
    failing: AtomicUsize,
    /// The next append is written, and said to have failed.
    is_forgetful: AtomicBool,
    /// Appends wait for it.
    gate: tokio::sync::Semaphore,
}

impl Flaky {
    async fn in_folder(folder: &tempfile::TempDir) -> Arc<Self> {
        let inner = SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap();
        let (failing, is_forgetful) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { inner, failing, is_forgetful, gate: tokio::sync::Semaphore::new(1) })
    }
}

fn failure<T>() -> Result<T, StoreError> {
    Err(StoreError::Database { reason: "out of order".to_owned() })
}

impl Store for Flaky {
    fn take<'s>(&'s self, wanted: Wanted<'s>) -> StoreFuture<'s, Taken> {
        self.inner.take(wanted)
    }

    fn append<'s>(&'s self, lease: &'s Lease, append: Append<'s>) -> StoreFuture<'s, Vec<usize>> {
        Box::pin(async move {
            let _open = self.gate.acquire().await.unwrap();
            if self.failing.load(Ordering::SeqCst) > 0 {
                self.failing.fetch_sub(1, Ordering::SeqCst);
                return failure();
            }
            let appended = self.inner.append(lease, append).await;
            if self.is_forgetful.swap(false, Ordering::SeqCst) { failure() } else { appended }
        })
    }

    fn release<'s>(&'s self, lease: &'s Lease) -> StoreFuture<'s, ()> {
        self.inner.release(lease)
    }

    fn kept(&self, now: NumericDate, most: usize) -> StoreFuture<'_, ToKeep> {
        self.inner.kept(now, most)
    }

    fn forget_kept(&self, now: NumericDate) -> StoreFuture<'_, ()> {
        self.inner.forget_kept(now)
    }

    fn chains(&self) -> StoreFuture<'_, Vec<ChainState>> {
        self.inner.chains()
    }

    fn rows(&self, chain: i64, from: u64, most: usize) -> StoreFuture<'_, Vec<Row>> {
        self.inner.rows(chain, from, most)
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock(NumericDate::from_seconds(1_637_000_000)))
}

async fn start(store: &Arc<Flaky>) -> (ChainWriter, WriterTask) {
    let settings = WriterSettings {
        instance: "north".to_owned(),
        patience: Duration::from_millis(50),
        keys: vec![Octets([1; 4])],
        audit: None,
    };
    ChainWriter::start(Arc::clone(store) as Arc<dyn Store>, clock(), settings).await.unwrap()
}

fn intent(count: u32) -> (Body, Vec<u8>) {
    let group = Group {
        caller: CallerId::new("clinic"),
        person: None,
        request: "r1".into(),
        profile: "dcc".into(),
        kid: Kid::from([1; 8]),
        algorithm: Algorithm::Es256,
        issuer: "FR".parse::<Country>().unwrap(),
        issued_at: NumericDate::from_seconds(0),
        digests: vec![Digest::of(b"1"); count as usize],
    };
    let (intent, detail) = group.to_record();
    (Body::Intent(intent), detail)
}

async fn intend(writer: &ChainWriter) -> Result<OpenIntent, LedgerError> {
    let (body, detail) = intent(3);
    let written = writer.write(body, detail).await?;
    Ok(OpenIntent::new(written.head.seq, 3, Arc::clone(writer.status()) as Arc<dyn Abandon>))
}

async fn settle(writer: &ChainWriter, intent: OpenIntent) -> Result<Written, LedgerError> {
    let (intent, unsigned) = intent.redeem();
    let outcome = Outcome { intent, signed: 0, unsigned, key: Octets([1; 4]), root: merkle::root([].into_iter()) };
    writer.write(Body::Outcome(outcome), Vec::new()).await
}

/// The chain as it is stored, its links checked, by kind.
async fn chain(store: &Flaky) -> Vec<Body> {
    let state = store.chains().await.unwrap().remove(0);
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

fn kinds(bodies: &[Body]) -> Vec<&str> {
    bodies.iter().map(Body::kind).collect()
}

async fn is_up_again(writer: &ChainWriter) {
    for _ in 0..1_000 {
        if writer.status().trouble().is_none() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the ledger stays down: {:?}", writer.status().trouble());
}

#[tokio::test]
async fn what_comes_at_the_same_time_is_written_in_few_commits_and_in_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let all = futures_util::future::join_all((0..100).map(|_| async {
        let intent = intend(&writer).await.unwrap();
        settle(&writer, intent).await.unwrap()
    }));
    all.await;
    let Tally { commits, records, .. } = writer.status().written();
    assert!(records >= 200 && commits < 100, "{records} records in {commits} commits");
    task.end().await;
    let bodies = chain(&store).await;
    assert_eq!(bodies.len(), 201);
}

#[tokio::test]
async fn an_intent_that_is_dropped_is_put_down_as_unsigned() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    drop(intend(&writer).await.unwrap());
    task.end().await;
    let bodies = chain(&store).await;
    assert!(matches!(bodies.last(), Some(Body::Outcome(Outcome { intent: 2, signed: 0, unsigned: 3, .. }))), "{bodies:?}");
}

#[tokio::test]
async fn an_intent_of_a_process_that_died_is_in_doubt_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let settled = intend(&writer).await.unwrap();
    let open = intend(&writer).await.unwrap();
    settle(&writer, settled).await.unwrap();
    task.task.abort();
    std::mem::forget(open);
    for expected in [vec![3], Vec::new()] {
        let before = chain(&store).await.len();
        start(&store).await.1.end().await;
        let bodies = chain(&store).await;
        let doubts: Vec<u64> = bodies[before..]
            .iter()
            .filter_map(|body| if let Body::Doubt { intents } = body { Some(intents.clone()) } else { None })
            .flatten()
            .collect();
        assert_eq!(doubts, expected);
    }
}

#[tokio::test]
async fn when_the_database_fails_everybody_hears_it_at_once_and_it_resumes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let held = intend(&writer).await.unwrap();
    // The append, and the first try to take the chain back.
    store.failing.store(2, Ordering::SeqCst);
    assert!(intend(&writer).await.unwrap_err().to_string().contains("out of order"));
    assert!(intend(&writer).await.unwrap_err().to_string().contains("out of order"));
    is_up_again(&writer).await;
    settle(&writer, held).await.unwrap();
    drop(intend(&writer).await.unwrap());
    task.end().await;
    let bodies = chain(&store).await;
    assert_eq!(kinds(&bodies), ["opened", "intent", "opened", "outcome", "intent", "outcome"]);
}

#[tokio::test]
async fn a_commit_that_was_written_and_said_to_have_failed_leaves_one_chain_and_a_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    store.is_forgetful.store(true, Ordering::SeqCst);
    intend(&writer).await.unwrap_err();
    is_up_again(&writer).await;
    settle(&writer, intend(&writer).await.unwrap()).await.unwrap();
    task.end().await;
    let bodies = chain(&store).await;
    assert_eq!(kinds(&bodies), ["opened", "intent", "opened", "doubt", "intent", "outcome"]);
    assert_eq!(bodies[3], Body::Doubt { intents: vec![2] });
}

#[tokio::test]
async fn while_a_commit_takes_too_long_nobody_else_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let closed = store.gate.acquire().await.unwrap();
    let slow = tokio::spawn({
        let writer = writer.clone();
        async move { intend(&writer).await }
    });
    sleep(Duration::from_millis(200)).await;
    let refused = intend(&writer).await.unwrap_err();
    assert!(refused.to_string().contains("has been writing"), "{refused}");
    drop(closed);
    settle(&writer, slow.await.unwrap().unwrap()).await.unwrap();
    task.end().await;
}

#[tokio::test]
async fn whoever_has_gone_before_its_intent_is_written_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let closed = store.gate.acquire().await.unwrap();
    let impatient = || tokio::time::timeout(Duration::from_millis(20), intend(&writer));
    // The first is being written already, the second waits.
    assert!(impatient().await.is_err());
    assert!(impatient().await.is_err());
    drop(closed);
    task.end().await;
    let bodies = chain(&store).await;
    assert_eq!(kinds(&bodies), ["opened", "intent", "outcome"]);
}

#[tokio::test]
async fn a_chain_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let refused = SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap_err();
    assert!(refused.to_string().contains("another process writes"), "{refused}");
    // A lease that another has taken since writes nothing.
    let (writer, task) = start(&store).await;
    let holder = Octets([9; 16]);
    store.take(Wanted { instance: "north", holder: &holder, lasts: LEASE }).await.unwrap();
    intend(&writer).await.unwrap_err();
    is_up_again(&writer).await;
    drop(intend(&writer).await.unwrap());
    task.end().await;
    chain(&store).await;
}

#[tokio::test]
async fn a_chain_whose_end_is_bent_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let store = Flaky::in_folder(&folder).await;
    start(&store).await.1.end().await;
    drop(store);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE record SET link = zeroblob(32)").execute(&mut connection).await.unwrap();
    let store = Flaky::in_folder(&folder).await;
    let settings = WriterSettings { instance: "north".to_owned(), patience: LEASE, keys: Vec::new(), audit: None };
    let refused = ChainWriter::start(store, clock(), settings).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[tokio::test]
async fn a_file_that_was_moved_away_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, _task) = start(&store).await;
    let (path, aside) = (folder.path().join("ledger.db"), folder.path().join("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    assert!(intend(&writer).await.unwrap_err().to_string().contains("ledger.db"));
    std::fs::rename(&aside, &path).unwrap();
    is_up_again(&writer).await;
    drop(intend(&writer).await.unwrap());
}

/// Whoever waits for an answer gets one, whatever the order of things.
#[tokio::test(flavor = "multi_thread")]
async fn under_failures_at_random_every_write_is_answered_and_the_chain_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let written = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..8u64)
        .map(|number| {
            let (writer, store, written) = (writer.clone(), Arc::clone(&store), Arc::clone(&written));
            tokio::spawn(async move {
                for round in 0..20u64 {
                    if (number + round) % 13 == 0 {
                        store.failing.store(1, Ordering::SeqCst);
                    }
                    if (number * 3 + round) % 17 == 0 {
                        store.is_forgetful.store(true, Ordering::SeqCst);
                    }
                    if let Ok(intent) = intend(&writer).await
                        && let Ok(outcome) = settle(&writer, intent).await
                    {
                        written.lock().unwrap().push(outcome.head);
                    }
                    is_up_again(&writer).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    task.end().await;
    let bodies = chain(&store).await;
    let written = written.lock().unwrap().clone();
    assert!(!written.is_empty());
    for head in written {
        assert_eq!(bodies[usize::try_from(head.seq).unwrap() - 1].kind(), "outcome");
    }
    // Each intent has one end.
    let intents = bodies.iter().filter(|body| body.kind() == "intent").count();
    let ends: usize = bodies
        .iter()
        .map(|body| match body {
            Body::Outcome(_) => 1,
            Body::Doubt { intents } => intents.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(intents, ends);
}

/// A clock that a test sets.
#[derive(Debug)]
struct HandClock(std::sync::atomic::AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// The times of the chain's records, in seconds.
async fn times(store: &Flaky) -> Vec<i64> {
    let chain = store.chains().await.unwrap().remove(0).chain;
    let rows = store.rows(chain, 0, usize::MAX).await.unwrap();
    rows.into_iter().map(|row| Record::from_cbor(&row.record.unwrap()).unwrap().at / 1_000).collect()
}

#[tokio::test]
async fn a_clock_that_is_set_back_takes_no_record_before_another_after_a_restart_either() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let clock = Arc::new(HandClock(1_000.into()));
    for (second, expected) in [(1_000, 1_000), (400, 1_000), (1_200, 1_200)] {
        clock.0.store(second, Ordering::SeqCst);
        let settings = WriterSettings { instance: "north".to_owned(), patience: LEASE, keys: vec![Octets([1; 4])], audit: None };
        let started = ChainWriter::start(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&clock) as Arc<dyn Clock>, settings);
        let (writer, task) = started.await.unwrap();
        let intent = intend(&writer).await.unwrap();
        clock.0.fetch_sub(100, Ordering::SeqCst);
        assert_eq!(writer.status().head_at(clock.now()).1, expected * 1_000);
        settle(&writer, intent).await.unwrap();
        task.end().await;
    }
    let times = times(&store).await;
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!((times[0], *times.last().unwrap()), (1_000, 1_200));
}

#[tokio::test]
async fn what_was_written_is_counted_and_what_is_not_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let status = Arc::clone(writer.status());
    assert_eq!(status.unsealed().records, 0);
    std::mem::forget(intend(&writer).await.unwrap());
    settle(&writer, intend(&writer).await.unwrap()).await.unwrap();
    let Tally { commits, records, certificates, doubts } = status.written();
    assert_eq!((commits, records, certificates, doubts), (3, 3, 0, 0));
    assert_eq!(status.unsealed().records, 3);
    status.is_sealed(status.head());
    assert_eq!(status.unsealed().records, 0);
    status.reaches(4).await;
    let further = tokio::time::timeout(Duration::from_millis(20), status.reaches(5));
    assert!(further.await.is_err(), "the chain has 4 records");
    task.task.abort();
    let (writer, task) = start(&store).await;
    assert_eq!(writer.status().written().doubts, 1);
    task.end().await;
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_is_in_trouble_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let store = Flaky::in_folder(&folder).await;
    let (writer, task) = start(&store).await;
    let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
    let ledger = RecordedLedger::resume(&*store, writer.clone(), keys, clock(), None).await.unwrap();
    assert_eq!(ledger.trouble(), None);
    store.failing.store(2, Ordering::SeqCst);
    intend(&writer).await.unwrap_err();
    assert!(ledger.trouble().unwrap().to_string().contains("out of order"));
    is_up_again(&writer).await;
    assert_eq!(ledger.trouble(), None);
    task.end().await;
}
