use proptest::prelude::*;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::domain::{Algorithm, CallerId, CertificateType, Country, Digest, Kid, NumericDate, Octets, SystemClock};
use crate::ledger::record::{Body, Entry, Place, Revocation, RevokedOf};
use crate::ledger::store::Store;
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use crate::ledger::{Group, Ledger, LedgerKeys, RecordedLedger, SignedItem};
use std::sync::Arc;
use std::time::Duration;

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    ledger: RecordedLedger,
    task: WriterTask,
    indexer: Indexer,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap());
        let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
        let patience = Duration::from_secs(10);
        let settings = WriterSettings { instance: "north".to_owned(), patience, keys: keys.ids(), audit: None };
        let clock = Arc::new(SystemClock);
        let as_store = Arc::clone(&store) as Arc<dyn Store>;
        let (writer, task) = ChainWriter::start(as_store, clock.clone(), settings).await.unwrap();
        let ledger = RecordedLedger::resume(&*store, writer, keys, clock, None).await.unwrap();
        let enough = Enough { entries: 20, groups: 4 };
        let indexer = Indexer::new(Arc::clone(&store) as _, Arc::clone(&store) as _, 1, enough);
        Self { folder, store, ledger, task, indexer }
    }

    /// A connection to the index besides those that it has.
    async fn connect_to_index(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("ledger.db.index"));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    fn records(&self) -> Records {
        Records::new(Arc::clone(&self.store) as _, Arc::clone(&self.store) as _)
    }

    async fn sign(&self, group: &Made) {
        let intended = Group {
            caller: CallerId::new(group.caller),
            person: group.person.map(Into::into),
            request: "r".into(),
            profile: "dcc".into(),
            kid: Kid::from([group.kid; 8]),
            algorithm: Algorithm::Es256,
            issuer: "FR".parse::<Country>().unwrap(),
            issued_at: NumericDate::from_seconds(0),
            digests: vec![Digest::of(b"1"); group.entries.len()],
        };
        let intent = self.ledger.intend(intended).await.unwrap();
        let signed = |entry: &Entry| SignedItem { keep: None, entry: Some(*entry) };
        let settled = self.ledger.settle(intent, group.entries.iter().map(signed).collect()).await;
        assert!(settled.iter().all(Result::is_ok));
    }

    /// Puts a revocation on record; gives its place and when that was.
    async fn revoke(&self, instance: &str, places: &[(u64, u16)]) -> (u64, NumericDate) {
        let detail: Vec<u8> = places.iter().flat_map(|(seq, index)| Place { seq: *seq, index: *index }.to_bytes()).collect();
        let certificates = u32::try_from(places.len()).unwrap();
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
        let seq = self.ledger.writer().write(Body::Revocation(revocation), detail).await.unwrap().head.seq;
        let row = self.store.rows(1, seq, 1).await.unwrap().remove(0);
        let at = crate::ledger::record::Record::from_cbor(&row.record.unwrap()).unwrap().at;
        (seq, NumericDate::from_seconds(at.div_euclid(1_000)))
    }

    /// Those of what is found that were revoked, and when.
    async fn revoked(&self, question: &Question) -> Vec<(u64, u16, NumericDate)> {
        let mut revoked = Vec::new();
        let mut search = self.records().search(question.clone()).await.unwrap();
        while let Some(some) = search.next().await.unwrap() {
            revoked.extend(some.iter().filter_map(|one| Some((one.signing.seq, one.index, one.revoked_at?))));
        }
        revoked
    }

    async fn found(&self, question: &Question) -> Vec<(u64, u16)> {
        let mut found = Vec::new();
        let mut search = self.records().search(question.clone()).await.unwrap();
        while let Some(some) = search.next().await.unwrap() {
            assert!(some.iter().all(|one| one.instance == "north"));
            found.extend(some.iter().map(|one| (one.signing.seq, one.index)));
        }
        found
    }
}

/// A group, as it is to be signed.
#[derive(Clone, Debug)]
struct Made {
    caller: &'static str,
    person: Option<&'static str>,
    kid: u8,
    entries: Vec<Entry>,
}

fn entry(place: u16, kind: CertificateType, number: u8) -> Entry {
    Entry {
        place,
        kind,
        expires_at: NumericDate::from_seconds(i64::from(number)),
        item: Octets([number; 16]),
        payload: Octets([0; 16]),
        uci: Octets([number / 2; 32]),
        country_uci: Octets([0; 32]),
        signature: Octets([number.wrapping_mul(3); 16]),
    }
}

fn made() -> impl Strategy<Value = Made> {
    let entries = proptest::collection::vec((0..3usize, 0u8..12), 1..9);
    (0..2usize, 0..3usize, 0..2u8, entries).prop_map(|(caller, person, kid, entries)| Made {
        caller: ["clinic", "pharmacy"][caller],
        person: [None, Some("p1"), Some("p2")][person],
        kid,
        entries: entries.into_iter().zip(0..).map(|((kind, number), at)| entry(at, CertificateType::ALL[kind], number)).collect(),
    })
}

