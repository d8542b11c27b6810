//! What stands on the path of a certificate: the end of a chain moves, and rows come behind it.

use std::sync::{Arc, LazyLock};

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{id, integer, of_sqlx};
use crate::ledger::store::{Append, Lease, Row, StoreError};

/// Moves the end of a chain; nothing is written where it is not where the writer thinks.
pub(super) async fn move_head(connection: &mut SqliteConnection, lease: &Lease, append: &Append<'_>) -> Result<(), StoreError> {
    let Some(last) = append.rows.last() else { return Ok(()) };
    let moved =
        sqlx::query("UPDATE chain SET seq = ?, link = ?, settled = ? WHERE id = ? AND fence = ? AND seq = ? AND link = ?")
            .bind(integer(last.seq))
            .bind(last.link.0.as_slice())
            .bind(integer(append.settled))
            .bind(lease.chain)
            .bind(lease.fence)
            .bind(integer(append.from.seq))
            .bind(append.from.link.0.as_slice())
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Lost { instance: lease.instance.clone() }) }
}

/// Rows a statement: each statement is a change of threads there and back, and each number of rows a text of its own.
const ROWS_A_STATEMENT: usize = 16;

/// The statements for up to so many rows; a connection prepares each once.
static INSERTS: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| {
    let insert = "INSERT INTO record (id, link, digest, record, detail) VALUES ";
    (0..=ROWS_A_STATEMENT).map(|rows| format!("{insert}{}", vec!["(?, ?, ?, ?, ?)"; rows].join(", ")).into()).collect()
});

/// Writes rows behind it.
pub(super) async fn insert(connection: &mut SqliteConnection, chain: i64, rows: &[Row]) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&INSERTS[rows.len()])));
        for row in rows {
            query = query.bind(id(chain, row.seq)).bind(row.link.0.as_slice()).bind(row.digest.0.as_slice());
            query = query.bind(row.record.as_deref()).bind(row.detail.as_deref());
        }
        query.execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}
