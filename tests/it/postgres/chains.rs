//! One writer a chain.

use std::time::Duration;

use futures_util::future::join_all;
use sceau::domain::Octets;
use sceau::ledger::record::{Body, Head, Outcome};
use sceau::ledger::store::postgres::PostgresStore;
use sceau::ledger::store::{Append, Store, StoreError, ToKeep, Wanted};
use sceau::ledger::writer::Tally;

use super::replica::{Start, chain, doubts, kinds};
use super::server::Server;

#[tokio::test]
async fn a_database_without_tables_names_the_command_that_makes_them() {
    let database = Server::shared().empty_database();
    let refused = PostgresStore::connect(database.url()).await.unwrap_err();
    assert!(refused.to_string().contains("`sceau ledger migrate`"), "{refused}");
    for _ in 0..2 {
        PostgresStore::migrate(&database.url()).await.unwrap();
    }
    PostgresStore::connect(database.url()).await.unwrap();
    database.ask("DELETE FROM _sqlx_migrations WHERE version = 4");
    let refused = PostgresStore::connect(database.url()).await.unwrap_err();
    assert!(refused.to_string().contains("`sceau ledger migrate` brings them"), "{refused}");
    database.ask("UPDATE _sqlx_migrations SET version = 77 WHERE version = 2");
    let refused = PostgresStore::connect(database.url()).await.unwrap_err();
    assert!(refused.to_string().contains("version 77, and this program knows"), "{refused}");
}

#[tokio::test]
async fn a_store_shows_no_password() {
    let database = Server::shared().database().await;
    let url = database.url().with_password("hush");
    let store = PostgresStore::connect(url.clone()).await.unwrap();
    assert!(!format!("{store:?} {url:?} {url}").contains("hush"));
}

#[tokio::test]
async fn what_comes_at_the_same_time_is_written_in_few_commits_and_in_one_chain() {
    let database = Server::shared().database().await;
    let replica = Start::of("north").on(database.url()).await;
    let sign = async |number: usize| {
        let ticket = replica.ticket(number).await;
        replica.sign(ticket, number as u64).await.unwrap();
    };
    join_all((0..100).map(sign)).await;
    let Tally { commits, records, .. } = replica.ledger.status().written();
    assert!(records >= 200 && commits < 150, "{records} records in {commits} commits");
    replica.end().await;
    let bodies = chain(database.url(), "north").await;
    assert_eq!(bodies.len(), 201);
}

#[tokio::test]
async fn an_intent_of_a_process_that_died_is_in_doubt_once_and_its_claims_are_free() {
    let database = Server::shared().database().await;
    let replica = Start::of("north").on(database.url()).await;
    let ticket = replica.ticket(1).await;
    let open = replica.intend().await.unwrap();
    replica.kill();
    std::mem::forget((open, ticket));
    let other = Start::of("south").on(database.url()).await;
    let sceau::ledger::Claim::InWork(in_work) = other.claim(1).await else { panic!("its process may live") };
    // It waits for the lease's end.
    let again = Start::of("north").on(database.url()).await;
    in_work.ended().await;
    drop(other.ticket(1).await);
    again.end().await;
    Start::of("north").on(database.url()).await.end().await;
    assert_eq!(doubts(&chain(database.url(), "north").await), [2]);
}

#[tokio::test]
async fn an_intent_that_is_dropped_is_put_down_as_unsigned() {
    let database = Server::shared().database().await;
    let replica = Start::of("north").on(database.url()).await;
    drop(replica.intend().await.unwrap());
    replica.end().await;
    let bodies = chain(database.url(), "north").await;
    assert!(matches!(bodies.last(), Some(Body::Outcome(Outcome { intent: 2, signed: 0, unsigned: 1, .. }))), "{bodies:?}");
}

