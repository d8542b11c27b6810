//! A country's certificates in one night: 136.9 million in ten hours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::line::Line;
use crate::{alone, or_in_trial};

/// 136.9 million in 10 hours. Source: what France had issued when all of it was to be issued anew.
const WANTED: f64 = 3_803.0;
const MINUTES: usize = 10;
/// Between two single certificates.
const PAUSE: Duration = Duration::from_millis(100);

#[test]
fn the_rate_of_a_night_is_sustained_for_ten_minutes_beside_single_certificates() {
    let _alone = alone();
    let line = Line::start("night", |_| ());
    let minute = or_in_trial(Duration::from_secs(60), Duration::from_secs(6));
    let ended = AtomicBool::new(false);
    let (rates, singles) = line.load.saturate(|answers| {
        std::thread::scope(|scope| {
            let singles = scope.spawn(|| line.load.interactive_until(&line.service.endpoint, PAUSE, &ended));
            let rates: Vec<f64> = (0..MINUTES).map(|_| answers.rate_over(minute)).collect();
            ended.store(true, Ordering::Relaxed);
            (rates, singles.join().unwrap())
        })
    });
    println!("a second, by the minute: {}", rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(" "));
    println!("single certificates beside it: {singles}");
    let (mean, least) = (rates.iter().sum::<f64>() / rates.len() as f64, rates.iter().copied().fold(f64::INFINITY, f64::min));
    println!(
        "mean {mean:.0}/s, {:.2} times the {WANTED}/s of the night; the least minute {:.2} times",
        mean / WANTED,
        least / WANTED
    );
    println!("136.9 million would take {:.1} h", 136.9e6 / mean / 3600.0);
    assert!(least >= WANTED, "a minute of {least:.0}/s; wanted: {WANTED:.0}/s");
}
