//! What a ledger in PostgreSQL forgets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sceau::domain::{NumericDate, Octets};
use sceau::ledger::index::{Enough, Indexer, Question, Records};
use sceau::ledger::moving::ChainCheck;
use sceau::ledger::pruning::{Pruned, Pruner};
use sceau::ledger::store::Store;
use sceau::ledger::store::pruning::PruningStore;

use super::replica::{Replica, Start};
use super::server::Server;

/// When replicas write; all of their certificates had expired long before.
const NOW: i64 = 1_637_000_000;

fn pruner(replica: &Replica, chain: i64) -> Pruner {
    Pruner::new(Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _, chain)
}

async fn chain_of(replica: &Replica, instance: &str) -> i64 {
    replica.store.chains().await.unwrap().iter().find(|state| state.instance == instance).unwrap().chain
}

async fn prune(replica: &Replica, chain: i64, before: i64) -> Pruned {
    let before = NumericDate::from_seconds(before);
    pruner(replica, chain).run(replica.ledger.writer(), before, &AtomicBool::new(false)).await.unwrap()
}

#[tokio::test]
async fn each_replica_forgets_of_its_own_chain_and_both_chains_hold() {
    let database = Server::shared().database().await;
    let (north, south) = (Start::of("north").on(database.url()).await, Start::of("south").on(database.url()).await);
    for number in 0..5 {
        north.sign(north.ticket(number).await, 1).await.unwrap();
    }
    south.sign(south.ticket(9).await, 1).await.unwrap();
    let chain = chain_of(&north, "north").await;
    let enough = Enough { entries: 1_000, groups: 3 };
    let mut indexer = Indexer::new(Arc::clone(&north.store) as _, Arc::clone(&north.store) as _, chain, enough);
    indexer.catch_up().await.unwrap();
    assert_eq!(prune(&north, chain, 1).await, Pruned::default(), "all expired a second later");
    let pruner = pruner(&north, chain);
    let all = Pruned { groups: 5, certificates: 5 };
    assert_eq!(pruner.count(NumericDate::from_seconds(NOW + 1)).await.unwrap(), all);
    assert_eq!(prune(&north, chain, NOW + 1).await, all);
    assert_eq!(database.ask("SELECT count(*) FROM record WHERE record IS NULL"), "5");
    assert_eq!(database.ask("SELECT count(*) FROM record WHERE detail IS NULL"), "10");
    assert_eq!(database.ask("SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM signing)"), "0|0");
    for state in north.store.chains().await.unwrap() {
        ChainCheck::whole(&*north.store, &state).await.unwrap();
        let pruned_before = (state.instance == "north").then_some(NumericDate::from_seconds(NOW + 1));
        assert_eq!(state.pruned_before, pruned_before);
    }
    let records = Records::new(Arc::clone(&south.store) as _, Arc::clone(&south.store) as _);
    let left = records.count(&Question { uci: Some(Octets([3; 32])), ..Question::default() }).await.unwrap();
    assert_eq!(left.certificates(), 1);
    north.end().await;
    south.end().await;
}

#[tokio::test]
async fn a_pruning_of_which_the_rows_are_still_there_is_gone_on_with() {
    let database = Server::shared().database().await;
    let north = Start::of("north").on(database.url()).await;
    north.sign(north.ticket(1).await, 1).await.unwrap();
    let chain = chain_of(&north, "north").await;
    // As of a process that died when the pruning was on record.
    north.store.plan(chain, 3).await.unwrap();
    let pruning = sceau::ledger::record::Pruning { ranges: vec![(2, 3)], certificates: 1, before: NOW };
    north.ledger.writer().write(sceau::ledger::record::Body::Pruning(pruning), Vec::new()).await.unwrap();
    pruner(&north, chain).resume().await.unwrap();
    assert_eq!(database.ask("SELECT seq FROM record WHERE detail IS NULL ORDER BY seq"), "2\n3");
    assert_eq!(database.ask("SELECT pruning_behind IS NULL, pruned_before FROM chain"), format!("t|{NOW}"));
    north.end().await;
}
