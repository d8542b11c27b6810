//! What is forgotten, in both files. Their pages are overwritten and used again; they do not shrink by themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, SqliteConnection};
use tokio::time::sleep;

use super::{MOST_RECORDS, SqliteStore, column, id, integer, of_sqlx, place};
use crate::domain::NumericDate;
use crate::ledger::index::HashKind;
use crate::ledger::index::pages::without;
use crate::ledger::store::pruning::{ExpiredCount, Forgotten, PruningStore, having};
use crate::ledger::store::{StoreError, StoreFuture};

/// What is changed in one transaction: rows of some ten kilobytes, or pages of four.
const ROWS_A_STEP: usize = 32;

/// Between two transactions, so that commits come first.
const PAUSE: Duration = Duration::from_millis(5);

impl PruningStore for SqliteStore {
    fn plan(&self, chain: i64, behind: u64) -> StoreFuture<'_, ()> {
        Box::pin(self.writing(async move |connection| {
            let plan = "UPDATE chain SET pruning_behind = coalesce(min(pruning_behind, ?1), ?1) WHERE id = ?2";
            sqlx::query(plan).bind(integer(behind)).bind(chain).execute(connection).await.map_err(of_sqlx)?;
            Ok(())
        }))
    }

    fn planned(&self, chain: i64) -> StoreFuture<'_, Option<u64>> {
        Box::pin(async move {
            let select = "SELECT pruning_behind FROM chain WHERE id = ?";
            let row = sqlx::query(select).bind(chain).fetch_one(&self.readers).await.map_err(of_sqlx)?;
            Ok(column::<Option<i64>>(&row, 0)?.and_then(|behind| behind.try_into().ok()))
        })
    }

    fn finish(&self, chain: i64, before: Option<NumericDate>) -> StoreFuture<'_, ()> {
        Box::pin(self.writing(async move |connection| {
            let finish = "UPDATE chain SET pruning_behind = NULL, \
                 pruned_before = coalesce(max(pruned_before, ?1), ?1, pruned_before) WHERE id = ?2";
            let before = before.map(NumericDate::seconds);
            sqlx::query(finish).bind(before).bind(chain).execute(connection).await.map_err(of_sqlx)?;
            Ok(())
        }))
    }

    fn expired(&self, chain: i64, before: NumericDate, most: usize) -> StoreFuture<'_, Vec<u64>> {
        Box::pin(async move {
            let Some(readers) = self.index.readers() else { return Ok(Vec::new()) };
            let select = "SELECT id FROM signing WHERE expires_at < ? AND id BETWEEN ? AND ? ORDER BY expires_at, id LIMIT ?";
            let query = sqlx::query(select).bind(before.seconds()).bind(id(chain, 0)).bind(id(chain, MOST_RECORDS));
            let rows = query.bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(readers).await.map_err(of_sqlx)?;
            rows.iter().map(|row| Ok(place(row, 0)? & MOST_RECORDS)).collect()
        })
    }

    fn count_expired(&self, chain: i64, before: NumericDate) -> StoreFuture<'_, ExpiredCount> {
        Box::pin(async move {
            let Some(readers) = self.index.readers() else { return Ok(ExpiredCount::default()) };
            let select = "SELECT count(*), coalesce(sum(vaccinations + tests + recoveries), 0) FROM signing \
                 WHERE expires_at < ? AND id BETWEEN ? AND ?";
            let query = sqlx::query(select).bind(before.seconds()).bind(id(chain, 0)).bind(id(chain, MOST_RECORDS));
            let row = query.fetch_one(readers).await.map_err(of_sqlx)?;
            Ok(ExpiredCount { groups: place(&row, 0)?, certificates: place(&row, 1)? })
        })
    }

    fn forget<'s>(&'s self, chain: i64, forgotten: &'s Forgotten) -> StoreFuture<'s, ()> {
        Box::pin(async move {
            // On a connection of its own: between its transactions the writer's commits go on.
            let connection = &mut self.connect().await?.connection;
            sqlx::query(OVERWRITE).execute(&mut *connection).await.map_err(of_sqlx)?;
            let records = "UPDATE record SET record = NULL, detail = NULL WHERE id = ?";
            let details = "UPDATE record SET detail = NULL WHERE id = ?";
            change(connection, records, chain, &forgotten.intents).await?;
            change(connection, details, chain, &forgotten.outcomes).await?;
            self.index.building(async |connection| forget_indexed(connection, chain, &forgotten.outcomes).await).await
        })
    }
}

/// So that nothing of what is forgotten is left in what is free.
const OVERWRITE: &str = "PRAGMA secure_delete = ON";