fn questions() -> Vec<Question> {
    let all = Question::default();
    let mut questions = vec![
        all.clone(),
        Question { caller: Some("clinic".to_owned()), ..all.clone() },
        Question { person: Some("p1".to_owned()), kid: Some(Octets([1; 8])), ..all.clone() },
        Question { kind: Some(CertificateType::Test), caller: Some("pharmacy".to_owned()), ..all.clone() },
        Question { to: Some(NumericDate::from_seconds(0)), ..all.clone() },
        Question { from: Some(NumericDate::from_seconds(0)), ..all.clone() },
    ];
    for number in 0..12u8 {
        questions.push(Question { uci: Some(Octets([number; 32])), ..all.clone() });
        questions.push(Question { item: Some(vec![Octets([number; 16]), Octets([99; 16])]), ..all.clone() });
        questions.push(Question {
            signature: Some(Octets([number.wrapping_mul(3); 16])),
            kid: Some(Octets([0; 8])),
            ..all.clone()
        });
    }
    questions
}

/// What a list that is searched from end to end says. The chain begins with one record, and each group has two.
fn by_hand(question: &Question, groups: &[Made]) -> Vec<(u64, u16)> {
    let now = NumericDate::from_seconds(i64::MAX / 2);
    let mut expected = Vec::new();
    for (group, number) in groups.iter().zip(0..) {
        let is_meant = question.caller.as_deref().is_none_or(|caller| caller == group.caller)
            && question.person.as_deref().is_none_or(|person| Some(person) == group.person)
            && question.kid.is_none_or(|kid| kid == Octets([group.kid; 8]))
            && question.to.is_none_or(|to| to > now);
        let entries = group.entries.iter().zip(0..).filter(|(entry, _)| is_meant && question.means(entry));
        expected.extend(entries.map(|(_, index)| (3 + 2 * number, index)));
    }
    expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever of it is indexed, and whatever is not yet.
    #[test]
    fn every_answer_is_that_of_a_plain_search(groups in proptest::collection::vec(made(), 1..30), indexed_after in 0usize..30) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new().await;
            for (number, group) in groups.iter().enumerate() {
                bench.sign(group).await;
                if number == indexed_after {
                    bench.indexer.catch_up().await.unwrap();
                }
            }
            for question in questions() {
                let expected = by_hand(&question, &groups);
                assert_eq!(bench.found(&question).await, expected, "{question:?}");
                let tally = bench.records().count(&question).await.unwrap();
                assert_eq!(tally.certificates(), expected.len() as u64, "{question:?}");
                let seqs: std::collections::BTreeSet<u64> = expected.iter().map(|(seq, _)| *seq).collect();
                assert_eq!(tally.groups, seqs.len() as u64, "{question:?}");
            }
            bench.task.end().await;
        });
    }
}

#[tokio::test]
async fn what_was_revoked_is_told_wherever_it_and_its_revocation_stand() {
    let mut bench = Bench::new().await;
    let group = |numbers: &[u8]| Made {
        entries: numbers.iter().zip(0..).map(|(number, at)| entry(at, CertificateType::Test, *number)).collect(),
        ..one(0)
    };
    // Their outcomes stand at 3, 5, 7 and 9: the first is revoked in the segment that it is in, the second in the next, the third by
    // what is not indexed, and the last is not indexed itself.
    bench.sign(&group(&[2, 4, 6])).await;
    bench.sign(&group(&[8, 10])).await;
    let (_, first) = bench.revoke("north", &[(3, 0), (3, 2)]).await;
    bench.sign(&group(&[12])).await;
    bench.sign(&group(&[14])).await;
    bench.indexer.catch_up().await.unwrap();
    assert_eq!(bench.store.indexed(1).await.unwrap(), 10);
    let (_, second) = bench.revoke("north", &[(5, 1)]).await;
    for number in 16..19 {
        bench.sign(&one(number)).await;
    }
    bench.sign(&group(&[20, 22])).await;
    bench.indexer.catch_up().await.unwrap();
    assert_eq!(bench.store.indexed(1).await.unwrap(), 19);
    bench.sign(&group(&[24, 26])).await;
    let (_, third) = bench.revoke("north", &[(3, 0), (8, 0), (21, 1)]).await;
    // Nobody's: another chain's, and what is not there.
    bench.revoke("south", &[(3, 1)]).await;
    bench.revoke("north", &[(3, 77), (4, 0)]).await;
    let all = [(3, 0, first), (3, 2, first), (5, 1, second), (8, 0, third), (21, 1, third)];
    assert_eq!(bench.revoked(&Question::default()).await, all);
    assert_eq!(bench.revoked(&Question { caller: Some("clinic".to_owned()), ..Question::default() }).await, all);
    for (number, expected) in
        [(2, &all[..1]), (4, &[]), (6, &all[1..2]), (10, &all[2..3]), (12, &all[3..4]), (24, &[]), (26, &all[4..])]
    {
        let by_item = Question { item: Some(vec![Octets([number; 16])]), ..Question::default() };
        assert_eq!(bench.revoked(&by_item).await, expected, "{number}");
    }
    bench.task.end().await;
}

