//! Items: claimed, settled with an outcome by [`super::chain`], kept and forgotten. Whoever locks several rows does so in the order
//! of their keys, so that no two wait for each other.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};

use super::{column, integer, milliseconds, octets, of_sqlx, place};
use crate::domain::{NumericDate, Octets};
use crate::ledger::store::{FoundItem, ItemClaim, StoreError, WantedItems};
use crate::ledger::{ItemKey, LedgerKeyId};

/// How many are forgotten at once.
const FORGET_AT_ONCE: i64 = 5_000;

const CLAIM: &str = "INSERT INTO item AS held (key, claim, holder, until)
    SELECT wanted.key, $2, $3, clock_timestamp() + $4 * interval '1 millisecond'
    FROM unnest($1::bytea[]) AS wanted (key) ORDER BY wanted.key
    ON CONFLICT (key) DO UPDATE
    SET claim = excluded.claim, holder = excluded.holder, until = excluded.until, sealed = NULL, due = NULL
    WHERE held.until <= clock_timestamp() OR held.due <= $5
    RETURNING key";

const LOOK: &str = "SELECT key, claim, sealed, due,
    CASE WHEN until > clock_timestamp() THEN (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint ELSE 0 END
    FROM item WHERE key = ANY($1)";

pub(super) async fn claim(connection: &mut PgConnection, wanted: WantedItems<'_>) -> Result<Vec<FoundItem>, StoreError> {
    let keys: Vec<&[u8]> = wanted.keys.iter().map(|key| key.as_bytes().as_slice()).collect();
    let claim = sqlx::query(CLAIM)
        .bind(&keys)
        .bind(integer(wanted.claim))
        .bind(wanted.holder.0.as_slice())
        .bind(milliseconds(wanted.lasts))
        .bind(wanted.now.seconds());
    let rows = claim.fetch_all(&mut *connection).await.map_err(of_sqlx)?;
    let claimed: HashSet<ItemKey> = rows.iter().map(|row| key(row, 0)).collect::<Result<_, _>>()?;
    let mut others = HashMap::new();
    if claimed.len() < keys.len() {
        let rest: Vec<&[u8]> =
            wanted.keys.iter().filter(|key| !claimed.contains(key)).map(|key| key.as_bytes().as_slice()).collect();
        for row in sqlx::query(LOOK).bind(&rest).fetch_all(connection).await.map_err(of_sqlx)? {
            others.insert(key(&row, 0)?, other(&row)?);
        }
    }
    let found = |key: &ItemKey| match others.remove(key) {
        _ if claimed.contains(key) => FoundItem::Claimed,
        Some(other) => other,
        None => FoundItem::Ended,
    };
    Ok(wanted.keys.iter().map(found).collect())
}

fn other(row: &PgRow) -> Result<FoundItem, StoreError> {
    if let (Some(sealed), Some(due)) = (column(row, 2)?, column(row, 3)?) {
        return Ok(FoundItem::Kept { sealed, due: NumericDate::from_seconds(due) });
    }
    Ok(FoundItem::InWork { claim: place(row, 1)?, left: Duration::from_millis(place(row, 4)?) })
}

pub(super) async fn in_work(connection: &mut PgConnection, claims: &[ItemClaim]) -> Result<Vec<ItemClaim>, StoreError> {
    let select = "SELECT item.key, item.claim FROM unnest($1::bytea[], $2::bigint[]) AS wanted (key, claim)
        JOIN item ON item.key = wanted.key AND item.claim = wanted.claim WHERE item.until > clock_timestamp()";
    let (keys, numbers) = columns_of(claims);
    let rows = sqlx::query(select).bind(keys).bind(numbers).fetch_all(connection).await.map_err(of_sqlx)?;
    rows.iter().map(|row| Ok(ItemClaim { key: key(row, 0)?, claim: place(row, 1)? })).collect()
}

pub(super) async fn release(connection: &mut PgConnection, claims: &[ItemClaim]) -> Result<(), StoreError> {
    let delete = "DELETE FROM item WHERE key IN (
        SELECT item.key FROM unnest($1::bytea[], $2::bigint[]) AS wanted (key, claim)
        JOIN item ON item.key = wanted.key AND item.claim = wanted.claim
        WHERE item.until IS NOT NULL ORDER BY item.key FOR UPDATE OF item)";
    let (keys, numbers) = columns_of(claims);
    sqlx::query(delete).bind(keys).bind(numbers).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Ends the claims of one who writes no chain any more: it can settle nothing.
pub(super) async fn release_all_of(connection: &mut PgConnection, holder: &[u8]) -> Result<(), StoreError> {
    let delete = "DELETE FROM item WHERE key IN (
        SELECT key FROM item WHERE until IS NOT NULL AND holder = $1 ORDER BY key FOR UPDATE)";
    sqlx::query(delete).bind(holder).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Forgets some of what is due, and claims that ran out; says whether there may be more.
pub(super) async fn forget(connection: &mut PgConnection, now: NumericDate) -> Result<bool, StoreError> {
    let due = "DELETE FROM item WHERE key IN (
        SELECT key FROM item WHERE due <= $1 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let ran_out = "DELETE FROM item WHERE key IN (
        SELECT key FROM item WHERE until <= clock_timestamp() ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED)";
    let due = sqlx::query(due).bind(now.seconds()).bind(FORGET_AT_ONCE).execute(&mut *connection).await.map_err(of_sqlx)?;
    let ran_out = sqlx::query(ran_out).bind(FORGET_AT_ONCE).execute(connection).await.map_err(of_sqlx)?;
    let most = due.rows_affected().max(ran_out.rows_affected());
    Ok(most >= FORGET_AT_ONCE.unsigned_abs())
}

/// The first to come says under which key items are hashed. Another one may come when nothing is kept and nobody else writes.
pub(super) async fn agree(connection: &mut PgConnection, id: LedgerKeyId, holder: &Octets<16>) -> Result<(), StoreError> {
    let agree = "INSERT INTO claim_key (id) VALUES ($1) ON CONFLICT (one) DO UPDATE SET id = excluded.id
        WHERE NOT EXISTS (SELECT FROM item)
        AND NOT EXISTS (SELECT FROM chain WHERE until > clock_timestamp() AND holder <> $2)";
    let query = sqlx::query(agree).bind(id.0.as_slice()).bind(holder.0.as_slice());
    query.execute(&mut *connection).await.map_err(of_sqlx)?;
    let row = sqlx::query("SELECT id FROM claim_key").fetch_one(connection).await.map_err(of_sqlx)?;
    let agreed: LedgerKeyId = octets(&row, 0)?;
    if agreed == id {
        return Ok(());
    }
    let (agreed, id) = (hex::encode(agreed.0), hex::encode(id.0));
    let reason = format!(
        "its items are claimed under the ledger key {agreed}, and the last of this service's ledger keys is {id}: \
         all replicas share one file of ledger keys, and its last line stays as long as items are kept"
    );
    Err(StoreError::Database { reason })
}

fn columns_of(claims: &[ItemClaim]) -> (Vec<&[u8]>, Vec<i64>) {
    claims.iter().map(|claim| (claim.key.as_bytes().as_slice(), integer(claim.claim))).unzip()
}

fn key(row: &PgRow, index: usize) -> Result<ItemKey, StoreError> {
    octets(row, index).map(|octets| ItemKey::from_bytes(octets.0))
}
