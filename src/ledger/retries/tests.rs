use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::table::{Found, Settled, Store};
use super::{Claim, Expiry, ItemKey, Kept, MemoryLedger, Retention, Ticket};
use crate::domain::{Algorithm, CallerId, Digest, ItemId, Kid, NumericDate, Signature};
use crate::ledger::Ledger;

fn key(number: usize) -> ItemKey {
    ItemKey::new(&CallerId::new("test"), &ItemId::new(&number.to_string()).unwrap())
}

/// Something to keep, told apart by a number.
fn kept(number: u64) -> Kept {
    Kept {
        digest: Digest::of(&number.to_be_bytes()),
        signature: Signature::new(vec![7; 64]),
        kid: Kid::from([1; 8]),
        algorithm: Algorithm::Es256,
        issued_at: NumericDate::from_seconds(0),
        expires_at: NumericDate::from_seconds(1),
        expiry: Expiry::OfProfile,
        profile: "dcc".into(),
    }
}

fn retention(keep: Duration, max_items: usize) -> Retention {
    Retention { keep, max_items: NonZeroUsize::new(max_items).unwrap() }
}

async fn claim(ledger: &MemoryLedger, number: usize) -> Claim {
    ledger.claim(vec![key(number)]).await.remove(0).unwrap()
}

async fn ticket(ledger: &MemoryLedger, number: usize) -> Ticket {
    match claim(ledger, number).await {
        Claim::Free(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

async fn is_kept(ledger: &MemoryLedger, number: usize) -> bool {
    matches!(claim(ledger, number).await, Claim::Kept { .. })
}

#[tokio::test]
async fn what_is_settled_is_kept_and_what_is_dropped_is_free() {
    let ledger = MemoryLedger::new(retention(Duration::from_secs(600), 10));
    let (first, second) = (ticket(&ledger, 1).await, ticket(&ledger, 2).await);
    assert_eq!(ledger.keep(vec![(first, kept(1))]), [Ok(())]);
    drop(second);
    assert!(matches!(claim(&ledger, 1).await, Claim::Kept { kept: found, left } if found == kept(1) && left.as_secs() >= 590));
    assert!(matches!(claim(&ledger, 2).await, Claim::Free(_)));
}

#[tokio::test]
async fn everybody_who_waits_hears_the_end_of_a_claim_and_one_takes_its_place() {
    let ledger = MemoryLedger::new(retention(Duration::from_secs(600), 10));
    let held = ticket(&ledger, 1).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let Claim::InWork(in_work) = claim(&ledger, 1).await else { panic!("it is in work") };
        waiting.push(in_work);
    }
    drop(held);
    for in_work in waiting {
        in_work.ended().await;
    }
    let again = ticket(&ledger, 1).await;
    let Claim::InWork(in_work) = claim(&ledger, 1).await else { panic!("it is in work again") };
    assert_eq!(ledger.keep(vec![(again, kept(1))]), [Ok(())]);
    in_work.ended().await;
    assert!(is_kept(&ledger, 1).await);
}

#[tokio::test]
async fn the_oldest_goes_first_where_there_are_too_many() {
    let ledger = MemoryLedger::new(retention(Duration::from_secs(600), 3));
    for number in 0..5 {
        let ticket = ticket(&ledger, number).await;
        assert_eq!(ledger.keep(vec![(ticket, kept(0))]), [Ok(())]);
    }
    assert!(!is_kept(&ledger, 1).await);
    assert!(is_kept(&ledger, 2).await && is_kept(&ledger, 4).await);
}

#[tokio::test]
async fn a_ticket_of_another_ledger_keeps_nothing() {
    let (ledger, other) = [(); 2].map(|()| MemoryLedger::new(retention(Duration::from_secs(600), 3))).into();
    let foreign = ticket(&other, 1).await;
    assert!(ledger.keep(vec![(foreign, kept(1))])[0].is_err());
    assert!(!is_kept(&ledger, 1).await);
}

#[test]
fn what_falls_due_is_forgotten_a_little_at_each_claim() {
    let mut store = Store::new(retention(Duration::from_secs(10), 1_000));
    let start = Instant::now();
    for number in 0..1_000 {
        let Found::Free(claim) = store.claim(key(number), start) else { panic!("it is free") };
        assert_eq!(store.keep(key(number), claim, kept(0), start), Settled::Kept);
    }
    let later = start + Duration::from_secs(10);
    for number in 0..300 {
        let Found::Free(claim) = store.claim(key(number), later) else { panic!("{number} fell due") };
        store.release(key(number), claim);
    }
    assert_eq!(store.len(), 0);
}

/// What happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    Claim(usize),
    /// Settles one of the claims that are held.
    Settle(usize),
    /// Drops one.
    Release(usize),
    /// Seconds go by.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..12usize).prop_map(Step::Claim),
        3 => any::<usize>().prop_map(Step::Settle),
        2 => any::<usize>().prop_map(Step::Release),
        1 => (1..8u64).prop_map(Step::Pass),
    ]
}

