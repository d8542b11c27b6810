//! How tables come to be: in steps, each of which a database takes once.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// What a step is called, and its text. A database keeps a hash of each text that it has taken and is refused where one is another:
/// a text never changes once a database may have taken it, not even in a comment.
pub(super) type Step = (&'static str, &'static str);

/// What brings a database up to date; the steps are numbered from 1 on.
pub(super) fn migrator(steps: &[Step]) -> Migrator {
    let step = |(number, (name, sql)): (i64, &Step)| {
        Migration::new(number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(steps).map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::store::{postgres, sqlite};

    #[test]
    fn no_step_that_a_database_may_have_taken_is_changed() {
        for (steps, texts) in [
            (&sqlite::CHAIN_STEPS[..], &["43a6910e1d23ce51", "ddb9a5af70751db9", "74d80f326b95fa3e", "178ed67170b8ebd2"][..]),
            (&sqlite::INDEX_STEPS, &["946e0ea9676ab6f5"]),
            (&postgres::STEPS, &["9d39d817470aff56", "ac4a29d62aff3681", "3514cc32462ba18d", "bc122614f76be22b"]),
        ] {
            let migrator = migrator(steps);
            let found: Vec<String> = migrator.iter().map(|step| hex::encode(&step.checksum[..8])).collect();
            assert_eq!(found, texts, "what is to change is a new step");
        }
    }
}
