//! The index beside the chains.

use std::sync::Arc;

use sceau::domain::{CertificateType, Octets};
use sceau::ledger::index::{Enough, Indexer, Question, Records};
use sceau::ledger::store::Store;

use super::replica::{Replica, Start};
use super::server::Server;

async fn places(replica: &Replica, question: &Question) -> Vec<(String, u64)> {
    let records = Records::new(Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _);
    let mut found = Vec::new();
    let mut search = records.search(question.clone()).await.unwrap();
    while let Some(some) = search.next().await.unwrap() {
        found.extend(some.into_iter().map(|one| (one.instance, one.signing.seq)));
    }
    found
}

async fn index(replica: &Replica, instance: &str, groups: usize) -> u64 {
    let chains = replica.store.chains().await.unwrap();
    let chain = chains.iter().find(|chain| chain.instance == instance).unwrap().chain;
    let enough = Enough { entries: 1_000, groups };
    let mut indexer = Indexer::new(Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _, chain, enough);
    indexer.catch_up().await.unwrap()
}

#[tokio::test]
async fn what_is_indexed_and_what_is_not_yet_is_found_in_every_chain() {
    let database = Server::shared().database().await;
    let (north, south) = (Start::of("north").on(database.url()).await, Start::of("south").on(database.url()).await);
    for number in 0..5 {
        north.sign(north.ticket(number).await, 1).await.unwrap();
    }
    south.sign(south.ticket(9).await, 1).await.unwrap();
    let north_s: Vec<_> = [3, 5, 7, 9, 11].map(|seq| ("north".to_owned(), seq)).into();
    let all: Vec<_> = north_s.iter().cloned().chain([("south".to_owned(), 3)]).collect();
    let everything = Question::default();
    let vaccinations = Question { kind: Some(CertificateType::Vaccination), ..Question::default() };
    let by_clinic = Question { caller: Some("clinic".to_owned()), kid: Some(Octets([1; 8])), ..vaccinations.clone() };
    let pointed = Question { uci: Some(Octets([3; 32])), ..Question::default() };
    let of_tests = Question { kind: Some(CertificateType::Test), ..Question::default() };
    let of_nobody = Question { person: Some("x".to_owned()), ..Question::default() };
    for groups in [1_000, 2, 1] {
        assert_eq!(index(&north, "north", groups).await, 11);
        for question in [&everything, &vaccinations, &by_clinic, &pointed] {
            assert_eq!(places(&north, question).await, all, "{question:?}");
        }
        for question in [&of_tests, &of_nobody] {
            assert!(places(&north, question).await.is_empty(), "{question:?}");
        }
    }
    assert_ne!(database.ask("SELECT count(*) FROM signing"), "0");
    // A process that was put aside and comes back does not write a segment twice.
    assert_eq!(
        database.ask("SELECT count(*) FROM (SELECT seq FROM signing GROUP BY chain, seq HAVING count(*) > 1) AS twice"),
        "0"
    );
}
