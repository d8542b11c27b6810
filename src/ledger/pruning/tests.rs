use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::domain::{Algorithm, CallerId, CertificateType, Clock, Digest, Kid, Octets};
use crate::ledger::archive::{Expectations, Export, Flaw, TrustedAuditors, verify};
use crate::ledger::index::{Enough, Indexer, Question, Records};
use crate::ledger::record::{Entry, Head};
use crate::ledger::store::StoreFuture;
use crate::ledger::store::pruning::ExpiredCount;
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::writer::{WriterSettings, WriterTask};
use crate::ledger::{Group, Ledger, LedgerKeys, RecordedLedger, SignedItem};

const NOW: i64 = 1_637_000_000;

/// What expired before it is to go.
const BEFORE: NumericDate = NumericDate::from_seconds(NOW + 1_000);

/// A clock that is set by hand, in seconds.
#[derive(Debug)]
struct Hands(std::sync::atomic::AtomicI64);

impl Clock for Hands {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// A ledger, of which four groups are a segment of the index.
struct Bench {
    folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    ledger: RecordedLedger,
    task: WriterTask,
    indexer: Indexer,
    clock: Arc<Hands>,
    number: u8,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap());
        let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
        let patience = Duration::from_secs(10);
        let settings = WriterSettings { instance: "north".to_owned(), patience, keys: keys.ids(), audit: None };
        let clock = Arc::new(Hands(NOW.into()));
        let (writer, task) = ChainWriter::start(Arc::clone(&store) as _, clock.clone(), settings).await.unwrap();
        let ledger = RecordedLedger::resume(&*store, writer, keys, clock.clone(), None).await.unwrap();
        let indexer = Indexer::new(Arc::clone(&store) as _, Arc::clone(&store) as _, 1, Enough { entries: 1_000, groups: 4 });
        Self { folder, store, ledger, task, indexer, clock, number: 0 }
    }

    /// A group whose certificates expire so many seconds from now; its outcome's place.
    async fn sign(&mut self, expiries: &[i64]) -> u64 {
        self.number += 1;
        let intended = Group {
            caller: CallerId::new("clinic"),
            person: Some("somebody".into()),
            request: "r".into(),
            profile: "dcc".into(),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Es256,
            issuer: "FR".parse().unwrap(),
            issued_at: NumericDate::from_seconds(0),
            digests: vec![Digest::of(b"1"); expiries.len()],
        };
        let intent = self.ledger.intend(intended).await.unwrap();
        let number = self.number;
        let entry = |(place, expiry): (u16, &i64)| Entry {
            place,
            kind: CertificateType::Test,
            expires_at: NumericDate::from_seconds(NOW + expiry),
            item: Octets([number; 16]),
            payload: Octets([0; 16]),
            uci: Octets([number; 32]),
            country_uci: Octets([0; 32]),
            signature: Octets([number; 16]),
        };
        let signed = (0..).zip(expiries).map(|one| SignedItem { keep: None, entry: Some(entry(one)) }).collect();
        assert!(self.ledger.settle(intent, signed).await.iter().all(Result::is_ok));
        self.ledger.status().head().seq
    }

    fn pruner(&self) -> Pruner {
        self.pruner_over(Arc::clone(&self.store) as _)
    }

    fn pruner_over(&self, pruning: Arc<dyn PruningStore>) -> Pruner {
        Pruner::new(Arc::clone(&self.store) as _, Arc::clone(&self.store) as _, pruning, 1)
    }

    async fn prune(&self, pruner: &Pruner) -> Result<Pruned, PruningError> {
        self.clock.0.store(BEFORE.seconds() + 1_000, Ordering::SeqCst);
        pruner.run(self.ledger.writer(), BEFORE, &AtomicBool::new(false)).await
    }

    /// The places of outcomes whose certificates a question means.
    async fn found(&self, question: Question) -> Vec<u64> {
        let records = Records::new(Arc::clone(&self.store) as _, Arc::clone(&self.store) as _);
        let mut found = BTreeSet::new();
        let mut search = records.search(question).await.unwrap();
        while let Some(some) = search.next().await.unwrap() {
            found.extend(some.iter().map(|one| one.signing.seq));
        }
        found.into_iter().collect()
    }

    /// The places whose record is forgotten, and those of whose record the detail alone is.
    async fn forgotten(&self) -> (Vec<u64>, Vec<u64>) {
        let rows = self.store.rows(1, 1, usize::MAX).await.unwrap();
        let records = rows.iter().filter(|row| row.record.is_none()).map(|row| row.seq).collect();
        (records, rows.iter().filter(|row| row.record.is_some() && row.detail.is_none()).map(|row| row.seq).collect())
    }

    /// What speaks against an export, its signature aside.
    async fn flaws(&self) -> Vec<String> {
        let mut export = Export::begin(&*self.store, Vec::new()).await.unwrap();
        while export.step().await.unwrap() {}
        let text = export.end(NOW * 1_000).finish(Octets([0; 32]), Vec::new()).unwrap();
        let report = verify(text.as_slice(), &TrustedAuditors::default(), Expectations::default()).unwrap();
        let flaws = report.findings.listed().iter().filter(|finding| !matches!(finding.flaw, Flaw::Untrusted(_)));
        flaws.map(ToString::to_string).collect()
    }

    async fn count(&self, table: &str) -> i64 {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.path().join("ledger.db.index"));
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        let select = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(select).fetch_one(&mut connection).await.unwrap()
    }
}

