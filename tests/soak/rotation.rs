//! A large job at two replicas, while officers rotate the keys under it.

use std::time::{Duration, Instant};

use crate::alone;
use crate::postgres::Server;
use crate::shared::rotation::{Answer, Desk, House, Load, Pace, Rotation, Verdict};

const ITEMS: usize = 200_000;

/// From one key to the next.
const EVERY: Duration = Duration::from_secs(5);

/// How long a change takes to reach both, in seconds: what is shipped.
const LEAD: u32 = 1;

const PACE: Pace = Pace { streams: 2, chunk: 200, pause: Duration::from_millis(5) };

#[expect(clippy::await_holding_lock, reason = "runs take turns by it, and nothing in this runtime waits for it")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_item_of_two_hundred_thousand_fails_while_officers_rotate_keys() {
    let _alone = alone();
    let (house, server) = (House::new(LEAD), Server::durable());
    let database = server.database().await;
    let ledger = format!("store = \"postgres\"\nurl = \"{}\"", database.url_text());
    let replicas = ["north", "south"].map(|name| house.start(name, &ledger));
    let mut rotation = Rotation::new(Desk::at(&house, &replicas).await, LEAD);
    rotation.next().await.begins().await;
    let mut load = Load::start(&replicas.each_ref().map(|replica| replica.endpoint.clone()), PACE).await;
    let began = Instant::now();
    let mut turns = Vec::new();
    while load.answered() < ITEMS {
        let turn = Instant::now();
        rotation.next().await;
        turns.push(turn.elapsed());
        tokio::time::sleep(EVERY.saturating_sub(turn.elapsed())).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let answers = load.finish().await;
    println!("{} items in {seconds:.1} s: {:.0} a second", answers.len(), answers.len() as f64 / seconds);
    println!(
        "the slowest single certificate took {} ms; the longest time in which a replica took nothing {} ms",
        load.slowest().as_millis(),
        silence(&answers).as_millis()
    );
    let turns: Vec<String> = turns.iter().map(|turn| format!("{:.1}", turn.as_secs_f64())).collect();
    println!(
        "{} keys put in use, {} destroyed; what officers did took, in seconds: {}",
        turns.len() + 1,
        rotation.destroyed(),
        turns.join(" ")
    );
    let Verdict { by_key } = Verdict::on(&answers, &rotation.desk.show().await);
    println!("each answered once, with a certificate that is right; by key: {:?}", by_key.values().collect::<Vec<_>>());
    // Retries get the certificate of before, at the other replica too, whatever became of the key meanwhile.
    for before in answers.iter().step_by(answers.len() / 100) {
        let again = load.ask_again(&replicas[1 - before.replica].endpoint, before).await;
        assert_eq!(again.ok().unwrap().hc1, before.outcome.as_ref().ok().unwrap().hc1);
    }
    println!("{}", house.assert_audit_passes(&replicas[0]));
    assert_eq!(load.not_serving(), 0, "each replica says all the time that it serves");
    assert!(by_key.len() >= 3, "three keys at least signed: {by_key:?}");
    assert!(rotation.destroyed() >= 1, "a key was destroyed under load");
}

/// The longest time in which a replica took no item.
fn silence(answers: &[Answer]) -> Duration {
    let of = |replica: usize| {
        let mut asked: Vec<Instant> =
            answers.iter().filter(|answer| answer.replica == replica).map(|answer| answer.asked).collect();
        asked.sort_unstable();
        asked.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    };
    of(0).max(of(1))
}
