//! Chains: leases by the server's clock, and one statement an append.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgRow};

use super::{column, each, head, integer, item, milliseconds, octets, of_sqlx, place};
use crate::domain::NumericDate;
use crate::ledger::record::Head;
use crate::ledger::store::{Append, ChainState, KeptItem, Lease, Row, StoreError, Taken, Wanted};

/// One that nobody holds.
const ADD: &str = "INSERT INTO chain (instance, seq, link, settled, fence, until)
    SELECT $1, 0, $2, 0, 0, '-infinity' WHERE NOT EXISTS (SELECT FROM chain WHERE instance = $1)
    ON CONFLICT DO NOTHING";

const LOCK: &str = "SELECT id, seq, link, settled, fence, holder,
    CASE WHEN until > clock_timestamp() THEN (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint ELSE 0 END
    FROM chain WHERE instance = $1 FOR UPDATE";

const TAKE: &str = "UPDATE chain SET fence = fence + 1, holder = $2, until = clock_timestamp() + $3 * interval '1 millisecond'
    WHERE id = $1";

pub(super) async fn take(connection: &mut PgConnection, wanted: Wanted<'_>) -> Result<Taken, StoreError> {
    let Wanted { instance, holder, lasts } = wanted;
    let mut transaction = connection.begin().await.map_err(of_sqlx)?;
    let add = sqlx::query(ADD).bind(instance).bind(Head::EMPTY.link.0.as_slice());
    add.execute(&mut *transaction).await.map_err(of_sqlx)?;
    let row = sqlx::query(LOCK).bind(instance).fetch_one(&mut *transaction).await.map_err(of_sqlx)?;
    let before: Option<Vec<u8>> = column(&row, 5)?;
    let left = Duration::from_millis(place(&row, 6)?);
    let is_mine = before.as_deref() == Some(holder.0.as_slice());
    if !is_mine && !left.is_zero() {
        // One that is merely dropped would keep its lock until the connection is used again.
        transaction.rollback().await.map_err(of_sqlx)?;
        return Err(StoreError::Held { instance: instance.to_owned(), left });
    }
    let chain: i64 = column(&row, 0)?;
    let take = sqlx::query(TAKE).bind(chain).bind(holder.0.as_slice()).bind(milliseconds(lasts));
    take.execute(&mut *transaction).await.map_err(of_sqlx)?;
    if let Some(before) = before.filter(|_| !is_mine) {
        item::release_all_of(&mut transaction, &before).await?;
    }
    transaction.commit().await.map_err(of_sqlx)?;
    let lease = Lease { chain, instance: instance.to_owned(), fence: column::<i64>(&row, 4)? + 1 };
    Ok(Taken { lease, head: head(&row, 1)?, settled: place(&row, 3)? })
}

/// All or nothing, in one statement: a connection that is cut leaves no transaction open. Rows of items are locked in the order of
/// their keys, as by everybody.
const APPEND: &str = "WITH moved AS (
        UPDATE chain SET seq = $5, link = $6, settled = $7, until = clock_timestamp() + $8 * interval '1 millisecond'
        WHERE id = $1 AND fence = $2 AND seq = $3 AND link = $4
        RETURNING id
    ), written AS (
        INSERT INTO record (chain, seq, link, digest, record, detail)
        SELECT moved.id, wanted.*
        FROM moved, unnest($9::bigint[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[]) AS wanted
    ), held AS (
        SELECT item.key, wanted.sealed, wanted.due, wanted.place
        FROM moved, unnest($14::bytea[], $15::bigint[], $16::bytea[], $17::bigint[])
            WITH ORDINALITY AS wanted (key, claim, sealed, due, place)
        JOIN item ON item.key = wanted.key AND item.claim = wanted.claim
        WHERE item.until > clock_timestamp()
        ORDER BY item.key FOR UPDATE OF item
    ), settled AS (
        UPDATE item SET holder = NULL, until = NULL, sealed = held.sealed, due = held.due
        FROM held WHERE item.key = held.key
        RETURNING held.place
    )
    SELECT EXISTS (SELECT FROM moved), ARRAY(SELECT place FROM settled)";

pub(super) async fn append(connection: &mut PgConnection, lease: &Lease, append: Append<'_>) -> Result<Vec<usize>, StoreError> {
    let Append { from, rows, settled, kept, lasts } = append;
    debug_assert!(kept.groups.is_empty(), "claims are shared here");
    let kept = kept.items.as_slice();
    let to = rows.last().map_or(from, |last| Head { seq: last.seq, link: last.link });
    let query = sqlx::query(APPEND)
        .bind(lease.chain)
        .bind(lease.fence)
        .bind(integer(from.seq))
        .bind(from.link.0.as_slice())
        .bind(integer(to.seq))
        .bind(to.link.0.as_slice())
        .bind(integer(settled))
        .bind(milliseconds(lasts))
        .bind(each(rows, |row| integer(row.seq)))
        .bind(each(rows, |row| row.link.0.as_slice()))
        .bind(each(rows, |row| row.digest.0.as_slice()))
        .bind(each(rows, |row| row.record.as_deref()))
        .bind(each(rows, |row| row.detail.as_deref()))
        .bind(each(kept, |item| item.key.as_bytes().as_slice()))
        .bind(each(kept, |item| integer(item.claim)))
        .bind(each(kept, |item| item.sealed.as_slice()))
        .bind(each(kept, |item| item.due.seconds()));
    let done = query.fetch_one(connection).await.map_err(of_sqlx)?;
    if !column::<bool>(&done, 0)? {
        return Err(StoreError::Lost { instance: lease.instance.clone() });
    }
    Ok(lost(kept, &column::<Vec<i64>>(&done, 1)?))
}

/// The places that were not settled; a database counts from 1.
fn lost(kept: &[KeptItem], settled: &[i64]) -> Vec<usize> {
    let mut is_settled = vec![false; kept.len()];
    for place in settled.iter().filter_map(|place| usize::try_from(place - 1).ok()) {
        if let Some(is_settled) = is_settled.get_mut(place) {
            *is_settled = true;
        }
    }
    is_settled.iter().enumerate().filter(|(_, is_settled)| !**is_settled).map(|(place, _)| place).collect()
}

/// The holder stays named: who takes the chain next ends its claims.
pub(super) async fn release(connection: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let release = "UPDATE chain SET until = '-infinity' WHERE id = $1 AND fence = $2";
    sqlx::query(release).bind(lease.chain).bind(lease.fence).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<ChainState>, StoreError> {
    let all = "SELECT id, instance, seq, link, pruned_before FROM chain WHERE seq > 0 ORDER BY instance COLLATE \"C\"";
    let rows = sqlx::query(all).fetch_all(connection).await.map_err(of_sqlx)?;
    rows.iter().map(state_of).collect()
}

fn state_of(row: &PgRow) -> Result<ChainState, StoreError> {
    let pruned_before = column::<Option<i64>>(row, 4)?.map(NumericDate::from_seconds);
    Ok(ChainState { chain: column(row, 0)?, instance: column(row, 1)?, head: head(row, 2)?, pruned_before })
}

pub(super) async fn rows(connection: &mut PgConnection, chain: i64, from: u64, most: usize) -> Result<Vec<Row>, StoreError> {
    let select = "SELECT seq, link, digest, record, detail FROM record WHERE chain = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
    let query = sqlx::query(select).bind(chain).bind(integer(from)).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.fetch_all(connection).await.map_err(of_sqlx)?;
    rows.iter().map(row_of).collect()
}

fn row_of(row: &PgRow) -> Result<Row, StoreError> {
    Ok(Row {
        seq: place(row, 0)?,
        link: octets(row, 1)?,
        digest: octets(row, 2)?,
        record: column(row, 3)?,
        detail: column(row, 4)?,
    })
}
