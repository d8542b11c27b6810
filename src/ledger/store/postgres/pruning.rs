//! What is forgotten. The room of it is used again when the server's autovacuum has been there.

use std::collections::BTreeSet;

use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgRow};

use super::{PostgresStore, column, integer, of_sqlx, place};
use crate::domain::NumericDate;
use crate::ledger::index::HashKind;
use crate::ledger::index::pages::without;
use crate::ledger::store::pruning::{ExpiredCount, Forgotten, PruningStore, having};
use crate::ledger::store::{StoreError, StoreFuture};

/// What is changed in one transaction.
const ROWS_A_STEP: usize = 64;

const PLAN: &str = "UPDATE chain SET pruning_behind = least(pruning_behind, $2) WHERE id = $1";

const FINISH: &str = "UPDATE chain SET pruning_behind = NULL, pruned_before = greatest(pruned_before, $2) WHERE id = $1";

impl PruningStore for PostgresStore {
    fn plan(&self, chain: i64, behind: u64) -> StoreFuture<'_, ()> {
        Box::pin(self.0.with(async move |connection| {
            sqlx::query(PLAN).bind(chain).bind(integer(behind)).execute(connection).await.map_err(of_sqlx)?;
            Ok(())
        }))
    }

    fn planned(&self, chain: i64) -> StoreFuture<'_, Option<u64>> {
        Box::pin(self.0.with(async move |connection| {
            let select = "SELECT pruning_behind FROM chain WHERE id = $1";
            let row = sqlx::query(select).bind(chain).fetch_one(connection).await.map_err(of_sqlx)?;
            Ok(column::<Option<i64>>(&row, 0)?.and_then(|behind| behind.try_into().ok()))
        }))
    }

    fn finish(&self, chain: i64, before: Option<NumericDate>) -> StoreFuture<'_, ()> {
        Box::pin(self.0.with(async move |connection| {
            let before = before.map(NumericDate::seconds);
            sqlx::query(FINISH).bind(chain).bind(before).execute(connection).await.map_err(of_sqlx)?;
            Ok(())
        }))
    }

    fn expired(&self, chain: i64, before: NumericDate, most: usize) -> StoreFuture<'_, Vec<u64>> {
        Box::pin(self.0.with(async move |connection| {
            let select = "SELECT seq FROM signing WHERE chain = $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3";
            let query = sqlx::query(select).bind(chain).bind(before.seconds()).bind(i64::try_from(most).unwrap_or(i64::MAX));
            query.fetch_all(connection).await.map_err(of_sqlx)?.iter().map(|row| place(row, 0)).collect()
        }))
    }

    fn count_expired(&self, chain: i64, before: NumericDate) -> StoreFuture<'_, ExpiredCount> {
        Box::pin(self.0.with(async move |connection| {
            let select = "SELECT count(*), coalesce(sum(vaccinations + tests + recoveries), 0)::bigint FROM signing
                WHERE chain = $1 AND expires_at < $2";
            let row = sqlx::query(select).bind(chain).bind(before.seconds()).fetch_one(connection).await.map_err(of_sqlx)?;
            Ok(ExpiredCount { groups: place(&row, 0)?, certificates: place(&row, 1)? })
        }))
    }

    fn forget<'s>(&'s self, chain: i64, forgotten: &'s Forgotten) -> StoreFuture<'s, ()> {
        Box::pin(async move {
            let Forgotten { intents, outcomes } = forgotten;
            let records = "UPDATE record SET record = NULL, detail = NULL WHERE chain = $1 AND seq = ANY($2)";
            let details = "UPDATE record SET detail = NULL WHERE chain = $1 AND seq = ANY($2)";
            let signings = "DELETE FROM signing WHERE chain = $1 AND seq = ANY($2)";
            for (statement, places) in [(records, intents), (details, outcomes), (signings, outcomes)] {
                self.change(statement, chain, places).await?;
            }
            for segment in self.segments(chain, outcomes).await? {
                for kind in HashKind::ALL {
                    self.forget_places(kind, segment, outcomes).await?;
                }
                self.0.with(async move |connection| drop_segment(connection, segment).await).await?;
            }
            Ok(())
        })
    }
}