fn of(number: u8) -> Question {
    Question { uci: Some(Octets([number; 32])), ..Question::default() }
}

#[tokio::test]
async fn what_has_expired_is_forgotten_indexed_or_not_and_the_chain_holds() {
    let mut bench = Bench::new().await;
    let mut outcomes = Vec::new();
    // The second and the sixth have one that has not expired.
    for expiries in [&[1, 2][..], &[5, 2_000], &[7], &[999], &[1], &[1_000], &[3, 3, 3]] {
        outcomes.push(bench.sign(expiries).await);
    }
    bench.indexer.catch_up().await.unwrap();
    assert_eq!(bench.count("segment").await, 1);
    let pruner = bench.pruner();
    let expected = Pruned { groups: 5, certificates: 8 };
    assert_eq!(pruner.count(BEFORE).await.unwrap(), expected);
    assert_eq!(bench.prune(&pruner).await.unwrap(), expected);
    let gone = [outcomes[0], outcomes[2], outcomes[3], outcomes[4], outcomes[6]];
    assert_eq!(bench.forgotten().await, (gone.map(|seq| seq - 1).to_vec(), gone.to_vec()));
    assert_eq!(bench.flaws().await, [""; 0]);
    assert_eq!(bench.found(Question::default()).await, [outcomes[1], outcomes[5]]);
    for (number, outcome) in (1..).zip(&outcomes) {
        let expected = if gone.contains(outcome) { vec![] } else { vec![*outcome] };
        assert_eq!(bench.found(of(number)).await, expected, "{number}");
    }
    assert_eq!(bench.count("signing").await, 1);
    assert_eq!(bench.store.chains().await.unwrap()[0].pruned_before, Some(BEFORE));
    assert_eq!(bench.prune(&pruner).await.unwrap(), Pruned::default(), "nothing is left to do");
    // The indexer had read the tail before it was pruned.
    bench.sign(&[2_000]).await;
    bench.indexer.catch_up().await.unwrap();
    assert_eq!(bench.prune(&pruner).await.unwrap(), Pruned::default());
    assert_eq!(bench.found(of(5)).await, [0; 0]);
    assert_eq!(bench.count("signing").await, 3, "what came in from memory is gone, too");
    bench.task.end().await;
}

#[tokio::test]
async fn a_segment_of_which_nothing_is_left_goes_but_for_the_last() {
    let mut bench = Bench::new().await;
    for _ in 0..8 {
        bench.sign(&[1]).await;
    }
    bench.indexer.catch_up().await.unwrap();
    assert_eq!((bench.count("segment").await, bench.store.indexed(1).await.unwrap()), (2, 17));
    bench.prune(&bench.pruner()).await.unwrap();
    let left = (bench.count("segment").await, bench.count("page").await, bench.store.indexed(1).await.unwrap());
    assert_eq!(left, (1, 0, 17));
    bench.task.end().await;
}

