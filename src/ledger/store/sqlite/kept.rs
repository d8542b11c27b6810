//! What is kept of items, in the file: written in groups, read once at the start.

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{KeptItem, StoreError, of_sqlx};
use crate::domain::NumericDate;
use crate::ledger::ItemKey;

pub(super) async fn insert(connection: &mut SqliteConnection, items: &[KeptItem]) -> Result<(), StoreError> {
    let due = items.iter().map(|item| item.due).max().unwrap_or(NumericDate::from_seconds(0));
    let insert = sqlx::query("INSERT INTO kept (due, items) VALUES (?, ?)").bind(due.seconds()).bind(pack(items));
    insert.execute(connection).await.map_err(of_sqlx)?;
    Ok(())
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

pub(super) async fn forget(connection: &mut SqliteConnection, now: NumericDate) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM kept WHERE due <= ?").bind(now.seconds()).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
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
    use super::*;

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