#[tokio::test]
async fn a_second_writer_of_an_instance_waits_until_the_first_ends() {
    let database = Server::shared().database().await;
    let first = Start::of("north").on(database.url()).await;
    let mut second = Box::pin(Start::of("north").on(database.url()));
    // Longer than a lease, which the first renews.
    assert!(tokio::time::timeout(Duration::from_secs(8), &mut second).await.is_err());
    drop(first.intend().await.unwrap());
    first.end().await;
    let second = second.await;
    drop(second.intend().await.unwrap());
    second.end().await;
    let bodies = chain(database.url(), "north").await;
    assert_eq!(kinds(&bodies), ["opened", "intent", "outcome", "opened", "intent", "outcome"]);
}

#[tokio::test]
async fn two_writers_of_an_instance_do_not_fork_its_chain() {
    let database = Server::shared().database().await;
    let first = Start::of("north").on(database.url()).await;
    let held = first.intend().await.unwrap();
    database.end_leases();
    // As if the first had slept through its lease.
    let second = Start::of("north").on(database.url()).await;
    let refused = first.intend().await.unwrap_err();
    assert!(refused.to_string().contains("was taken by another process"), "{refused}");
    drop(second.intend().await.unwrap());
    let refused = first.intend().await.unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
    second.end().await;
    first.is_up().await;
    drop(held);
    drop(first.intend().await.unwrap());
    first.end().await;
    let bodies = chain(database.url(), "north").await;
    assert_eq!(doubts(&bodies), [2]);
    assert_eq!(bodies.iter().filter(|body| body.kind() == "opened").count(), 3);
}

fn wanted(holder: &Octets<16>, seconds: u64) -> Wanted<'_> {
    Wanted { instance: "north", holder, lasts: Duration::from_secs(seconds) }
}

#[tokio::test]
async fn a_lease_is_its_holders_until_it_runs_out_and_an_append_prolongs_it() {
    let database = Server::shared().database().await;
    let store = PostgresStore::connect(database.url()).await.unwrap();
    let (mine, yours) = (Octets([1; 16]), Octets([2; 16]));
    let first = store.take(wanted(&mine, 1)).await.unwrap();
    let again = store.take(wanted(&mine, 1)).await.unwrap();
    assert_eq!((again.lease.fence, again.head), (first.lease.fence + 1, Head::EMPTY));
    let nothing = Append { from: Head::EMPTY, rows: &[], settled: 0, kept: &ToKeep::NOTHING, lasts: Duration::from_secs(30) };
    store.append(&again.lease, nothing).await.unwrap();
    let held = store.take(wanted(&yours, 1)).await.unwrap_err();
    assert!(matches!(&held, StoreError::Held { left, .. } if left.as_secs() >= 20), "{held:?}");
    // The lease before writes nothing any more, though it is the same holder's.
    assert!(matches!(store.append(&first.lease, nothing).await, Err(StoreError::Lost { .. })));
    let short = Append { lasts: Duration::from_millis(100), ..nothing };
    store.append(&again.lease, short).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let taken = store.take(wanted(&yours, 30)).await.unwrap();
    assert!(matches!(store.append(&again.lease, nothing).await, Err(StoreError::Lost { .. })));
    Store::release(&store, &taken.lease).await.unwrap();
    store.take(wanted(&mine, 1)).await.unwrap();
}

#[tokio::test]
async fn an_append_to_another_end_than_the_chains_writes_nothing() {
    let database = Server::shared().database().await;
    let store = PostgresStore::connect(database.url()).await.unwrap();
    let holder = Octets([1; 16]);
    let taken = store.take(wanted(&holder, 30)).await.unwrap();
    let row = sceau::ledger::store::Row { seq: 2, link: Octets([1; 32]), digest: Octets([2; 32]), record: None, detail: None };
    let from = Head { seq: 1, link: Octets([0; 32]) };
    let append = Append { from, rows: &[row], settled: 0, kept: &ToKeep::NOTHING, lasts: Duration::from_secs(1) };
    assert!(matches!(store.append(&taken.lease, append).await, Err(StoreError::Lost { .. })));
    assert_eq!(database.ask("SELECT count(*) FROM record"), "0");
    assert!(store.chains().await.unwrap().is_empty());
}
