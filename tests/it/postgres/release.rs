//! A signer that died and does not come back: an operator frees its items.

use std::time::Duration;

use super::replica::Start;
use super::server::{Database, Server};
use crate::support::{Ran, dev_folder, edit, run, sceau};

fn release(database: &Database, instance: &str) -> Ran {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    let ledger = format!("[ledger]\nstore = \"postgres\"\nurl = \"{}\"\n\n[ledger.audit]", database.url_text());
    edit(&file, "[ledger.audit]", &ledger);
    run(sceau().args(["ledger", "release", instance, "--config"]).arg(&file))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_items_of_a_signer_that_is_gone_are_freed_by_hand_and_those_of_one_that_lives_are_not() {
    let database = Server::shared().database().await;
    let (north, south) = (Start::of("north").on(database.url()).await, Start::of("south").on(database.url()).await);
    std::mem::forget(north.ticket(1).await);
    let living = release(&database, "north");
    assert!(living.code != Some(0) && living.stderr.contains("its lease ends in"), "{}", living.stderr);
    let unknown = release(&database, "west");
    assert!(unknown.code != Some(0) && unknown.stderr.contains("there are: north, south"), "{}", unknown.stderr);
    north.kill();
    database.end_leases();
    let released = release(&database, "north");
    assert_eq!(released.code, Some(0), "{}", released.stderr);
    // By itself it would have been held for a minute.
    let ticket = tokio::time::timeout(Duration::from_secs(20), south.ticket_in_time(1)).await.expect("it is free");
    south.sign(ticket, 1).await.unwrap();
    // Its chain goes on when it comes back after all.
    Start::of("north").on(database.url()).await.end().await;
    south.end().await;
}
