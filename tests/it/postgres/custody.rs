//! Officers' changes, by replicas that share a database.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sceau::custody::office::{CHAIN, Office, OfficeError, OfficeParts, OfficeTask};
use sceau::domain::Octets;
use sceau::domain::officers::{Decision, ProposalId};
use sceau::ledger::store::postgres::{PostgresStore, PostgresUrl};
use sceau::ledger::store::{Store, Wanted};

use super::server::Server;
use crate::officers::{Keys, Officers, Seen, generate};
use crate::support::signing_time;

async fn office(officers: &Officers, keys: &Arc<Keys>, url: PostgresUrl) -> (Arc<Office>, OfficeTask) {
    let store = Arc::new(PostgresStore::connect(url).await.unwrap());
    Office::start(officers.parts(store, Arc::clone(keys) as _, None)).await
}

async fn seen(office: &Office) -> Seen {
    let register = office.read().await.unwrap();
    Seen { now: signing_time(), roster: register.roster().number(), head: register.head() }
}

async fn propose(officers: &Officers, office: &Arc<Office>, name: &str) -> ProposalId {
    let proposal = officers.propose("ada", generate(name), seen(office).await);
    office.propose(proposal.signed().clone(), None).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_on_a_proposal_execute_it_once() {
    let database = Server::shared().database().await;
    let (officers, keys) = (Officers::new(), Arc::new(Keys::default()));
    let (north, _north) = office(&officers, &keys, database.url()).await;
    let (south, _south) = office(&officers, &keys, database.url()).await;
    for round in 1..=5 {
        let id = propose(&officers, &north, &format!("dsc-{round}")).await;
        let verdict = |officer, seen| officers.decide(officer, Decision::Approve, id, seen);
        let (one, other) = (verdict("grace", seen(&north).await), verdict("hedy", seen(&south).await));
        let (one, other) = tokio::join!(north.decide(one, None), south.decide(other, None));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        for office in [&north, &south] {
            let done = loop {
                match office.execute(id).await {
                    Err(OfficeError::Busy { .. }) => tokio::task::yield_now().await,
                    done => break done,
                }
            };
            assert!(done.unwrap().done.is_some());
        }
        assert_eq!(keys.executed.load(Ordering::SeqCst), round);
    }
    assert_eq!(seen(&north).await.head, seen(&south).await.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_was_executing_when_it_died_the_next_one_executes() {
    let database = Server::shared().database().await;
    let (officers, keys) = (Arc::new(Officers::new()), Arc::new(Keys::default()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    keys.hangs.store(true, Ordering::SeqCst);
    let (its, of_its, url) = (Arc::clone(&officers), Arc::clone(&keys), database.url());
    let dying = runtime.spawn(async move {
        let (north, task) = office(&its, &of_its, url).await;
        let id = propose(&its, &north, "dsc-1").await;
        let verdict = its.decide("grace", Decision::Approve, id, seen(&north).await);
        let deciding = tokio::spawn(async move { north.decide(verdict, None).await });
        (id, deciding, task)
    });
    let (id, deciding, _task) = dying.await.unwrap();
    let (south, _south) = office(&officers, &keys, database.url()).await;
    while south.read().await.unwrap().proposal(id).is_none_or(|filed| filed.approvals().is_empty()) {
        tokio::task::yield_now().await;
    }
    // It takes the right to carry out a moment after its approval stands.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let busy = south.execute(id).await.unwrap_err().to_string();
    assert!(busy.contains("another replica is carrying out what officers agreed on"), "{busy}");
    // What only stops, and what is only filed, waits for nobody's token.
    propose(&officers, &south, "dsc-2").await;
    runtime.shutdown_background();
    drop(deciding);
    keys.hangs.store(false, Ordering::SeqCst);
    database.end_leases();
    let done = south.execute(id).await.unwrap().done.unwrap();
    assert_eq!((done.request.as_deref(), keys.executed.load(Ordering::SeqCst)), (Some(&b"request"[..]), 1));
}

/// Whoever waits for another replica's change goes on reading: its keys sign.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waits_for_another_makes_nobody_stale() {
    let database = Server::shared().database().await;
    let (officers, keys) = (Officers::new(), Arc::new(Keys::default()));
    let store = Arc::new(PostgresStore::connect(database.url()).await.unwrap());
    let parts = officers.parts(Arc::clone(&store) as _, keys, None);
    let (north, _north) = Office::start(OfficeParts { lead: Duration::from_secs(2), ..parts }).await;
    let proposal = officers.propose("ada", generate("dsc-1"), seen(&north).await);
    let wanted = Wanted { instance: CHAIN, holder: &Octets([9; 16]), lasts: Duration::from_secs(60) };
    let taken = store.take(wanted).await.unwrap();
    let (signed, office) = (proposal.signed().clone(), Arc::clone(&north));
    let waiting = tokio::spawn(async move { office.propose(signed, None).await });
    while !waiting.is_finished() {
        assert!(north.fresh().is_ok(), "{:?}", north.fresh());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(matches!(waiting.await.unwrap(), Err(OfficeError::Busy { .. })));
    store.release(&taken.lease).await.unwrap();
    north.propose(proposal.signed().clone(), None).await.unwrap();
}