impl PostgresStore {
    /// Does a statement at places, some at a time.
    async fn change(&self, statement: &'static str, chain: i64, places: &BTreeSet<u64>) -> Result<(), StoreError> {
        let places: Vec<i64> = places.iter().map(|seq| integer(*seq)).collect();
        for places in places.chunks(ROWS_A_STEP) {
            let step = async move |connection: &mut PgConnection| {
                sqlx::query(statement).bind(chain).bind(places).execute(connection).await.map_err(of_sqlx)?;
                Ok(())
            };
            self.0.with(step).await?;
        }
        Ok(())
    }

    /// The segments that have outcomes of these.
    async fn segments(&self, chain: i64, outcomes: &BTreeSet<u64>) -> Result<Vec<i64>, StoreError> {
        let Some(first) = outcomes.first().copied() else { return Ok(Vec::new()) };
        let select = "SELECT id, through FROM segment WHERE chain = $1 AND through >= $2 ORDER BY through";
        let read = async move |connection: &mut PgConnection| {
            sqlx::query(select).bind(chain).bind(integer(first)).fetch_all(connection).await.map_err(of_sqlx)
        };
        let rows = self.0.with(read).await?;
        let segments: Result<Vec<_>, StoreError> = rows.iter().map(|row| Ok((column(row, 0)?, place(row, 1)?))).collect();
        Ok(having(segments?, outcomes))
    }

    /// Takes places out of the pages of a segment.
    async fn forget_places(&self, kind: HashKind, segment: i64, outcomes: &BTreeSet<u64>) -> Result<(), StoreError> {
        let mut next = Some(i64::MIN);
        while let Some(from) = next {
            let step = async move |connection: &mut PgConnection| {
                let select =
                    "SELECT first, places FROM page WHERE kind = $1 AND segment = $2 AND first >= $3 ORDER BY first LIMIT $4";
                let query = sqlx::query(select).bind(kind as i64).bind(segment).bind(from).bind(ROWS_A_STEP as i64);
                let rows = query.fetch_all(&mut *connection).await.map_err(of_sqlx)?;
                let Some(last) = rows.last() else { return Ok(None) };
                let last: i64 = column(last, 0)?;
                forget_places_of(connection, kind, segment, &rows, outcomes).await?;
                Ok(last.checked_add(1))
            };
            next = self.0.with(step).await?;
        }
        Ok(())
    }
}

async fn forget_places_of(
    connection: &mut PgConnection,
    kind: HashKind,
    segment: i64,
    pages: &[PgRow],
    outcomes: &BTreeSet<u64>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(of_sqlx)?;
    for page in pages {
        let Some(left) = without(column(page, 1)?, outcomes) else { continue };
        let query = if left.is_empty() {
            sqlx::query("DELETE FROM page WHERE $1::bytea IS NOT NULL AND kind = $2 AND segment = $3 AND first = $4")
        } else {
            sqlx::query("UPDATE page SET places = $1 WHERE kind = $2 AND segment = $3 AND first = $4")
        };
        let query = query.bind(left).bind(kind as i64).bind(segment).bind(column::<i64>(page, 0)?);
        query.execute(&mut *transaction).await.map_err(of_sqlx)?;
    }
    transaction.commit().await.map_err(of_sqlx)
}

/// A segment in which nothing is left; the last one of a chain stays, which says how far it is indexed.
async fn drop_segment(connection: &mut PgConnection, segment: i64) -> Result<(), StoreError> {
    let delete = "DELETE FROM segment WHERE id = $1
        AND NOT EXISTS (SELECT FROM page WHERE kind = ANY('{1,2,3}') AND page.segment = $1)
        AND EXISTS (SELECT FROM segment AS later WHERE later.chain = segment.chain AND later.through > segment.through)";
    sqlx::query(delete).bind(segment).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}
