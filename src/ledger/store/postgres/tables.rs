//! Whether the tables are there, and how they come there.

use sqlx::{Connection, PgConnection};

use super::{PostgresUrl, StoreError, of_sqlx};
use crate::ledger::store::steps::{Step, migrator};

/// How the tables came to be.
pub(in crate::ledger::store) const STEPS: [Step; 4] = [
    ("chains", include_str!("1_chains.sql")),
    ("index", include_str!("2_index.sql")),
    ("pruning", include_str!("3_pruning.sql")),
    ("revoked", include_str!("4_revoked.sql")),
];

/// The version of the tables that this program writes: that of the last step.
const VERSION: i64 = STEPS.len() as i64;

/// PostgreSQL's word for a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// Makes the tables, or brings them up to date, as long as that may take; one process at a time.
pub(super) async fn migrate(url: &PostgresUrl) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(url.options()).await.map_err(of_sqlx)?;
    migrator(&STEPS).run(&mut connection).await.map_err(|error| StoreError::Database { reason: error.to_string() })
}

/// Fails where the tables are not those that this program writes.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    let version = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let found: Option<i64> = match sqlx::query_scalar(version).fetch_one(connection).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => None,
        found => found.map_err(of_sqlx)?,
    };
    let reason = match found {
        Some(VERSION) => return Ok(()),
        None => "it has no ledger yet; `sceau ledger migrate` makes it".to_owned(),
        Some(older) if older < VERSION => {
            format!("its ledger has tables of version {older}; `sceau ledger migrate` brings them to {VERSION}")
        }
        Some(newer) => format!("its ledger has tables of version {newer}, and this program knows {VERSION} at most"),
    };
    Err(StoreError::Database { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_the_version() {
        assert_eq!(migrator(&STEPS).iter().map(|step| step.version).max(), Some(VERSION));
    }
}
