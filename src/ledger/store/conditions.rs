//! The conditions of a question, in any database's SQL.

use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::ledger::index::Question;

/// Adds what a question asks of signings to a query that has a condition already.
pub(super) fn restrict<DB: Database>(query: &mut QueryBuilder<DB>, question: &Question)
where
    i64: Type<DB> + for<'q> Encode<'q, DB>,
    String: Type<DB> + for<'q> Encode<'q, DB>,
    Vec<u8>: Type<DB> + for<'q> Encode<'q, DB>,
{
    if let Some(kid) = question.kid {
        query.push(" AND kid = ").push_bind(kid.0.to_vec());
    }
    if let Some(caller) = &question.caller {
        query.push(" AND caller = ").push_bind(caller.clone());
    }
    if let Some(person) = &question.person {
        query.push(" AND person = ").push_bind(person.clone());
    }
    if let Some(from) = question.from {
        query.push(" AND at >= ").push_bind(from.seconds());
    }
    if let Some(to) = question.to {
        query.push(" AND at < ").push_bind(to.seconds());
    }
    if let Some(kind) = question.kind {
        use crate::domain::CertificateType::{Recovery, Test, Vaccination};
        query.push(match kind {
            Vaccination => " AND vaccinations > 0",
            Test => " AND tests > 0",
            Recovery => " AND recoveries > 0",
        });
    }
}
