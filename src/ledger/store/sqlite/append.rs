//! What stands on the path of a certificate: the end of a chain moves, and rows come behind it, in one transaction.
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
/// Each call of the connection is a change of threads there and back, which costs more than a statement: mostly it is one.
///
/// # Errors
/// [`StoreError::Lost`] where the end of the chain is not where the writer thinks: nothing is written then.
pub(super) async fn append(connection: &mut SqliteConnection, lease: &Lease, append: Append<'_>) -> Result<usize, StoreError> {
    debug_assert!(append.kept.items.is_empty(), "claims are not shared here");
    let mut kept = kept::together(&append.kept.groups);
    let kept_bytes = kept.as_ref().map_or(0, |kept| kept.groups.len());
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
    Ok(append.rows.iter().map(Row::bytes).sum::<usize>() + kept_bytes)
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