async fn forget_indexed(connection: &mut SqliteConnection, chain: i64, outcomes: &BTreeSet<u64>) -> Result<(), StoreError> {
    sqlx::query(OVERWRITE).execute(&mut *connection).await.map_err(of_sqlx)?;
    change(connection, "DELETE FROM signing WHERE id = ?", chain, outcomes).await?;
    for segment in segments(connection, chain, outcomes).await? {
        for kind in HashKind::ALL {
            forget_places(connection, kind, segment, outcomes).await?;
        }
        drop_segment(connection, segment).await?;
    }
    // This file's commits are durable with a checkpoint: what is forgotten does not come back with a loss of power.
    sqlx::query("PRAGMA wal_checkpoint").execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

impl SqliteStore {
    /// Writes both files anew without what is free in them. It takes the room of others meanwhile.
    ///
    /// # Errors
    /// Where there is no room, or another process has the file.
    pub async fn compact(&self) -> Result<(), StoreError> {
        self.writing(compact).await?;
        self.index.building(compact).await
    }
}

async fn compact(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("VACUUM").execute(&mut *connection).await.map_err(of_sqlx)?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Does a statement at each place, some at a time.
async fn change(
    connection: &mut SqliteConnection,
    statement: &'static str,
    chain: i64,
    places: &BTreeSet<u64>,
) -> Result<(), StoreError> {
    let places: Vec<u64> = places.iter().copied().collect();
    for places in places.chunks(ROWS_A_STEP) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(of_sqlx)?;
        for seq in places {
            sqlx::query(statement).bind(id(chain, *seq)).execute(&mut *transaction).await.map_err(of_sqlx)?;
        }
        transaction.commit().await.map_err(of_sqlx)?;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// The segments that have outcomes of these.
async fn segments(connection: &mut SqliteConnection, chain: i64, outcomes: &BTreeSet<u64>) -> Result<Vec<i64>, StoreError> {
    let Some(first) = outcomes.first() else { return Ok(Vec::new()) };
    let select = "SELECT id, through FROM segment WHERE chain = ? AND through >= ? ORDER BY through";
    let rows = sqlx::query(select).bind(chain).bind(integer(*first)).fetch_all(connection).await.map_err(of_sqlx)?;
    let segments: Result<Vec<_>, StoreError> = rows.iter().map(|row| Ok((column(row, 0)?, place(row, 1)?))).collect();
    Ok(having(segments?, outcomes))
}

/// Takes places out of the pages of a segment.
async fn forget_places(
    connection: &mut SqliteConnection,
    kind: HashKind,
    segment: i64,
    outcomes: &BTreeSet<u64>,
) -> Result<(), StoreError> {
    let mut next = Some(i64::MIN);
    while let Some(from) = next {
        let select = "SELECT first, places FROM page WHERE kind = ? AND segment = ? AND first >= ? ORDER BY first LIMIT ?";
        let query = sqlx::query(select).bind(kind as i64).bind(segment).bind(from).bind(ROWS_A_STEP as i64);
        let rows = query.fetch_all(&mut *connection).await.map_err(of_sqlx)?;
        let Some(last) = rows.last() else { break };
        next = column::<i64>(last, 0)?.checked_add(1);
        if forget_places_of(connection, kind, segment, &rows, outcomes).await? {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Says whether there was one.
async fn forget_places_of(
    connection: &mut SqliteConnection,
    kind: HashKind,
    segment: i64,
    pages: &[SqliteRow],
    outcomes: &BTreeSet<u64>,
) -> Result<bool, StoreError> {
    let mut changed = Vec::new();
    for page in pages {
        changed.extend(without(column(page, 1)?, outcomes).map(|left| (page, left)));
    }
    if changed.is_empty() {
        return Ok(false);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(of_sqlx)?;
    for (page, left) in changed {
        let query = if left.is_empty() {
            sqlx::query("DELETE FROM page WHERE ?1 IS NOT NULL AND kind = ?2 AND segment = ?3 AND first = ?4")
        } else {
            sqlx::query("UPDATE page SET places = ?1 WHERE kind = ?2 AND segment = ?3 AND first = ?4")
        };
        let query = query.bind(left).bind(kind as i64).bind(segment).bind(column::<i64>(page, 0)?);
        query.execute(&mut *transaction).await.map_err(of_sqlx)?;
    }
    transaction.commit().await.map_err(of_sqlx)?;
    Ok(true)
}

/// A segment in which nothing is left; the last one of a chain stays, which says how far it is indexed.
async fn drop_segment(connection: &mut SqliteConnection, segment: i64) -> Result<(), StoreError> {
    let delete = "DELETE FROM segment WHERE id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM page WHERE kind IN (1, 2, 3) AND page.segment = ?1) \
         AND EXISTS (SELECT 1 FROM segment AS later WHERE later.chain = segment.chain AND later.through > segment.through)";
    sqlx::query(delete).bind(segment).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}
