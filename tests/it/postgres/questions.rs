//! The index beside the chains.

use std::sync::Arc;

use sceau::domain::{CertificateType, NumericDate, Octets};
use sceau::ledger::index::{Enough, Indexer, Question, Records};
use sceau::ledger::store::Store;

use super::replica::{Replica, Start};
use super::server::Server;
use crate::support::{dev_folder, edit, run, sceau};

async fn places(replica: &Replica, question: &Question) -> Vec<(String, u64)> {
    let records = Records::new(Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _);
    let mut found = Vec::new();
    let mut search = records.search(question.clone()).await.unwrap();
    while let Some(some) = search.next().await.unwrap() {
        found.extend(some.into_iter().map(|one| (one.instance, one.signing.seq)));
    }
    found
}

/// Those that were revoked.
async fn revoked(replica: &Replica, question: &Question) -> Vec<(String, u64, NumericDate)> {
    let records = Records::new(Arc::clone(&replica.store) as _, Arc::clone(&replica.store) as _);
    let mut revoked = Vec::new();
    let mut search = records.search(question.clone()).await.unwrap();
    while let Some(some) = search.next().await.unwrap() {
        revoked.extend(some.into_iter().filter_map(|one| Some((one.instance, one.signing.seq, one.revoked_at?))));
    }
    revoked
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

#[tokio::test]
async fn what_was_revoked_is_told_in_whichever_chain_and_segment_it_and_its_revocation_stand() {
    let database = Server::shared().database().await;
    let (north, south) = (Start::of("north").on(database.url()).await, Start::of("south").on(database.url()).await);
    for number in 0..4 {
        north.sign(north.ticket(number).await, 1).await.unwrap();
    }
    south.sign(south.ticket(8).await, 1).await.unwrap();
    let at = south.revoke("north", &[3, 7]).await;
    north.revoke("south", &[3]).await;
    north.revoke("north", &[3, 4, 99]).await;
    north.revoke("east", &[3]).await;
    south.sign(south.ticket(9).await, 1).await.unwrap();
    let wanted = [("north", 3), ("north", 7), ("south", 3)].map(|(instance, seq)| (instance.to_owned(), seq, at));
    let everything = Question::default();
    let pointed = Question { uci: Some(Octets([3; 32])), ..Question::default() };
    for (instance, groups) in [("north", 1_000), ("north", 3), ("south", 1), ("north", 1)] {
        let replica = if instance == "north" { &north } else { &south };
        index(replica, instance, groups).await;
        for question in [&everything, &pointed] {
            assert_eq!(revoked(&south, question).await, wanted, "{instance} {groups} {question:?}");
        }
    }
    assert_eq!(
        database.ask("SELECT instance, seq FROM revoked ORDER BY instance, seq, chain"),
        "east|3\nnorth|3\nnorth|3\nnorth|4\nnorth|7\nnorth|99\nsouth|3"
    );
    assert_eq!(database.ask("SELECT sum(revoked) FROM segment"), "7");
}

/// The tables of before knew no revocations: what was indexed in them is indexed anew.
#[tokio::test]
async fn what_was_revoked_before_the_tables_were_brought_up_to_date_is_told() {
    let database = Server::shared().database().await;
    let north = Start::of("north").on(database.url()).await;
    north.sign(north.ticket(0).await, 1).await.unwrap();
    let at = north.revoke("north", &[3]).await;
    index(&north, "north", 1).await;
    north.end().await;
    let before = "DROP TABLE revoked; ALTER TABLE segment DROP COLUMN revoked; DELETE FROM _sqlx_migrations WHERE version = 4";
    database.ask(before);
    let home = dev_folder();
    let store = format!("[ledger]\nstore = \"postgres\"\nurl = \"{}\"\n\n[ledger.audit]", database.url_text());
    edit(&home.path().join("sceau.toml"), "[ledger.audit]", &store);
    for _ in 0..2 {
        let ran = run(sceau().args(["ledger", "migrate", "--config"]).arg(home.path().join("sceau.toml")));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let north = Start::of("north").on(database.url()).await;
    assert_eq!(revoked(&north, &Question::default()).await, [("north".to_owned(), 3, at)]);
    // A replica of before that still runs writes no segment into them.
    assert_eq!(database.ask("SELECT is_nullable, column_default IS NULL FROM information_schema.columns WHERE table_name = 'segment' AND column_name = 'revoked'"), "NO|t");
    north.end().await;
}
