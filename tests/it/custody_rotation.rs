//! Keys that officers rotate, stop and lose sight of, while items are signed: the real binary on SoftHSM. The long run is in
//! tests/soak.

use std::time::{Duration, Instant};

use sceau::domain::Kid;
use sceau::domain::officers::Change;
use sceau::service::proto::v1;

use crate::postgres::proxy::{Line, Proxy};
use crate::postgres::server::Server;
use crate::shared::rotation::{Answer, Desk, House, Load, Pace, Replica, Rotation, Verdict};

/// How long a change takes to reach every replica, in seconds: longer than what is shipped, for a machine that tests fill.
const LEAD: u32 = 3;

const PACE: Pace = Pace { streams: 2, chunk: 25, pause: Duration::from_millis(40) };

const ITEMS: usize = 3_000;

fn endpoints(replicas: &[Replica]) -> Vec<String> {
    replicas.iter().map(|replica| replica.endpoint.clone()).collect()
}

/// Signs while three keys follow one another, and for as many items as wanted.
async fn rotate_under_load(house: &House, replicas: &[Replica]) {
    let mut rotation = Rotation::new(Desk::at(house, replicas).await, LEAD);
    rotation.next().await.begins().await;
    let mut load = Load::start(&endpoints(replicas), PACE).await;
    let mut keys = 1;
    while keys < 3 || load.answered() < ITEMS {
        rotation.next().await.begins().await;
        keys += 1;
    }
    // What was asked of the last one while it signed has been answered long before.
    tokio::time::sleep(Duration::from_secs(2)).await;
    rotation.destroy_retired().await;
    let answers = load.finish().await;
    let Verdict { by_key } = Verdict::on(&answers, &rotation.desk.show().await);
    assert_eq!(by_key.len(), keys, "every key has signed: {by_key:?}");
    assert!(rotation.destroyed() > 0, "a key was destroyed meanwhile");
    assert_eq!(load.not_serving(), 0, "each replica says all the time that it serves");
    assert!(load.slowest() < Duration::from_secs(30), "no single certificate waits for a change of keys: {:?}", load.slowest());
    // A retry gets the certificate of before, whichever replica it reaches, and though its key is gone.
    let first = &answers[0];
    let again = load.ask_again(&replicas[replicas.len() - 1 - first.replica].endpoint, first).await;
    assert_eq!(again.ok().unwrap().hc1, first.outcome.as_ref().ok().unwrap().hc1);
    house.assert_audit_passes(&replicas[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_and_no_item_fails() {
    let house = House::new(LEAD);
    let replica = house.start("north", "store = \"sqlite\"");
    rotate_under_load(&house, &[replica]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_at_two_replicas_at_once_and_no_item_fails() {
    let (house, database) = (House::new(LEAD), Server::shared().database().await);
    let ledger = format!("store = \"postgres\"\nurl = \"{}\"", database.url_text());
    let replicas = ["north", "south"].map(|name| house.start(name, &ledger));
    rotate_under_load(&house, &replicas).await;
}

impl Desk<'_> {
    /// One officer stops a key.
    async fn stop(&mut self, kid: Kid) {
        let mut replica = self.next();
        let change = Change::Compromise { kid, reason: "a stolen backup".parse().unwrap() };
        let seen = Self::seen(&mut replica).await;
        let request = v1::ProposeRequest { proposal: Some(self.proposal(change, seen).1), dry_run: false, import: None };
        replica.propose(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_compromised_under_load_signs_nothing_more_at_either_replica_and_the_other_goes_on() {
    let (house, database) = (House::new(LEAD), Server::shared().database().await);
    let ledger = format!("store = \"postgres\"\nurl = \"{}\"", database.url_text());
    let replicas = ["north", "south"].map(|name| house.start(name, &ledger));
    let mut rotation = Rotation::new(Desk::at(&house, &replicas).await, LEAD);
    let stolen = rotation.activate().await;
    let other = rotation.activate().await;
    other.begins().await;
    let mut load = Load::start(&endpoints(&replicas), PACE).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    rotation.desk.stop(stolen.kid).await;
    let over = Instant::now() + Duration::from_secs(LEAD.into());
    tokio::time::sleep(Duration::from_secs(u64::from(LEAD) + 2)).await;
    let answers = load.finish().await;
    let Verdict { by_key } = Verdict::on(&answers, &rotation.desk.show().await);
    assert!(by_key.len() == 2, "both signed, and nothing failed: {by_key:?}");
    for replica in 0..2 {
        let late = answers.iter().filter(|answer| answer.replica == replica && answer.asked >= over);
        let late: Vec<Kid> = late.map(kid).collect();
        assert!(late.len() > 100, "it goes on: {}", late.len());
        assert!(late.iter().all(|kid| *kid == other.kid), "{} of {} by the stolen key", count(&late, stolen.kid), late.len());
    }
    // What it signed is in doubt: nobody gets that again either.
    for (replica, endpoint) in endpoints(&replicas).iter().enumerate() {
        let is_its = |answer: &&Answer| answer.replica != replica && kid(answer) == stolen.kid;
        let again = load.ask_again(endpoint, answers.iter().find(is_its).unwrap()).await;
        assert!(again.is_err_and(|reason| reason.contains("stopped as compromised")));
    }
}

fn kid(answer: &Answer) -> Kid {
    answer.outcome.as_ref().ok().unwrap().kid
}

fn count(kids: &[Kid], wanted: Kid) -> usize {
    kids.iter().filter(|kid| **kid == wanted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_from_its_database_signs_nothing_until_it_is_back() {
    let (house, database) = (House::new(LEAD), Server::shared().database().await);
    let proxy = Proxy::before(&database);
    let ledger = |url: String| format!("store = \"postgres\"\nurl = \"{url}\"");
    let north = house.start("north", &ledger(database.url_text()));
    let south = house.start("south", &ledger(proxy.url_text()));
    let replicas = [north, south];
    let mut rotation = Rotation::new(Desk::at(&house, &replicas[..1]).await, LEAD);
    rotation.activate().await.begins().await;
    let mut load = Load::start(&endpoints(&replicas), Pace { streams: 0, chunk: 1, pause: Duration::from_millis(10) }).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.set(Line::Cut);
    let stale = Instant::now() + Duration::from_secs(LEAD.into());
    tokio::time::sleep(Duration::from_secs(u64::from(LEAD) + 2)).await;
    // Meanwhile it misses a whole change of keys.
    let next = rotation.next().await;
    let back = Instant::now();
    proxy.set(Line::Open);
    next.begins().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answers = load.finish().await;
    let Verdict { by_key } = Verdict::on_those_issued(&answers, &rotation.desk.show().await);
    assert_eq!(by_key.len(), 2, "{by_key:?}");
    let of = |replica: usize| answers.iter().filter(move |answer| answer.replica == replica);
    assert!(of(0).all(|answer| answer.outcome.is_ok()), "the other one is not concerned");
    let cut: Vec<_> = of(1).filter(|answer| answer.asked >= stale && answer.asked < back).collect();
    assert!(!cut.is_empty() && cut.iter().all(|answer| answer.outcome.is_err()), "it signs nothing");
    let says = |answer: &&Answer| answer.outcome.as_ref().is_err_and(|reason| reason.contains("currently unavailable"));
    assert!(cut.iter().all(says), "{:?}", cut.iter().find(|answer| !says(answer)).map(|answer| answer.outcome.as_ref().err()));
    let again = of(1).filter(|answer| answer.asked > back && answer.outcome.as_ref().is_ok_and(|issued| issued.kid == next.kid));
    assert!(again.count() > 0, "it signs again, with the key that came meanwhile");
}
