//! Several replicas, of which some die.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_race_write_one_order_and_do_everything_once() {
    let north = Bench::new().await;
    let south = north.beside().await;
    for round in 0..5 {
        let id = north.propose("ada", generate(&format!("dsc-{round}"))).await.unwrap();
        let (grace, hedy) =
            (north.verdict("grace", Decision::Approve, id).await, south.verdict("hedy", Decision::Approve, id).await);
        let (one, other) = tokio::join!(north.office.decide(grace.clone(), None), south.office.decide(hedy.clone(), None));
        let (again, too) = tokio::join!(north.office.execute(id), south.office.execute(id));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        assert!(again.is_ok() && too.is_ok(), "{again:?} {too:?}");
        assert_eq!(north.register().await.head(), south.register().await.head());
        assert!(north.register().await.proposal(id).unwrap().is_carried_out());
    }
    assert_eq!(north.tokens.keys.lock().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_that_are_filed_at_the_same_time_all_stand_in_one_chain() {
    let north = Bench::new().await;
    let south = north.beside().await;
    let mut waiting = Vec::new();
    for number in 0..20 {
        let office = Arc::clone(if number % 2 == 0 { &north.office } else { &south.office });
        let signed = north.signed("ada", generate(&format!("dsc-{number}"))).await;
        waiting.push(tokio::spawn(async move { office.propose(signed, None).await.unwrap().id }));
    }
    for filed in waiting {
        let id = filed.await.unwrap();
        assert!(south.register().await.proposal(id).is_some());
    }
    assert_eq!(north.beside().await.register().await.proposals().count(), 20);
}

#[tokio::test]
async fn what_a_replica_left_approved_the_next_one_executes() {
    let north = Bench::new().await;
    north.tokens.hangs.store(true, Ordering::SeqCst);
    let id = north.propose("ada", generate("dsc-0")).await.unwrap();
    let (verdict, office) = (north.verdict("grace", Decision::Approve, id).await, Arc::clone(&north.office));
    let mut deciding = tokio::spawn(async move { office.decide(verdict, None).await });
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut deciding).await;
    assert!(waited.is_err(), "the token does not answer");
    north.tokens.hangs.store(false, Ordering::SeqCst);
    let south = north.beside().await;
    assert_eq!(south.state("dsc-0").await, None);
    let executed = south.office.execute(id).await.unwrap();
    assert_eq!(executed.done.unwrap().request.as_deref(), Some(&b"request"[..]));
    assert_eq!((south.tokens.executed(), north.state("dsc-0").await), (1, Some(State::Generated)));
    deciding.abort();
}

#[tokio::test]
async fn an_emergency_waits_for_no_token_and_reaches_the_others() {
    let north = Bench::new().await;
    let south = north.beside_with(Duration::from_secs(1)).await;
    let kid = north.active("dsc-0").await;
    north.tokens.hangs.store(true, Ordering::SeqCst);
    let id = north.propose("ada", generate("dsc-1")).await.unwrap();
    let (verdict, office) = (north.verdict("grace", Decision::Approve, id).await, Arc::clone(&north.office));
    let deciding = tokio::spawn(async move { office.decide(verdict, None).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut watch = south.office.watch();
    north.office.propose(north.signed("hedy", compromise(kid)).await, None).await.unwrap();
    let now = north.clock.now();
    let is_stopped = |standing: &Standing| standing.register.keys_at(now).count() == 0;
    tokio::time::timeout(Duration::from_secs(5), watch.wait_for(is_stopped)).await.unwrap().unwrap();
    assert_eq!(north.office.fresh().unwrap().keys_at(now).count(), 0);
    deciding.abort();
}

#[tokio::test]
async fn whoever_begins_reads_all_of_it() {
    let north = Bench::new().await;
    let kid = north.active("dsc-0").await;
    let south = north.beside().await;
    let register = south.office.fresh().unwrap();
    assert_eq!(register.keys_at(south.clock.now()).map(|key| key.dsc.kid()).collect::<Vec<_>>(), [kid]);
    assert_eq!(register.head(), north.register().await.head());
}
