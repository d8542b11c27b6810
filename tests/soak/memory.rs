//! What a million signatures leave in memory.

use std::time::{Duration, Instant};

use crate::alone;
use crate::load::{BATCH, Load};
use crate::proc::{Memory, memory};
use crate::service::{Service, softhsm};
use crate::shared::processes::{children_of, ready_workers, wait_until};

/// What is signed between two looks. The first lot is warm-up: pools, arenas and queues reach their size.
const LOT: u64 = 100_000;
const LOTS: u64 = 10;
const WANTED_KIB: u64 = 1024;
const AT_REST: Duration = Duration::from_secs(3);

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

fn look(when: &str, processes: &[u32]) -> Vec<Memory> {
    let found: Vec<Memory> = processes.iter().map(|pid| memory(*pid)).collect();
    let texts: Vec<String> = found
        .iter()
        .map(|Memory { resident, anonymous, proportional }| format!("{resident:>6} ({anonymous:>6}; {proportional:>6})"))
        .collect();
    println!("{when:>8}: {}", texts.join("   "));
    found
}
