//! What signatures leave in memory: a million in batches, five million in a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::line::Line;
use crate::load::{BATCH, Load};
use crate::proc::{Memory, memory};
use crate::service::{Service, softhsm};
use crate::shared::processes::{children_of, ready_workers, wait_until};
use crate::{alone, or_in_trial};

/// What is signed between two looks. The first lot is warm-up: pools, arenas and queues reach their size.
const LOT: u64 = 100_000;
const LOTS: u64 = 10;
const WANTED_KIB: u64 = 1024;
const AT_REST: Duration = Duration::from_secs(6);

/// Of the stream, by hundreds of thousands: when there is a look.
const STREAMED: [u64; 6] = [1, 10, 20, 30, 40, 50];
/// Service and workers together, at full rate.
const WANTED_AT_WORK_KIB: u64 = 150_000_000 / 1024;
/// More than after the first 100,000, together and at rest.
const WANTED_MORE_KIB: u64 = 5_000_000 / 1024;

#[test]
fn a_million_signatures_leave_nothing_in_memory() {
    let _alone = alone();
    let home = softhsm();
    let service = Service::start(&home.path().join("sceau.toml"));
    wait_until("both workers are ready", || ready_workers(service.pid()).len() == 2);
    let load = Load::new(&service.endpoint);
    let processes = [vec![service.pid()], children_of(service.pid())].concat();
    println!("KiB resident (of that anonymous; proportional) of the service and each worker, at rest");
    look("start", &processes);
    let began = Instant::now();
    let mut looks = Vec::new();
    for lot in 1..=LOTS {
        load.sign(LOT / BATCH as u64);
        // The last answers are freed, and what they held goes back within a second or two.
        std::thread::sleep(AT_REST);
        looks.push(look(&format!("{}", lot * LOT), &processes));
    }
    println!("{:.0} a second", (LOT * LOTS) as f64 / began.elapsed().as_secs_f64());
    let growth = |of: fn(&Memory) -> u64| -> Vec<i64> {
        let (first, last) = (&looks[0], &looks[looks.len() - 1]);
        first.iter().zip(last).map(|(first, last)| of(last) as i64 - of(first) as i64).collect()
    };
    let (resident, anonymous) = (growth(|memory| memory.resident), growth(|memory| memory.anonymous));
    println!("growth from {LOT} on, KiB: resident {resident:?}, anonymous {anonymous:?}");
    assert!(resident.iter().all(|grown| *grown <= WANTED_KIB as i64), "wanted: at most {WANTED_KIB} KiB each");
    assert_eq!(processes[1..], children_of(service.pid()), "no worker was replaced");
}

#[test]
fn five_million_streamed_certificates_leave_nothing_in_memory() {
    let _alone = alone();
    let line = Line::start("stream", |_| ());
    let processes = line.processes();
    println!("KiB resident (of that anonymous; proportional) of the service and each worker, at rest");
    look("start", &processes);
    let (began, ended, mut done, mut looks) = (Instant::now(), AtomicBool::new(false), 0, Vec::new());
    let most = std::thread::scope(|scope| {
        let most = scope.spawn(|| most_until(&ended, &processes));
        for lots in STREAMED.map(|lots| or_in_trial(lots, lots.min(3))) {
            line.load.stream(&line.service.endpoint, (lots * LOT - done) / BATCH as u64);
            done = lots * LOT;
            std::thread::sleep(AT_REST);
            looks.push(together(&look(&format!("{done}"), &processes)));
        }
        ended.store(true, Ordering::Relaxed);
        most.join().unwrap()
    });
    println!(
        "{:.0} a second, the looks included; together at most {most} KiB at work",
        done as f64 / began.elapsed().as_secs_f64()
    );
    let more = looks[looks.len() - 1] as i64 - looks[0] as i64;
    println!("growth from {LOT} on, together: {more} KiB");
    assert!(most <= WANTED_AT_WORK_KIB, "wanted: at most {WANTED_AT_WORK_KIB} KiB at work");
    assert!(more <= WANTED_MORE_KIB as i64, "wanted: at most {WANTED_MORE_KIB} KiB more");
    assert_eq!(processes, line.processes(), "no worker was replaced");
}

/// The most that they held together, by a look twice a second.
fn most_until(ended: &AtomicBool, processes: &[u32]) -> u64 {
    let mut most = 0;
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(500));
        most = most.max(together(&processes.iter().map(|pid| memory(*pid)).collect::<Vec<_>>()));
    }
    most
}

/// What is shared counts for each.
fn together(memories: &[Memory]) -> u64 {
    memories.iter().map(|memory| memory.resident).sum()
}

fn look(when: &str, processes: &[u32]) -> Vec<Memory> {
    let found: Vec<Memory> = processes.iter().map(|pid| memory(*pid)).collect();
    let texts: Vec<String> = found
        .iter()
        .map(|Memory { resident, anonymous, proportional }| format!("{resident:>6} ({anonymous:>6}; {proportional:>6})"))
        .collect();
    println!("{when:>8}: {}", texts.join("   "));
    found
}