const KEEP: Duration = Duration::from_secs(10);
const MAX_ITEMS: usize = 5;

/// What a ledger ought to know: lists that are searched from end to end.
#[derive(Default)]
struct Model {
    in_work: Vec<(usize, u64)>,
    /// Item, value and instant of settlement, in order.
    kept: Vec<(usize, u64, Instant)>,
}

impl Model {
    fn kept(&self, item: usize, now: Instant) -> Option<u64> {
        self.kept.iter().find(|(kept, _, at)| *kept == item && *at + KEEP > now).map(|(_, value, _)| *value)
    }

    fn keep(&mut self, item: usize, value: u64, now: Instant) {
        self.kept.retain(|(_, _, at)| *at + KEEP > now);
        self.kept.push((item, value, now));
        let surplus = self.kept.len().saturating_sub(MAX_ITEMS);
        self.kept.drain(..surplus);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// One claim at a time; settled is kept with its value, until it is due or one of the newest `MAX_ITEMS` no more.
    #[test]
    fn whatever_happens_a_ledger_says_what_a_plain_list_says(steps in proptest::collection::vec(step(), 1..200)) {
        let mut store = Store::new(retention(KEEP, MAX_ITEMS));
        let (mut model, mut now) = (Model::default(), Instant::now());
        let mut values: HashMap<u64, u64> = HashMap::new();
        for (value, step) in (0u64..).zip(steps) {
            match step {
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Claim(item) => {
                    let is_in_work = model.in_work.iter().any(|(held, _)| *held == item);
                    match (store.claim(key(item), now), model.kept(item, now)) {
                        (Found::InWork(_), None) => prop_assert!(is_in_work),
                        (Found::Kept(found, _), Some(value)) => prop_assert!(!is_in_work && found == kept(value)),
                        (Found::Free(number), None) => {
                            prop_assert!(!is_in_work);
                            prop_assert!(values.insert(number, value).is_none(), "a number comes once");
                            model.in_work.push((item, number));
                        }
                        (found, model) => prop_assert!(false, "{found:?} against {model:?}"),
                    }
                }
                Step::Settle(which) if !model.in_work.is_empty() => {
                    let (item, number) = model.in_work.remove(which % model.in_work.len());
                    prop_assert_eq!(store.keep(key(item), number, kept(value), now), Settled::Kept);
                    model.keep(item, value, now);
                    prop_assert_eq!(store.keep(key(item), number, kept(value), now), Settled::Unknown, "a claim is settled once");
                }
                Step::Release(which) if !model.in_work.is_empty() => {
                    let (item, number) = model.in_work.remove(which % model.in_work.len());
                    store.release(key(item), number);
                    store.release(key(item), number);
                }
                Step::Settle(_) | Step::Release(_) => {}
            }
            prop_assert!(store.len() <= MAX_ITEMS + model.in_work.len());
        }
    }
}

/// Tickets are dropped wherever an item is, on any thread.
#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_at_once_hold_one_claim_of_an_item_at_a_time() {
    let ledger = Arc::new(MemoryLedger::new(retention(Duration::from_secs(600), 10)));
    let holders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100u64)
        .map(|number| {
            let (ledger, holders) = (Arc::clone(&ledger), Arc::clone(&holders));
            tokio::spawn(async move {
                loop {
                    match claim(&ledger, 1).await {
                        Claim::Kept { kept, .. } => return kept.digest,
                        Claim::InWork(in_work) => in_work.ended().await,
                        Claim::Free(ticket) => {
                            assert_eq!(holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                            tokio::task::yield_now().await;
                            assert_eq!(holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst), 1);
                            // Most give up; what the first that does not keeps is what all of them hear.
                            if number % 7 == 0 {
                                ledger.keep(vec![(ticket, kept(number))]).remove(0).unwrap();
                            }
                        }
                    }
                    if number % 7 != 0 {
                        tokio::task::yield_now().await;
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
