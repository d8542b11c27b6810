//! What stands on the path of a certificate: the end of a chain moves, and rows come behind it, in one transaction.
//!
//! What the database says of a statement is a change of threads there and back, which takes longer than the statement. One row is
//! one statement, therefore; of several the end moves first, and they come together.
//!
//! A connection on which something of it failed is closed, and the transaction with it.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::kept::{self, Together};
use super::{id, integer, of_sqlx};
use crate::ledger::store::{Append, Lease, Row, StoreError};

/// Rows a call: each number of rows is a text of its own, which a connection prepares once.
const ROWS_A_CALL: usize = 16;

/// An end that is elsewhere would become NULL, which the table refuses: the call stops there, before any row.
const MOVE: &str =
    "UPDATE chain SET seq = CASE WHEN fence = ? AND seq = ? AND link = ? THEN ? END, link = ?, settled = ? WHERE id = ?; ";

/// Writes all of it, durably; gives the bytes of it, more or less.
///
/// # Errors
/// [`StoreError::Lost`] where the end of the chain is not where the writer thinks: nothing is written then.
pub(super) async fn append(connection: &mut SqliteConnection, lease: &Lease, append: Append<'_>) -> Result<usize, StoreError> {
    debug_assert!(append.kept.items.is_empty(), "claims are not shared here");
    let mut kept = kept::together(&append.kept.groups);
    let bytes = append.rows.iter().map(Row::bytes).sum::<usize>() + kept.as_ref().map_or(0, |kept| kept.groups.len());
    if let [row] = append.rows {
        append_one(connection, lease, &append, row, kept).await?;
        return Ok(bytes);
    }
    let calls = append.rows.len().div_ceil(ROWS_A_CALL).max(1);
    for call in 0..calls {
        let rows = append.rows.iter().skip(call * ROWS_A_CALL).take(ROWS_A_CALL);
        let end = append.rows.last().filter(|_| call == 0);
        let kept = if call + 1 == calls { kept.take() } else { None };
        let mut text = String::new();
        if call == 0 {
            text.push_str("BEGIN IMMEDIATE; ");
        }
        if end.is_some() {
            text.push_str(MOVE);
        }
        if rows.len() > 0 {
            text.push_str("INSERT INTO record (id, link, digest, record, detail) VALUES ");
            text.push_str(&vec!["(?, ?, ?, ?, ?)"; rows.len()].join(", "));
            text.push_str("; ");
        }
        if kept.is_some() {
            text.push_str("INSERT INTO kept_group (due, groups) VALUES (?, ?); ");
        }
        if call + 1 == calls {
            text.push_str("COMMIT");
        }
        let mut query = sqlx::query(AssertSqlSafe(text));
        if let Some(end) = end {
            query = query.bind(lease.fence).bind(integer(append.from.seq)).bind(append.from.link.0.as_slice());
            query = query.bind(integer(end.seq)).bind(end.link.0.as_slice()).bind(integer(append.settled)).bind(lease.chain);
        }
        query = rows.fold(query, |query, row| bind(query, lease.chain, row));
        if let Some(Together { due, groups }) = kept {
            query = query.bind(due.seconds()).bind(groups);
        }
        query.execute(&mut *connection).await.map_err(|error| lost_or(lease, error))?;
    }
    Ok(bytes)
}

/// See 4_append.sql.
async fn append_one(
    connection: &mut SqliteConnection,
    lease: &Lease,
    append: &Append<'_>,
    row: &Row,
    kept: Option<Together>,
) -> Result<(), StoreError> {
    let query = sqlx::query("INSERT INTO append VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let query = query.bind(lease.chain).bind(lease.fence).bind(integer(append.from.seq)).bind(append.from.link.0.as_slice());
    let query = bind(query.bind(integer(append.settled)).bind(integer(row.seq)), lease.chain, row);
    let (due, groups) = kept.map(|Together { due, groups }| (due.seconds(), groups)).unzip();
    query.bind(due).bind(groups).execute(connection).await.map(drop).map_err(|error| lost_or(lease, error))
}

type Appending<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(query: Appending<'q>, chain: i64, row: &'q Row) -> Appending<'q> {
    let query = query.bind(id(chain, row.seq)).bind(row.link.0.as_slice()).bind(row.digest.0.as_slice());
    query.bind(row.record.as_deref()).bind(row.detail.as_deref())
}

/// SQLite's own number for a NULL where there may be none.
const NOT_NULL: &str = "1299";

fn lost_or(lease: &Lease, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(NOT_NULL) { StoreError::Lost { instance: lease.instance.clone() } } else { of_sqlx(error) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{NumericDate, Octets};
    use crate::ledger::record::Head;
    use crate::ledger::store::sqlite::SqliteStore;
    use crate::ledger::store::{ChainState, KeptGroup, Store, ToKeep, Wanted};

    fn row(seq: u8) -> Row {
        let (link, digest) = (Octets([seq; 32]), Octets([seq + 100; 32]));
        Row { seq: seq.into(), link, digest, record: Some(vec![seq; 3]), detail: Some(vec![0; seq.into()]) }
    }

    fn kept(rows: &[Row]) -> ToKeep {
        let group = |row: &Row| KeptGroup { count: 1, sealed: vec![7; 9], due: NumericDate::from_seconds(row.seq as i64) };
        ToKeep { items: Vec::new(), groups: rows.iter().filter(|row| row.seq % 2 == 0).map(group).collect() }
    }

    /// A chain of the same rows, so many at a time; what is there in the end, and what becomes of rows that do not fit on it.
    async fn written(at_once: usize) -> (Vec<ChainState>, Vec<Row>, ToKeep, StoreError) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let lasts = Duration::from_secs(9);
        let lease = store.take(Wanted { instance: "a", holder: &Octets([1; 16]), lasts }).await.unwrap().lease;
        let rows: Vec<Row> = (1..=12).map(row).collect();
        let mut from = Head::EMPTY;
        for rows in rows.chunks(at_once) {
            let kept = kept(rows);
            store.append(&lease, Append { from, rows, settled: 2, kept: &kept, lasts }).await.unwrap();
            let last = rows.last().unwrap();
            from = Head { seq: last.seq, link: last.link };
        }
        let elsewhere = Head { seq: 12, link: Octets([13; 32]) };
        let rows: Vec<Row> = (13..).take(at_once).map(row).collect();
        let refused = Append { from: elsewhere, rows: &rows, settled: 2, kept: &kept(&rows), lasts };
        let refused = store.append(&lease, refused).await.unwrap_err();
        let kept = store.kept(NumericDate::from_seconds(0), 99).await.unwrap();
        let all = (store.chains().await.unwrap(), store.rows(lease.chain, 1, 99).await.unwrap(), kept, refused);
        store.close().await;
        all
    }

    #[tokio::test]
    async fn one_row_by_itself_leaves_what_several_together_leave() {
        let by_itself = written(1).await;
        assert_eq!((by_itself.1.len(), by_itself.2.groups.len()), (12, 6));
        assert_eq!(by_itself.3, StoreError::Lost { instance: "a".to_owned() });
        assert_eq!(written(3).await, by_itself);
        assert_eq!(written(12).await, by_itself);
    }
}
