//! Claims and kept items that two replicas share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sceau::domain::NumericDate;
use sceau::ledger::record::{Body, Outcome};
use sceau::ledger::store::Store;
use sceau::ledger::{Claim, Ledger};

use super::replica::{Replica, Start, chain, kept, key};
use super::server::{Database, Server};

async fn two() -> (Database, Replica, Replica) {
    let database = Server::shared().database().await;
    let (north, south) = (Start::of("north").on(database.url()).await, Start::of("south").on(database.url()).await);
    (database, north, south)
}

#[tokio::test]
async fn of_two_replicas_one_claims_an_item_and_what_it_signs_is_kept_for_both() {
    let (_database, north, south) = two().await;
    let ticket = north.ticket(1).await;
    let Claim::InWork(in_work) = south.claim(1).await else { panic!("it is in work") };
    let Claim::InWork(here) = north.claim(1).await else { panic!("it is in work in its own process, too") };
    north.sign(ticket, 7).await.unwrap();
    in_work.ended().await;
    here.ended().await;
    for replica in [&north, &south] {
        let claim = replica.claim(1).await;
        assert!(matches!(&claim, Claim::Kept { kept: found, left } if *found == kept(7) && left.as_secs() == 3_600), "{claim:?}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_dropped_frees_its_item_for_the_other_replica() {
    let (database, north, south) = two().await;
    let ticket = north.ticket(1).await;
    let Claim::InWork(in_work) = south.claim(1).await else { panic!("it is in work") };
    drop(ticket);
    in_work.ended().await;
    let ticket = south.ticket(1).await;
    assert!(matches!(north.claim(1).await, Claim::InWork(_)));
    drop(ticket);
    drop(north.ticket_in_time(1).await);
    for _ in 0..500 {
        if database.ask("SELECT count(*) FROM item") == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing is left of a claim that was dropped");
}

#[tokio::test]
async fn items_of_one_call_are_answered_in_their_order() {
    let (_database, north, south) = two().await;
    let signed = north.ticket(3).await;
    north.sign(signed, 3).await.unwrap();
    let _held = north.ticket(1).await;
    let answers = south.ledger.claim((0..5).map(key).collect()).await;
    let is_each = matches!(
        answers.as_slice(),
        [Ok(Claim::Free(_)), Ok(Claim::InWork(_)), Ok(Claim::Free(_)), Ok(Claim::Kept { .. }), Ok(Claim::Free(_))]
    );
    assert!(is_each, "{answers:?}");
    assert!(north.ledger.claim(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_claim_that_ran_out_is_taken_over_and_its_certificate_stays_on_record_and_does_not_leave() {
    let database = Server::shared().database().await;
    let north = Start { claim: Duration::from_millis(300), ..Start::of("north") }.on(database.url()).await;
    let south = Start::of("south").on(database.url()).await;
    let (late, in_time) = (north.ticket(1).await, north.ticket(2).await);
    let intent = north.intend().await.unwrap();
    north.sign(in_time, 2).await.unwrap();
    let taken = south.ticket_in_time(1).await;
    let refused = north.settle(intent, late, 7).await.unwrap_err();
    assert!(refused.to_string().contains("has run out"), "{refused}");
    south.sign(taken, 8).await.unwrap();
    assert!(matches!(north.claim(1).await, Claim::Kept { kept: found, .. } if found == kept(8)));
    assert!(matches!(south.claim(2).await, Claim::Kept { kept: found, .. } if found == kept(2)));
    north.end().await;
    let bodies = chain(database.url(), "north").await;
    assert!(matches!(bodies.last(), Some(Body::Outcome(Outcome { intent: 2, signed: 1, unsigned: 0, .. }))), "{bodies:?}");
}

#[tokio::test]
async fn a_claim_that_ran_out_and_that_nobody_took_keeps_nothing_either() {
    let database = Server::shared().database().await;
    let north = Start { claim: Duration::from_millis(100), ..Start::of("north") }.on(database.url()).await;
    let late = north.ticket(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    north.sign(late, 7).await.unwrap_err();
    drop(north.ticket(1).await);
}

#[tokio::test]
async fn what_is_due_is_free_and_is_forgotten() {
    let database = Server::shared().database().await;
    let north = Start { keep: Duration::ZERO, ..Start::of("north") }.on(database.url()).await;
    let south = Start::of("south").on(database.url()).await;
    for number in 0..3 {
        north.sign(north.ticket(number).await, 1).await.unwrap();
    }
    south.sign(south.ticket(0).await, 2).await.unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM item WHERE sealed IS NOT NULL"), "3");
    north.store.forget_kept(NumericDate::from_seconds(1_637_000_000)).await.unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM item"), "1");
    assert!(matches!(north.claim(0).await, Claim::Kept { kept: found, .. } if found == kept(2)));
}

#[tokio::test]
async fn replicas_whose_ledger_keys_differ_do_not_serve_together() {
    let (_database, north, _south) = two().await;
    let url = _database.url();
    let refused = Start { keys: vec!['2'], ..Start::of("east") }.try_on(url.clone()).await.err().unwrap();
    assert!(refused.contains("all replicas share one file of ledger keys"), "{refused}");
    // One that was given the new key first: the others read what it keeps when they have it, and say so until then.
    let east = Start { keys: vec!['2', '1'], ..Start::of("east") }.on(url).await;
    east.sign(east.ticket(1).await, 7).await.unwrap();
    let refused = north.try_claim(1).await.unwrap_err();
    assert!(refused.to_string().contains("other ledger keys"), "{refused}");
    north.sign(north.ticket(2).await, 8).await.unwrap();
    assert!(matches!(east.claim(2).await, Claim::Kept { kept: found, .. } if found == kept(8)));
}

#[tokio::test]
async fn an_old_ledger_key_may_go_when_nothing_is_kept_under_it_and_nobody_else_writes() {
    let (database, north, south) = two().await;
    north.sign(north.ticket(1).await, 7).await.unwrap();
    north.end().await;
    south.end().await;
    let try_on = || Start { keys: vec!['2'], ..Start::of("north") }.try_on(database.url());
    assert!(try_on().await.is_err());
    database.ask("DELETE FROM item");
    try_on().await.unwrap().end().await;
}

#[tokio::test]
async fn nothing_in_the_table_says_what_was_claimed() {
    let (database, north, _south) = two().await;
    north.sign(north.ticket(1).await, 7).await.unwrap();
    let table = database.ask("SELECT key, sealed FROM item");
    assert!(!table.contains(&hex::encode(key(1).as_bytes())) && !table.contains(&hex::encode(kept(7).digest.as_bytes())));
}

/// Tickets are dropped wherever an item is, in either process.
#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_of_two_replicas_hold_one_claim_of_an_item_at_a_time() {
    let (_database, north, south) = two().await;
    let replicas = Arc::new([north, south]);
    let holders = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..30u64)
        .map(|number| {
            let (replicas, holders) = (Arc::clone(&replicas), Arc::clone(&holders));
            tokio::spawn(async move {
                let replica = &replicas[usize::from(number % 2 == 0)];
                loop {
                    match replica.claim(1).await {
                        Claim::Kept { kept, .. } => return kept.digest,
                        Claim::InWork(in_work) => in_work.ended().await,
                        Claim::Free(ticket) => {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            tokio::task::yield_now().await;
                            assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                            // Most give up; what the first that does not keeps is what all of them hear.
                            if number % 5 == 0 {
                                replica.sign(ticket, number).await.unwrap();
                            }
                        }
                    }
                }
            })
        })
        .collect();
    let mut heard = Vec::new();
    for task in tasks {
        heard.push(task.await.unwrap());
    }
    assert!(heard.iter().all(|digest| *digest == heard[0]));
}

/// Batches of many items that overlap, claimed and settled in other orders.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_overlap_wait_for_no_lock_of_each_other() {
    let (_database, north, south) = two().await;
    let replicas = Arc::new([north, south]);
    let tasks: Vec<_> = (0..8usize)
        .map(|task| {
            let replicas = Arc::clone(&replicas);
            tokio::spawn(async move {
                let ledger = &replicas[task % 2].ledger;
                for round in 0..10usize {
                    let mut keys: Vec<_> = (0..60).map(|item| key((item * 7 + task * 20 + round * 30) % 400)).collect();
                    keys.rotate_left(task * 5);
                    let tickets: Vec<_> = ledger
                        .claim(keys)
                        .await
                        .into_iter()
                        .filter_map(|claim| if let Claim::Free(ticket) = claim.unwrap() { Some(ticket) } else { None })
                        .collect();
                    for (number, ticket) in tickets.into_iter().enumerate() {
                        if number % 3 != 0 {
                            replicas[task % 2].sign(ticket, 1).await.unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(replicas.each_ref().map(Replica::trouble), [None, None]);
}
