//! The index, in the same database.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Postgres, QueryBuilder};

use super::{PostgresStore, column, each, integer, octets, of_sqlx, place};
use crate::domain::NumericDate;
use crate::ledger::index::{HashKind, IndexStore, Page, Question, Revoked, Segment, Signing};
use crate::ledger::store::conditions::restrict;
use crate::ledger::store::{StoreError, StoreFuture};

/// How long a segment may take to be written: nobody waits for it.
const SEGMENT: Duration = Duration::from_secs(60);

impl IndexStore for PostgresStore {
    fn indexed(&self, chain: i64) -> StoreFuture<'_, u64> {
        Box::pin(self.0.with(async move |connection| {
            let select = "SELECT coalesce(max(through), 0) FROM segment WHERE chain = $1";
            place(&sqlx::query(select).bind(chain).fetch_one(connection).await.map_err(of_sqlx)?, 0)
        }))
    }

    fn add<'s>(&'s self, segment: &'s Segment) -> StoreFuture<'s, ()> {
        Box::pin(self.0.with_patience(SEGMENT, async move |connection| add(connection, segment).await))
    }

    fn pages(&self, kind: HashKind, prefix: u64) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>> {
        Box::pin(self.0.with(async move |connection| {
            // One look a segment, as in SQLite: with a join the planner may go through every page of the kind.
            let select = "SELECT segment.chain, looked_up.places FROM segment CROSS JOIN LATERAL (SELECT places FROM page \
                 WHERE kind = $1 AND page.segment = segment.id AND first <= $2 ORDER BY first DESC LIMIT 1) AS looked_up";
            let query = sqlx::query(select).bind(kind as i64).bind(ordered(prefix));
            let rows = query.fetch_all(connection).await.map_err(of_sqlx)?;
            rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
        }))
    }

    fn revoked<'s>(&'s self, instance: &'s str, outcomes: &'s [u64]) -> StoreFuture<'s, Vec<Revoked>> {
        Box::pin(self.0.with(async move |connection| {
            let select = "SELECT seq, revocation, at, entries FROM revoked WHERE instance = $1 AND seq = ANY($2)";
            let query = sqlx::query(select).bind(instance).bind(each(outcomes, |seq| integer(*seq)));
            let rows = query.fetch_all(connection).await.map_err(of_sqlx)?;
            rows.iter().map(|row| revoked_of(instance, row)).collect()
        }))
    }

    fn signings<'s>(&'s self, question: &'s Question, after: (i64, u64), most: usize) -> StoreFuture<'s, Vec<Signing>> {
        Box::pin(self.0.with(async move |connection| {
            let mut query = QueryBuilder::<Postgres>::new(
                "SELECT chain, seq, intent, at, caller, person, profile, kid, vaccinations, tests, recoveries, expires_at \
                 FROM signing WHERE (chain, seq) > (",
            );
            query.push_bind(after.0).push(", ").push_bind(integer(after.1)).push(")");
            restrict(&mut query, question);
            query.push(" ORDER BY chain, seq LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX));
            let rows = query.build().fetch_all(connection).await.map_err(of_sqlx)?;
            rows.iter().map(signing_of).collect()
        }))
    }
}

async fn add(connection: &mut PgConnection, segment: &Segment) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(of_sqlx)?;
    let patience = sqlx::query("SELECT set_config('statement_timeout', $1, true)").bind(SEGMENT.as_millis().to_string());
    patience.execute(&mut *transaction).await.map_err(of_sqlx)?;
    let insert = "INSERT INTO segment (chain, through, revoked) VALUES ($1, $2, $3) RETURNING id";
    let insert =
        sqlx::query(insert).bind(segment.chain).bind(integer(segment.through)).bind(integer(segment.revoked.len() as u64));
    let number: i64 = column(&insert.fetch_one(&mut *transaction).await.map_err(of_sqlx)?, 0)?;
    for (kind, pages) in &segment.pages {
        insert_pages(&mut transaction, number, *kind, pages).await?;
    }
    insert_signings(&mut transaction, &segment.signings).await?;
    insert_revoked(&mut transaction, segment.chain, &segment.revoked).await?;
    transaction.commit().await.map_err(of_sqlx)
}

async fn insert_pages(connection: &mut PgConnection, segment: i64, kind: HashKind, pages: &[Page]) -> Result<(), StoreError> {
    let insert =
        "INSERT INTO page (kind, segment, first, places) SELECT $1, $2, page.* FROM unnest($3::bigint[], $4::bytea[]) AS page";
    let insert = sqlx::query(insert).bind(kind as i64).bind(segment);
    let insert = insert.bind(each(pages, |page| ordered(page.first))).bind(each(pages, |page| page.places.as_slice()));
    insert.execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

async fn insert_signings(connection: &mut PgConnection, signings: &[Signing]) -> Result<(), StoreError> {
    let insert = "INSERT INTO signing
        (chain, seq, intent, at, caller, person, profile, kid, vaccinations, tests, recoveries, expires_at)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bytea[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])";
    let mut insert = sqlx::query(insert)
        .bind(each(signings, |signing| signing.chain))
        .bind(each(signings, |signing| integer(signing.seq)))
        .bind(each(signings, |signing| integer(signing.intent)))
        .bind(each(signings, |signing| signing.at.seconds()))
        .bind(each(signings, |signing| signing.caller.as_str()))
        .bind(each(signings, |signing| signing.person.as_deref()))
        .bind(each(signings, |signing| signing.profile.as_str()))
        .bind(each(signings, |signing| signing.kid.0.as_slice()));
    for kind in 0..3 {
        insert = insert.bind(each(signings, |signing| i64::from(signing.counts[kind])));
    }
    insert.bind(each(signings, |signing| signing.expires_at.seconds())).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

async fn insert_revoked(connection: &mut PgConnection, chain: i64, revoked: &[Revoked]) -> Result<(), StoreError> {
    let insert = "INSERT INTO revoked (chain, instance, seq, revocation, at, entries)
        SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])";
    let insert = sqlx::query(insert)
        .bind(chain)
        .bind(each(revoked, |revoked| revoked.instance.as_str()))
        .bind(each(revoked, |revoked| integer(revoked.seq)))
        .bind(each(revoked, |revoked| integer(revoked.by)))
        .bind(each(revoked, |revoked| revoked.at.seconds()))
        .bind(each(revoked, Revoked::index_bytes));
    insert.execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

fn revoked_of(instance: &str, row: &PgRow) -> Result<Revoked, StoreError> {
    Ok(Revoked {
        instance: instance.to_owned(),
        seq: place(row, 0)?,
        by: place(row, 1)?,
        at: NumericDate::from_seconds(column(row, 2)?),
        indexes: Revoked::indexes_of(column(row, 3)?),
    })
}

fn signing_of(row: &PgRow) -> Result<Signing, StoreError> {
    let count = |index| place(row, index).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(Signing {
        chain: column(row, 0)?,
        seq: place(row, 1)?,
        intent: place(row, 2)?,
        at: NumericDate::from_seconds(column(row, 3)?),
        caller: column(row, 4)?,
        person: column(row, 5)?,
        profile: column(row, 6)?,
        kid: octets(row, 7)?,
        counts: [count(8)?, count(9)?, count(10)?],
        expires_at: NumericDate::from_seconds(column(row, 11)?),
    })
}

/// PostgreSQL's integers have a sign: in their order, the order of the hashes.
const fn ordered(prefix: u64) -> i64 {
    (prefix ^ (1 << 63)).cast_signed()
}
