//! What is written to an index, and asked of it.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{MOST_RECORDS, SqliteStore, column, id, integer, octets, of_sqlx, place};
use crate::domain::NumericDate;
use crate::ledger::index::{HashKind, IndexStore, Question, Revoked, Segment, Signing};
use crate::ledger::store::conditions::restrict;
use crate::ledger::store::{StoreError, StoreFuture};

/// Rows a statement: SQLite binds at most 32,766 values.
const ROWS_A_STATEMENT: usize = 500;

/// Pages a statement, of 4 KiB each: a statement is a change of threads there and back.
const PAGES_A_STATEMENT: usize = 32;

impl IndexStore for SqliteStore {
    fn indexed(&self, chain: i64) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let select = "SELECT coalesce(max(through), 0) FROM segment WHERE chain = ?";
            let Some(readers) = self.index.readers() else { return Ok(0) };
            let row = sqlx::query(select).bind(chain).fetch_one(readers).await.map_err(of_sqlx)?;
            place(&row, 0)
        })
    }

    fn add<'s>(&'s self, segment: &'s Segment) -> StoreFuture<'s, ()> {
        Box::pin(self.index.building(async move |connection| {
            let mut transaction = sqlx::Connection::begin_with(connection, "BEGIN IMMEDIATE").await.map_err(of_sqlx)?;
            let insert = "INSERT INTO segment (chain, through, link) VALUES (?, ?, ?) RETURNING id";
            let insert = sqlx::query(insert).bind(segment.chain).bind(integer(segment.through)).bind(segment.link.0.as_slice());
            let number: i64 = column(&insert.fetch_one(&mut *transaction).await.map_err(of_sqlx)?, 0)?;
            insert_pages(&mut transaction, number, segment).await?;
            for signings in segment.signings.chunks(ROWS_A_STATEMENT) {
                insert_signings(&mut transaction, signings).await?;
            }
            for revoked in segment.revoked.chunks(ROWS_A_STATEMENT) {
                insert_revoked(&mut transaction, segment.chain, revoked).await?;
            }
            transaction.commit().await.map_err(of_sqlx)
        }))
    }

    fn pages(&self, kind: HashKind, prefix: u64) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>> {
        Box::pin(async move {
            let Some(readers) = self.index.readers() else { return Ok(Vec::new()) };
            // One look a segment, whatever the planner thinks: a join went through every page of the kind.
            let select = "SELECT chain, (SELECT places FROM page WHERE kind = ?1 AND segment = segment.id AND first <= ?2 \
                 ORDER BY first DESC LIMIT 1) FROM segment";
            let query = sqlx::query(select).bind(kind as i64).bind(ordered(prefix));
            let rows = query.fetch_all(readers).await.map_err(of_sqlx)?;
            let page = |row: &SqliteRow| Ok((column(row, 0)?, column::<Option<Vec<u8>>>(row, 1)?));
            let pages: Result<Vec<_>, StoreError> = rows.iter().map(page).collect();
            Ok(pages?.into_iter().filter_map(|(chain, places)| Some((chain, places?))).collect())
        })
    }

    fn revoked<'s>(&'s self, instance: &'s str, outcomes: &'s [u64]) -> StoreFuture<'s, Vec<Revoked>> {
        Box::pin(async move {
            let Some(readers) = self.index.readers() else { return Ok(Vec::new()) };
            let mut query = QueryBuilder::<Sqlite>::new("SELECT seq, revocation, at, entries FROM revoked WHERE instance = ");
            query.push_bind(instance).push(" AND seq IN (");
            let mut seqs = query.separated(", ");
            for seq in outcomes {
                seqs.push_bind(integer(*seq));
            }
            seqs.push_unseparated(")");
            let rows = query.build().fetch_all(readers).await.map_err(of_sqlx)?;
            rows.iter().map(|row| revoked_of(instance, row)).collect()
        })
    }

    fn signings<'s>(&'s self, question: &'s Question, after: (i64, u64), most: usize) -> StoreFuture<'s, Vec<Signing>> {
        Box::pin(async move {
            let Some(readers) = self.index.readers() else { return Ok(Vec::new()) };
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT id, intent, at, caller, person, profile, kid, vaccinations, tests, recoveries, expires_at FROM signing \
                 WHERE id > ",
            );
            query.push_bind(id(after.0, after.1));
            restrict(&mut query, question);
            query.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX));
            let rows = query.build().fetch_all(readers).await.map_err(of_sqlx)?;
            rows.iter().map(signing_of).collect()
        })
    }
}

async fn insert_pages(connection: &mut SqliteConnection, segment: i64, content: &Segment) -> Result<(), StoreError> {
    for (kind, pages) in &content.pages {
        for pages in pages.chunks(PAGES_A_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO page (kind, segment, first, places) ");
            query.push_values(pages, |mut row, page| {
                row.push_bind(*kind as i64).push_bind(segment).push_bind(ordered(page.first)).push_bind(page.places.clone());
            });
            query.build().execute(&mut *connection).await.map_err(of_sqlx)?;
        }
    }
    Ok(())
}

async fn insert_signings(connection: &mut SqliteConnection, signings: &[Signing]) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO signing (id, intent, at, caller, person, profile, kid, vaccinations, tests, recoveries, expires_at) ",
    );
    query.push_values(signings, |mut row, signing| {
        row.push_bind(id(signing.chain, signing.seq)).push_bind(integer(signing.intent)).push_bind(signing.at.seconds());
        row.push_bind(signing.caller.clone()).push_bind(signing.person.clone()).push_bind(signing.profile.clone());
        row.push_bind(signing.kid.0.to_vec());
        for count in signing.counts {
            row.push_bind(i64::from(count));
        }
        row.push_bind(signing.expires_at.seconds());
    });
    query.build().execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

async fn insert_revoked(connection: &mut SqliteConnection, chain: i64, revoked: &[Revoked]) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO revoked (instance, seq, revocation, at, entries) ");
    query.push_values(revoked, |mut row, revoked| {
        row.push_bind(revoked.instance.clone()).push_bind(integer(revoked.seq)).push_bind(id(chain, revoked.by));
        row.push_bind(revoked.at.seconds()).push_bind(revoked.index_bytes());
    });
    query.build().execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

fn revoked_of(instance: &str, row: &SqliteRow) -> Result<Revoked, StoreError> {
    Ok(Revoked {
        instance: instance.to_owned(),
        seq: place(row, 0)?,
        by: place(row, 1)? & MOST_RECORDS,
        at: NumericDate::from_seconds(column(row, 2)?),
        indexes: Revoked::indexes_of(column(row, 3)?),
    })
}

fn signing_of(row: &SqliteRow) -> Result<Signing, StoreError> {
    let number = place(row, 0)?;
    let count = |index| place(row, index).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(Signing {
        chain: i64::try_from(number >> 40).unwrap_or_default(),
        seq: number & MOST_RECORDS,
        intent: place(row, 1)?,
        at: NumericDate::from_seconds(column(row, 2)?),
        caller: column(row, 3)?,
        person: column(row, 4)?,
        profile: column(row, 5)?,
        kid: octets(row, 6)?,
        counts: [count(7)?, count(8)?, count(9)?],
        expires_at: NumericDate::from_seconds(column(row, 10)?),
    })
}

/// SQLite's integers have a sign: in their order, the order of the hashes.
const fn ordered(prefix: u64) -> i64 {
    (prefix ^ (1 << 63)).cast_signed()
}