/// A store that fails at the next steps that forget.
#[derive(Debug)]
struct Failing(Arc<SqliteStore>, std::sync::atomic::AtomicUsize);

impl PruningStore for Failing {
    fn plan(&self, chain: i64, behind: u64) -> StoreFuture<'_, ()> {
        self.0.plan(chain, behind)
    }

    fn planned(&self, chain: i64) -> StoreFuture<'_, Option<u64>> {
        self.0.planned(chain)
    }

    fn finish(&self, chain: i64, before: Option<NumericDate>) -> StoreFuture<'_, ()> {
        self.0.finish(chain, before)
    }

    fn expired(&self, chain: i64, before: NumericDate, most: usize) -> StoreFuture<'_, Vec<u64>> {
        self.0.expired(chain, before, most)
    }

    fn count_expired(&self, chain: i64, before: NumericDate) -> StoreFuture<'_, ExpiredCount> {
        self.0.count_expired(chain, before)
    }

    fn forget<'s>(&'s self, chain: i64, forgotten: &'s Forgotten) -> StoreFuture<'s, ()> {
        Box::pin(async move {
            // As if the process had died with the first intent forgotten, or with nothing.
            let done: usize = self.1.load(Ordering::SeqCst);
            let part = Forgotten { intents: forgotten.intents.iter().copied().take(done).collect(), ..Forgotten::default() };
            self.0.forget(chain, &part).await?;
            Err(StoreError::Database { reason: "the process died".to_owned() })
        })
    }
}

#[tokio::test]
async fn a_pruning_that_was_cut_off_is_gone_on_with() {
    for done in [0, 1] {
        let mut bench = Bench::new().await;
        let outcomes = [bench.sign(&[1]).await, bench.sign(&[2]).await, bench.sign(&[2_000]).await];
        let failing = Arc::new(Failing(Arc::clone(&bench.store), done.into()));
        bench.prune(&bench.pruner_over(failing)).await.unwrap_err();
        assert_eq!(bench.forgotten().await.0.len(), done);
        assert_eq!(bench.flaws().await, [""; 0], "in between, too");
        bench.pruner().resume().await.unwrap();
        assert_eq!(bench.forgotten().await, (vec![outcomes[0] - 1, outcomes[1] - 1], outcomes[..2].to_vec()));
        assert_eq!(bench.flaws().await, [""; 0]);
        assert_eq!((bench.store.planned(1).await, bench.count("signing").await), (Ok(None), 0));
        let prunings = bench.store.rows(1, 1, usize::MAX).await.unwrap().iter().filter_map(pruning_of).count();
        assert_eq!((prunings, bench.prune(&bench.pruner()).await.unwrap()), (1, Pruned::default()), "it is on record once");
        bench.task.end().await;
    }
}

#[tokio::test]
async fn a_plan_that_never_came_on_record_is_dropped() {
    let mut bench = Bench::new().await;
    bench.sign(&[1]).await;
    let Head { seq, .. } = bench.ledger.status().head();
    bench.store.plan(1, seq).await.unwrap();
    bench.pruner().resume().await.unwrap();
    assert_eq!(bench.store.planned(1).await, Ok(None));
    assert_eq!(bench.forgotten().await, (Vec::new(), Vec::new()));
    assert_eq!(bench.store.chains().await.unwrap()[0].pruned_before, None);
    bench.task.end().await;
}

#[tokio::test]
async fn what_is_forgotten_is_nowhere_in_the_file() {
    let mut bench = Bench::new().await;
    bench.sign(&[1]).await;
    bench.indexer.catch_up().await.unwrap();
    bench.prune(&bench.pruner()).await.unwrap();
    bench.task.end().await;
    bench.store.compact().await.unwrap();
    let bytes = std::fs::read(bench.folder.path().join("ledger.db")).unwrap();
    let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    assert!(has(b"north") && !has(b"somebody") && !has(&[1; 16]));
}

#[test]
fn places_come_to_ranges() {
    assert_eq!(ranges(vec![5, 3, 4, 9, 11, 10, 20]), [(3, 5), (9, 11), (20, 20)]);
}
