//! What is kept of items, in the file: written in groups, read once at the start.

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{KeptItem, StoreError, of_sqlx};
use crate::domain::NumericDate;
use crate::ledger::ItemKey;

/// Items that are written together.
pub(super) struct Group {
    /// Of the last of them.
    pub(super) due: NumericDate,
    pub(super) items: Vec<u8>,
}

/// A group of items; nothing where there are none.
pub(super) fn group(items: &[KeptItem]) -> Option<Group> {
    let due = items.iter().map(|item| item.due).max()?;
    Some(Group { due, items: pack(items) })
}

pub(super) async fn load(readers: &SqlitePool, now: NumericDate, most: usize) -> Result<Vec<KeptItem>, StoreError> {
    let groups = "SELECT items FROM kept WHERE due > ? ORDER BY id DESC LIMIT ?";
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sqlx::query(groups).bind(now.seconds()).bind(limit).fetch_all(readers).await.map_err(of_sqlx)?;
    let mut items = Vec::new();
    for row in rows {
        let group: Vec<u8> = row.try_get(0).map_err(of_sqlx)?;
        items.extend(unpack(&group).into_iter().rev().filter(|item| item.due > now));
        if items.len() >= most {
            break;
        }
    }
    items.truncate(most);
    items.reverse();
    Ok(items)
}

/// Groups that are forgotten at once, some milliseconds' work: a group of 500 is some 90 KB.
const FORGET_AT_ONCE: u32 = 32;

/// Forgets some groups that are due; says whether there may be more. The oldest stand in front, and what is not due ends the search.
pub(super) async fn forget_some(connection: &mut SqliteConnection, now: NumericDate) -> Result<bool, StoreError> {
    let delete = "DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY id LIMIT ?) AND due <= ?";
    let deleted = sqlx::query(delete).bind(FORGET_AT_ONCE).bind(now.seconds()).execute(connection).await.map_err(of_sqlx)?;
    Ok(deleted.rows_affected() == u64::from(FORGET_AT_ONCE))
}

fn pack(items: &[KeptItem]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.iter().map(|item| 26 + item.sealed.len()).sum());
    for item in items {
        bytes.extend_from_slice(item.key.as_bytes());
        bytes.extend_from_slice(&item.due.seconds().to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(item.sealed.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&item.sealed);
    }
    bytes
}

/// What cannot be read is left out: such an item would be signed again.
fn unpack(mut bytes: &[u8]) -> Vec<KeptItem> {
    let mut items = Vec::new();
    while let Some((item, rest)) = unpack_one(bytes) {
        items.push(item);
        bytes = rest;
    }
    items
}

fn unpack_one(bytes: &[u8]) -> Option<(KeptItem, &[u8])> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (due, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sealed, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let due = NumericDate::from_seconds(i64::from_be_bytes(*due));
    Some((KeptItem { key: ItemKey::from_bytes(*key), claim: 0, sealed: sealed.to_vec(), due }, rest))
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    #[tokio::test]
    async fn what_is_due_is_forgotten_some_at_a_time() {
        let mut connection = SqliteConnection::connect(":memory:").await.unwrap();
        sqlx::raw_sql(include_str!("1_chains.sql")).execute(&mut connection).await.unwrap();
        for due in 0..80 {
            let due = NumericDate::from_seconds(due);
            let item = KeptItem { key: ItemKey::from_bytes([1; 16]), claim: 0, sealed: Vec::new(), due };
            let Group { due, items } = group(&[item]).unwrap();
            let insert = sqlx::query("INSERT INTO kept (due, items) VALUES (?, ?)").bind(due.seconds()).bind(items);
            insert.execute(&mut connection).await.unwrap();
        }
        let now = NumericDate::from_seconds(69);
        let mut more = 0;
        while forget_some(&mut connection, now).await.unwrap() {
            more += 1;
        }
        let left = sqlx::query("SELECT count(*), min(due) FROM kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!((more, left.get::<i64, _>(0), left.get::<i64, _>(1)), (2, 10, 70));
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_cut_off_is_left_out() {
        let item = |number: u8| KeptItem {
            key: ItemKey::from_bytes([number; 16]),
            claim: 0,
            sealed: vec![number; usize::from(number)],
            due: NumericDate::from_seconds(number.into()),
        };
        let items = [item(0), item(1), item(200)];
        let packed = pack(&items);
        assert_eq!(unpack(&packed), items);
        assert_eq!(unpack(&packed[..packed.len() - 1]), items[..2]);
    }
}
