//! A server that goes away, and a network that does: signing stops, says so, and goes on by itself.

use std::time::Duration;

use sceau::ledger::Claim;

use super::proxy::{Line, Proxy};
use super::replica::{Start, chain, doubts, kept};
use super::server::Server;

#[tokio::test]
async fn when_the_server_is_stopped_everybody_hears_it_at_once_and_it_resumes_by_itself() {
    let server = Server::own();
    let database = server.database().await;
    let north = Start::of("north").on(database.url()).await;
    let ticket = north.ticket(1).await;
    let held = north.intend().await.unwrap();
    server.stop();
    north.intend().await.unwrap_err();
    for _ in 0..3 {
        assert!(north.try_claim(2).await.is_err());
        assert!(north.intend().await.is_err());
    }
    server.start_again();
    north.is_up().await;
    north.settle(held, ticket, 7).await.unwrap();
    assert!(matches!(north.claim(1).await, Claim::Kept { kept: found, .. } if found == kept(7)));
    north.end().await;
    chain(database.url(), "north").await;
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_leaves_a_doubt_and_frees_its_item() {
    let server = Server::own();
    let database = server.database().await;
    let north = Start::of("north").on(database.url()).await;
    let ticket = north.ticket(1).await;
    let intent = north.intend().await.unwrap();
    server.crash();
    north.settle(intent, ticket, 7).await.unwrap_err();
    server.start_again();
    north.is_up().await;
    let ticket = north.ticket_in_time(1).await;
    north.sign(ticket, 8).await.unwrap();
    north.end().await;
    assert_eq!(doubts(&chain(database.url(), "north").await), [2]);
}

#[tokio::test]
async fn what_was_settled_before_the_server_lost_its_power_is_kept() {
    let server = Server::durable();
    let database = server.database().await;
    let north = Start::of("north").on(database.url()).await;
    for number in 0..20 {
        north.sign(north.ticket(number).await, number as u64).await.unwrap();
    }
    server.crash();
    server.start_again();
    north.is_down().await;
    north.is_up().await;
    for number in 0..20 {
        assert!(matches!(north.claim(number).await, Claim::Kept { kept: found, .. } if found == kept(number as u64)));
    }
    north.end().await;
    chain(database.url(), "north").await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_leaves_one_chain_and_a_doubt() {
    let database = Server::shared().database().await;
    let proxy = Proxy::before(&database);
    let north = Start::of("north").on(proxy.url()).await;
    proxy.set(Line::Deaf);
    north.intend().await.unwrap_err();
    assert!(proxy.is_open());
    north.is_up().await;
    north.sign(north.ticket(1).await, 1).await.unwrap();
    north.end().await;
    let bodies = chain(database.url(), "north").await;
    assert_eq!(doubts(&bodies), [2]);
}

#[tokio::test]
async fn a_settlement_whose_answer_is_lost_gives_the_same_certificate_to_a_retry() {
    let database = Server::shared().database().await;
    let proxy = Proxy::before(&database);
    let north = Start::of("north").on(proxy.url()).await;
    let ticket = north.ticket(1).await;
    let intent = north.intend().await.unwrap();
    proxy.set(Line::Deaf);
    north.settle(intent, ticket, 7).await.unwrap_err();
    north.is_up().await;
    assert!(matches!(north.claim(1).await, Claim::Kept { kept: found, .. } if found == kept(7)));
    north.end().await;
    assert!(doubts(&chain(database.url(), "north").await).is_empty());
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_frees_itself() {
    let database = Server::shared().database().await;
    let proxy = Proxy::before(&database);
    let (north, south) = (Start::of("north").on(proxy.url()).await, Start::of("south").on(database.url()).await);
    proxy.set(Line::Deaf);
    north.try_claim(1).await.unwrap_err();
    drop(south.ticket_in_time(1).await);
}

#[tokio::test]
async fn a_line_that_falls_silent_is_noticed_and_another_replica_goes_on_meanwhile() {
    let database = Server::shared().database().await;
    let proxy = Proxy::before(&database);
    let (north, south) = (Start::of("north").on(proxy.url()).await, Start::of("south").on(database.url()).await);
    let ticket = north.ticket(1).await;
    let held = north.intend().await.unwrap();
    proxy.set(Line::Silent);
    // Its next renewal does not come through.
    north.is_down().await;
    assert!(north.try_claim(2).await.is_err());
    south.sign(south.ticket(2).await, 2).await.unwrap();
    // Longer than a call is waited for.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(north.trouble().is_some());
    proxy.set(Line::Open);
    north.is_up().await;
    north.settle(held, ticket, 7).await.unwrap();
    assert!(matches!(south.claim(1).await, Claim::Kept { kept: found, .. } if found == kept(7)));
    assert!(matches!(north.claim(2).await, Claim::Kept { kept: found, .. } if found == kept(2)));
    north.end().await;
    chain(database.url(), "north").await;
}

#[tokio::test]
async fn while_the_line_is_cut_again_and_again_what_was_settled_is_kept_and_the_chain_holds() {
    let database = Server::shared().database().await;
    let proxy = Proxy::before(&database);
    let north = Start::of("north").on(proxy.url()).await;
    let mut settled = Vec::new();
    for number in 0..40 {
        match number % 10 {
            3 => proxy.set(Line::Cut),
            4 => proxy.set(Line::Open),
            7 => proxy.set(Line::Deaf),
            _ => {}
        }
        if let Ok(Claim::Free(ticket)) = north.try_claim(number).await
            && north.sign(ticket, number as u64).await.is_ok()
        {
            settled.push(number);
        }
        if number % 10 == 5 || number % 10 == 8 {
            north.is_up().await;
        }
    }
    north.is_up().await;
    assert!(settled.len() > 10, "{settled:?}");
    for number in settled {
        assert!(matches!(north.claim(number).await, Claim::Kept { kept: found, .. } if found == kept(number as u64)), "{number}");
    }
    north.end().await;
    chain(database.url(), "north").await;
}
