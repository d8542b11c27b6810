//! What is kept of items, in the file: written in groups, read once at the start.

use futures_util::TryStreamExt;
use sqlx::{SqliteConnection, SqlitePool};

use super::{StoreError, column, of_sqlx};
use crate::domain::NumericDate;
use crate::ledger::ItemKey;
use crate::ledger::store::{KeptGroup, KeptItem, ToKeep};

/// Groups that are written together.
pub(super) struct Together {
    /// Of the last of them.
    pub(super) due: NumericDate,
    pub(super) groups: Vec<u8>,
}

/// What is written of some groups; nothing where there are none.
pub(super) fn together(groups: &[KeptGroup]) -> Option<Together> {
    let due = groups.iter().map(|group| group.due).max()?;
    Some(Together { due, groups: pack(groups) })
}

pub(super) async fn load(readers: &SqlitePool, now: NumericDate, most: usize) -> Result<ToKeep, StoreError> {
    // From the newest to the oldest, until all is turned round. There may be many times as much as is wanted.
    let mut groups = Vec::new();
    let mut count = 0;
    let mut rows = sqlx::query("SELECT groups FROM kept_group WHERE due > ? ORDER BY id DESC").bind(now.seconds()).fetch(readers);
    while count < most
        && let Some(row) = rows.try_next().await.map_err(of_sqlx)?
    {
        let unpacked = unpack(column(&row, 0)?, unpack_group).into_iter().rev().filter(|group| group.due > now);
        groups.extend(unpacked.inspect(|group| count += group.count as usize));
    }
    let mut items = Vec::new();
    let mut rows = sqlx::query("SELECT items FROM kept WHERE due > ? ORDER BY id DESC").bind(now.seconds()).fetch(readers);
    while count + items.len() < most
        && let Some(row) = rows.try_next().await.map_err(of_sqlx)?
    {
        items.extend(unpack(column(&row, 0)?, unpack_item).into_iter().rev().filter(|item| item.due > now));
    }
    groups.reverse();
    items.reverse();
    Ok(ToKeep { items, groups })
}

/// Rows of each table that are forgotten at once. What 500 items have is some 60 KB, and SQLite reads each page of it in order to free
/// it: less than a millisecond's work, tens of them where the disk has to be asked.
const FORGET_AT_ONCE: u32 = 8;

/// In the order of their ids: the oldest stand in front, and what is not due ends the search.
const FORGET_SOME: [&str; 2] = [
    "DELETE FROM kept_group WHERE id IN (SELECT id FROM kept_group ORDER BY id LIMIT ?) AND due <= ?",
    "DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY id LIMIT ?) AND due <= ?",
];

/// Forgets some of what is due; says whether there may be more.
pub(super) async fn forget_some(connection: &mut SqliteConnection, now: NumericDate) -> Result<bool, StoreError> {
    let mut are_more = false;
    for delete in FORGET_SOME {
        let delete = sqlx::query(delete).bind(FORGET_AT_ONCE).bind(now.seconds());
        let deleted = delete.execute(&mut *connection).await.map_err(of_sqlx)?.rows_affected();
        are_more |= deleted == u64::from(FORGET_AT_ONCE);
    }
    Ok(are_more)
}

