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

/// Writes all of it, durably; gives the bytes of it, more or less.
///
/// Each call of the connection is a change of threads there and back, which costs more than a statement: mostly it is one.
///
/// # Errors
/// [`StoreError::Lost`] where the end of the chain is not where the writer thinks: nothing is written then.
pub(super) async fn append(connection: &mut SqliteConnection, lease: &Lease, append: Append<'_>) -> Result<usize, StoreError> {
    let mut bytes: usize = append.rows.iter().map(Row::bytes).sum();
    let kept = kept::group(append.kept);
    let last_call = append.rows.len().saturating_sub(1) / ROWS_A_CALL;
    for call in 0..=last_call {
        let start = call * ROWS_A_CALL;
        let rows = &append.rows[start..append.rows.len().min(start + ROWS_A_CALL)];
        let begin = match (call, append.rows.last()) {
            (0, None) => Begin::Unmoved,
            (0, Some(end)) => Begin::Moved(end),
            _ => Begin::Begun,
        };
        let end = match &kept {
            _ if call < last_call => End::Open,
            None => End::Commit,
            Some(_) => End::KeptAndCommit,
        };
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&TEXTS[begin.place()][rows.len()][end as usize])));
        if let Begin::Moved(end) = begin {
            query = query.bind(lease.fence).bind(integer(append.from.seq)).bind(append.from.link.0.as_slice());
            query = query.bind(integer(end.seq)).bind(end.link.0.as_slice()).bind(integer(append.settled)).bind(lease.chain);
        }
        query = bind(query, lease.chain, rows);
        if let (End::KeptAndCommit, Some(Group { due, items })) = (end, &kept) {
            bytes += items.len();
            query = query.bind(due.seconds()).bind(items.as_slice());
        }
        query.execute(&mut *connection).await.map_err(|error| lost_or(lease, error))?;
    }
    Ok(bytes)
}

/// Rows a call: each number of rows is a text of its own, which a connection prepares once.
const ROWS_A_CALL: usize = 16;

/// How a call begins.
enum Begin<'r> {
    /// Within the transaction that the call before has begun.
    Begun,
    /// With a transaction in which the chain stays as it is.
    Unmoved,
    /// With one in which the chain comes to end with this row.
    Moved(&'r Row),
}

/// How a call ends.
#[derive(Clone, Copy)]
enum End {
    /// Others follow.
    Open,
    Commit,
    KeptAndCommit,
}

impl Begin<'_> {
    const fn place(&self) -> usize {
        match self {
            Self::Begun => 0,
            Self::Unmoved => 1,
            Self::Moved(_) => 2,
        }
    }
}

/// An end that is elsewhere would become NULL, which the table refuses: the call stops there, before any row.
const MOVE: &str = "BEGIN IMMEDIATE; \
     UPDATE chain SET seq = CASE WHEN fence = ? AND seq = ? AND link = ? THEN ? END, link = ?, settled = ? WHERE id = ?; ";

/// The texts, by [`Begin`], number of rows, and [`End`].
static TEXTS: LazyLock<[Vec<[Arc<str>; 3]>; 3]> = LazyLock::new(|| {
    let insert = |rows: usize| match rows {
        0 => String::new(),
        _ => {
            format!("INSERT INTO record (id, link, digest, record, detail) VALUES {}; ", vec!["(?, ?, ?, ?, ?)"; rows].join(", "))
        }
    };
    let ends = ["", "COMMIT", "INSERT INTO kept (due, items) VALUES (?, ?); COMMIT"];
    ["", "BEGIN IMMEDIATE; ", MOVE].map(|begin| {
        let of_rows = |rows| ends.map(|end| format!("{begin}{}{end}", insert(rows)).into());
        (0..=ROWS_A_CALL).map(of_rows).collect()
    })
});

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(mut query: Insert<'q>, chain: i64, rows: &'q [Row]) -> Insert<'q> {
    for row in rows {
        query = query.bind(id(chain, row.seq)).bind(row.link.0.as_slice()).bind(row.digest.0.as_slice());
        query = query.bind(row.record.as_deref()).bind(row.detail.as_deref());
    }
    query
}

/// SQLite's own number for a NULL where there may be none.
const NOT_NULL: &str = "1299";

fn lost_or(lease: &Lease, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(NOT_NULL) { StoreError::Lost { instance: lease.instance.clone() } } else { of_sqlx(error) }
}
