use super::*;
use crate::domain::{Algorithm, Digest, Kid, NumericDate, Signature};
use crate::ledger::record::{Opened, VERSION};
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::{Expiry, ItemKey, Kept, open_kept};

/// A chain of so many records.
fn chain(instance: &str, records: u64) -> Vec<Row> {
    let mut head = Head::EMPTY;
    let row = |seq: u64| {
        let body = Body::Opened(Opened { program: seq.to_string(), keys: Vec::new(), audit: None });
        let record = Record { v: VERSION, instance: instance.to_owned(), seq, at: 0, body }.to_cbor();
        let digest = Record::digest_of(&record);
        head = head.next(&digest);
        Row { seq, link: head.link, digest, record: Some(record), detail: Some(Vec::new()) }
    };
    (1..=records).map(row).collect()
}

async fn store(folder: &tempfile::TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap())
}

async fn bring(store: &Arc<SqliteStore>, rows: &[Row]) -> Result<Moved, MoveError> {
    let mut incoming = Incoming::begin(&**store, "north").await?;
    for row in rows {
        incoming.take(row.clone()).await?;
    }
    incoming.end((Arc::clone(store) as _, Arc::clone(store) as _), &**store, None).await
}

#[tokio::test]
async fn a_chain_is_brought_in_once_and_what_was_cut_off_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (store, rows) = (store(&folder).await, chain("north", 700));
    for (count, records) in [(300, 300), (700, 400), (700, 0), (500, 0)] {
        let moved = bring(&store, &rows[..count]).await.unwrap();
        assert_eq!((moved.records, store.rows(moved.chain, 1, 1_000).await.unwrap().len() as u64), (records, moved.head.seq));
    }
    let state = store.chains().await.unwrap().remove(0);
    assert_eq!(state.head.seq, 700);
    ChainCheck::whole(&*store, &state).await.unwrap();
}

#[tokio::test]
async fn another_chain_of_the_same_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut other) = (store(&folder).await, chain("north", 10));
    bring(&store, &chain("north", 10)[..5]).await.unwrap();
    let body = Body::Opened(Opened { program: "other".to_owned(), keys: Vec::new(), audit: None });
    let mut head = Head::EMPTY;
    for row in &mut other {
        let record = Record { v: VERSION, instance: "north".to_owned(), seq: row.seq, at: 0, body: body.clone() }.to_cbor();
        row.digest = Record::digest_of(&record);
        head = head.next(&row.digest);
        (row.record, row.link) = (Some(record), head.link);
    }
    for count in [10, 5, 3] {
        let refused = bring(&store, &other[..count]).await.unwrap_err();
        assert!(matches!(refused, MoveError::Another { .. }), "{refused}");
    }
}

/// What is done to the rows of a chain.
type Bend = fn(&mut Vec<Row>);

#[tokio::test]
async fn what_does_not_hold_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let rows = chain("north", 9);
    let bent: [(u64, Bend); 5] = [
        (5, |rows| drop(rows.remove(3))),
        (4, |rows| rows[3].link.0[0] ^= 1),
        (4, |rows| rows[3].digest.0[0] ^= 1),
        (4, |rows| rows[3].record.as_mut().unwrap()[20] ^= 1),
        (4, |rows| rows[3].detail = Some(vec![1])),
    ];
    for (place, bend) in bent {
        let mut rows = rows.clone();
        bend(&mut rows);
        let refused = bring(&store, &rows).await.unwrap_err();
        assert!(matches!(refused, MoveError::Broken { seq, .. } if seq == place), "{refused}");
    }
    assert!(bring(&store, &chain("south", 2)).await.is_err(), "it is another's chain");
}

#[tokio::test]
async fn what_is_kept_comes_in_with_the_newest_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let item = |key: u8, value: u8| KeptOf {
        key: ItemKey::from_bytes([key; 16]),
        kept: Kept {
            digest: Digest::of(&[value]),
            signature: Signature::new(vec![value; 64]),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Es256,
            issued_at: NumericDate::from_seconds(0),
            expires_at: NumericDate::from_seconds(1_000),
            expiry: Expiry::OfProfile,
            profile: "dcc".into(),
        },
        due: NumericDate::from_seconds(100 + i64::from(value / 10)),
    };
    let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
    let mut incoming = Incoming::begin(&*store, "north").await.unwrap();
    let now = NumericDate::from_seconds(0);
    let keeper = Keeper { items: None, keys: &keys, now };
    assert_eq!(incoming.keep(&keeper, vec![item(1, 1), item(2, 12), item(3, 31), item(1, 33)]).await.unwrap(), 3);
    let written = store.kept(now, 10).await.unwrap();
    assert_eq!(written.groups.len(), 2, "those that fall due together are together");
    let mut kept = Vec::new();
    assert_eq!(open_kept(&keys, written, |item| kept.push(item)), 0);
    kept.sort_by_key(|item| item.key);
    assert_eq!(kept, [item(1, 33), item(2, 12), item(3, 31)]);
}