/// Each: due 8, how many items 4, length 4, that many bytes encrypted.
fn pack(groups: &[KeptGroup]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(groups.iter().map(|group| 16 + group.sealed.len()).sum());
    for group in groups {
        bytes.extend_from_slice(&group.due.seconds().to_be_bytes());
        bytes.extend_from_slice(&group.count.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(group.sealed.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&group.sealed);
    }
    bytes
}

/// What cannot be read is left out: such items would be signed again.
fn unpack<T>(mut bytes: &[u8], one: impl Fn(&[u8]) -> Option<(T, &[u8])>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some((unpacked, rest)) = one(bytes) {
        all.push(unpacked);
        bytes = rest;
    }
    all
}

fn unpack_group(bytes: &[u8]) -> Option<(KeptGroup, &[u8])> {
    let (due, rest) = bytes.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sealed, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let due = NumericDate::from_seconds(i64::from_be_bytes(*due));
    Some((KeptGroup { count: u32::from_be_bytes(*count), sealed: sealed.to_vec(), due }, rest))
}

/// As the first version wrote them: key 16, due 8, length 2, that many bytes encrypted.
fn unpack_item(bytes: &[u8]) -> Option<(KeptItem, &[u8])> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (due, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sealed, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let due = NumericDate::from_seconds(i64::from_be_bytes(*due));
    Some((KeptItem { key: ItemKey::from_bytes(*key), claim: 0, sealed: sealed.to_vec(), due }, rest))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
    use sqlx::{Connection, Row as _};

    use super::*;
    use crate::ledger::store::Store;
    use crate::ledger::store::sqlite::{CHAIN_STEPS, SqliteStore, migrate};

    fn group(number: u8, due: i64) -> KeptGroup {
        KeptGroup { count: 2, sealed: vec![number; usize::from(number)], due: NumericDate::from_seconds(due) }
    }

    async fn pool() -> SqlitePool {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        for (_, sql) in CHAIN_STEPS {
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        }
        pool
    }

    async fn insert(pool: &SqlitePool, groups: &[KeptGroup]) {
        let Together { due, groups } = together(groups).unwrap();
        let insert = sqlx::query("INSERT INTO kept_group (due, groups) VALUES (?, ?)");
        insert.bind(due.seconds()).bind(groups).execute(pool).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_due_is_forgotten_some_at_a_time() {
        let pool = pool().await;
        for due in 0..80 {
            insert(&pool, &[group(1, due)]).await;
        }
        let mut connection = pool.acquire().await.unwrap();
        let now = NumericDate::from_seconds(69);
        let mut more = 0;
        while forget_some(&mut connection, now).await.unwrap() {
            more += 1;
        }
        let left = sqlx::query("SELECT count(*), min(due) FROM kept_group").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((more, left.get::<i64, _>(0), left.get::<i64, _>(1)), (8, 10, 70));
    }

    #[tokio::test]
    async fn the_newest_are_loaded_with_the_oldest_in_front_and_what_is_due_is_left_out() {
        let pool = pool().await;
        insert(&pool, &[group(1, 50), group(2, 51)]).await;
        insert(&pool, &[group(3, 9), group(4, 60), group(5, 61)]).await;
        insert(&pool, &[group(6, 62)]).await;
        let load = async |most| load(&pool, NumericDate::from_seconds(10), most).await.unwrap();
        let all = [group(1, 50), group(2, 51), group(4, 60), group(5, 61), group(6, 62)];
        assert_eq!(load(100).await, ToKeep { items: Vec::new(), groups: all.to_vec() });
        assert_eq!(load(3).await.groups, all[2..], "groups that were written together are read together");
    }

    const OLD: &str = "INSERT INTO kept (due, items) VALUES (200, ?)";

    /// Items as the first version wrote them.
    fn old(numbers: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in numbers {
            bytes.extend_from_slice(&[*number; 16]);
            bytes.extend_from_slice(&i64::from(*number).to_be_bytes());
            bytes.extend_from_slice(&u16::from(*number).to_be_bytes());
            bytes.extend_from_slice(&vec![*number; usize::from(*number)]);
        }
        bytes
    }

    fn item(number: u8) -> KeptItem {
        KeptItem {
            key: ItemKey::from_bytes([number; 16]),
            claim: 0,
            sealed: vec![number; usize::from(number)],
            due: NumericDate::from_seconds(number.into()),
        }
    }

    #[tokio::test]
    async fn a_file_of_before_is_brought_up_to_date_and_what_it_keeps_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        migrate(&mut connection, &CHAIN_STEPS[..2]).await.unwrap();
        sqlx::query(OLD).bind(old(&[200])).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        let kept = store.kept(NumericDate::from_seconds(0), 9).await.unwrap();
        assert_eq!(kept, ToKeep { items: vec![item(200)], groups: Vec::new() });
    }

    #[tokio::test]
    async fn items_that_the_first_version_wrote_are_read() {
        let pool = pool().await;
        sqlx::query(OLD).bind(old(&[0, 1, 200])).execute(&pool).await.unwrap();
        insert(&pool, &[group(1, 300)]).await;
        let load = async |most| load(&pool, NumericDate::from_seconds(0), most).await.unwrap();
        assert_eq!(load(9).await, ToKeep { items: vec![item(1), item(200)], groups: vec![group(1, 300)] });
        assert_eq!(load(2).await.items, [], "the group has two, which are newer");
        assert!(!forget_some(&mut pool.acquire().await.unwrap(), NumericDate::from_seconds(200)).await.unwrap());
        assert_eq!(load(9).await, ToKeep { items: Vec::new(), groups: vec![group(1, 300)] });
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_cut_off_is_left_out() {
        let groups = [group(0, 1), group(1, -2), group(200, 3)];
        let packed = pack(&groups);
        assert_eq!(unpack(&packed, unpack_group), groups);
        assert_eq!(unpack(&packed[..packed.len() - 1], unpack_group), groups[..2]);
    }
}