#[tokio::test]
async fn many_revocations_end_a_segment_and_an_index_without_them_is_built_anew() {
    let mut bench = Bench::new().await;
    bench.sign(&one(1)).await;
    for _ in 0..4 {
        bench.revoke("north", &[(3, 0)]).await;
    }
    bench.indexer.catch_up().await.unwrap();
    assert_eq!(bench.store.indexed(1).await.unwrap(), 7);
    assert_eq!(bench.revoked(&Question::default()).await.len(), 1);
    // As the form was that had none.
    for statement in ["DROP TABLE revoked", "UPDATE _sqlx_migrations SET checksum = zeroblob(48)"] {
        sqlx::query(statement).execute(&mut bench.connect_to_index().await).await.unwrap();
    }
    let (store, _folder) = reopened(bench).await;
    assert_eq!(store.indexed(1).await.unwrap(), 0);
    let store = Arc::new(store);
    let mut indexer = Indexer::new(Arc::clone(&store) as _, Arc::clone(&store) as _, 1, Enough { entries: 20, groups: 4 });
    indexer.catch_up().await.unwrap();
    assert_eq!(store.revoked("north", &[2, 3]).await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_indexer_that_begins_anew_goes_on_from_the_last_segment() {
    let mut bench = Bench::new().await;
    let group =
        |number: u8| Made { caller: "clinic", person: None, kid: 1, entries: vec![entry(0, CertificateType::Test, number)] };
    for number in 0..6 {
        bench.sign(&group(number)).await;
    }
    assert_eq!(bench.indexer.catch_up().await.unwrap(), 13);
    assert_eq!(bench.store.indexed(1).await.unwrap(), 9, "four groups are a segment");
    let (store, index) = (Arc::clone(&bench.store) as _, Arc::clone(&bench.store) as _);
    let mut anew = Indexer::new(store, index, 1, Enough { entries: 20, groups: 4 });
    for number in 6..9 {
        bench.sign(&group(number)).await;
    }
    anew.catch_up().await.unwrap();
    assert_eq!(bench.store.indexed(1).await.unwrap(), 17);
    assert_eq!(bench.found(&Question::default()).await.len(), 9);
    bench.task.end().await;
}

fn one(number: u8) -> Made {
    Made { caller: "clinic", person: None, kid: 1, entries: vec![entry(0, CertificateType::Test, number)] }
}

#[tokio::test]
async fn no_commit_waits_for_a_segment_that_is_being_written() {
    let bench = Bench::new().await;
    let mut connection = bench.connect_to_index().await;
    let segment = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    bench.sign(&one(1)).await;
    segment.rollback().await.unwrap();
    bench.task.end().await;
}

/// Ends, and opens the ledger again.
async fn reopened(bench: Bench) -> (SqliteStore, tempfile::TempDir) {
    let Bench { folder, store, ledger, task, indexer } = bench;
    task.end().await;
    drop((store, ledger, indexer));
    (SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap(), folder)
}

async fn with_a_segment() -> Bench {
    let mut bench = Bench::new().await;
    for number in 0..6 {
        bench.sign(&one(number)).await;
    }
    bench.indexer.catch_up().await.unwrap();
    bench
}

#[tokio::test]
async fn an_index_of_its_own_ledger_is_gone_on_with() {
    let (store, _folder) = reopened(with_a_segment().await).await;
    assert_eq!(store.indexed(1).await.unwrap(), 9);
}

#[tokio::test]
async fn an_index_of_another_ledger_is_built_anew() {
    let bench = with_a_segment().await;
    let another = sqlx::query("UPDATE segment SET link = zeroblob(32)");
    another.execute(&mut bench.connect_to_index().await).await.unwrap();
    let (store, _folder) = reopened(bench).await;
    assert_eq!(store.indexed(1).await.unwrap(), 0);
}

#[tokio::test]
async fn an_index_that_cannot_be_read_is_built_anew() {
    let (store, folder) = reopened(with_a_segment().await).await;
    drop(store);
    let file = folder.path().join("ledger.db.index");
    std::fs::write(&file, [7; 5_000]).unwrap();
    let _ = std::fs::remove_file(file.with_extension("index-wal"));
    let store = SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap();
    assert_eq!(store.indexed(1).await.unwrap(), 0);
}
