//! What stands on the path of a certificate: the end of a chain moves, and rows come behind it, in one transaction.
//!
//! A connection on which something of it failed is closed, and the transaction with it.

use std::sync::{Arc, LazyLock};

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::kept::{self, Group};
use super::{id, integer, of_sqlx};
use crate::ledger::store::{Append, Lease, Row, StoreError};

/// Begins the transaction and moves the end of the chain; nothing is to be written where that is not where the writer thinks.
///
/// Each call of the connection is a change of threads there and back, which costs more than the statement: an append is two.
pub(super) async fn move_head(connection: &mut SqliteConnection, lease: &Lease, append: &Append<'_>) -> Result<(), StoreError> {
    let Some(last) = append.rows.last() else { return begin(connection).await };
    let moved = sqlx::query(MOVE)
        .bind(integer(last.seq))
        .bind(last.link.0.as_slice())
        .bind(integer(append.settled))
        .bind(lease.chain)
        .bind(lease.fence)
        .bind(integer(append.from.seq))
        .bind(append.from.link.0.as_slice())
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?;
    if moved.is_some() { Ok(()) } else { Err(StoreError::Lost { instance: lease.instance.clone() }) }
}

const MOVE: &str = "BEGIN IMMEDIATE; \
     UPDATE chain SET seq = ?, link = ?, settled = ? WHERE id = ? AND fence = ? AND seq = ? AND link = ? RETURNING seq";

async fn begin(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Rows a call: each number of rows is a text of its own, which a connection prepares once.
const ROWS_A_CALL: usize = 16;

/// The texts for up to so many rows, for those that more come behind, and for the last with and without what is kept.
static INSERTS: LazyLock<Vec<[Arc<str>; 3]>> = LazyLock::new(|| {
    let text = |rows: usize, end: &str| -> Arc<str> {
        let insert = "INSERT INTO record (id, link, digest, record, detail) VALUES ";
        let rows = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
        if rows.is_empty() { end.into() } else { format!("{insert}{rows}; {end}").into() }
    };
    let of_rows = |rows| ["", "COMMIT", "INSERT INTO kept (due, items) VALUES (?, ?); COMMIT"].map(|end| text(rows, end));
    (0..=ROWS_A_CALL).map(of_rows).collect()
});

/// Writes rows and what is kept behind it, and ends the transaction; gives the bytes of them, more or less.
pub(super) async fn insert(connection: &mut SqliteConnection, chain: i64, append: &Append<'_>) -> Result<usize, StoreError> {
    let last = append.rows.len().saturating_sub(1) / ROWS_A_CALL * ROWS_A_CALL;
    let (first, last) = append.rows.split_at(last);
    for rows in first.chunks(ROWS_A_CALL) {
        let query = bind(sqlx::query(AssertSqlSafe(Arc::clone(&INSERTS[rows.len()][0]))), chain, rows);
        query.execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    let end = if append.kept.is_empty() { 1 } else { 2 };
    let mut query = bind(sqlx::query(AssertSqlSafe(Arc::clone(&INSERTS[last.len()][end]))), chain, last);
    let mut bytes: usize = append.rows.iter().map(Row::bytes).sum();
    if let Some(Group { due, items }) = kept::group(append.kept) {
        bytes += items.len();
        query = query.bind(due.seconds()).bind(items);
    }
    query.execute(connection).await.map_err(of_sqlx)?;
    Ok(bytes)
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(mut query: Insert<'q>, chain: i64, rows: &'q [Row]) -> Insert<'q> {
    for row in rows {
        query = query.bind(id(chain, row.seq)).bind(row.link.0.as_slice()).bind(row.digest.0.as_slice());
        query = query.bind(row.record.as_deref()).bind(row.detail.as_deref());
    }
    query
}
