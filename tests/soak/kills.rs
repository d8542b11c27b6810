//! Workers that are killed, one after another, in the middle of a large job.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::alone;
use crate::service::{Service, softhsm};
use crate::shared::job::Job;
use crate::shared::processes::{ready_workers, send};

const ITEMS: u32 = 100_000;
const KILLS: u32 = 20;

#[test]
fn twenty_killed_workers_cost_no_item_of_a_hundred_thousand() {
    let _alone = alone();
    let home = softhsm();
    let service = Service::start(&home.path().join("sceau.toml"));
    let began = Instant::now();
    let mut job = Job::start(&service.endpoint, home.path(), ITEMS);
    let mut answered = Lines::of(&job.out);
    let (mut kills, mut killed_at) = (0, Vec::new());
    while job.is_running() {
        // Spread over the job: each at its share of the items.
        if kills < KILLS && answered.count() >= u64::from(ITEMS / (KILLS + 1) * (kills + 1)) {
            let ready = ready_workers(service.pid());
            if let Some(worker) = ready.get(kills as usize % ready.len().max(1)) {
                send("-KILL", *worker);
                kills += 1;
                killed_at.push(began.elapsed());
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = began.elapsed().as_secs_f64();
    let times: Vec<String> = killed_at.iter().map(|at| format!("{:.1}", at.as_secs_f64())).collect();
    println!("{kills} workers killed, at seconds {}", times.join(" "));
    println!("{ITEMS} items in {seconds:.1} s: {:.0} a second", f64::from(ITEMS) / seconds);
    job.finish(&home.path().join("trust.pem"));
    println!("each answered once, in order; every certificate verifies");
    assert_eq!(kills, KILLS, "all kills fall into the job");
}

/// The lines of a file that grows.
pub(crate) struct Lines {
    file: File,
    count: u64,
}

impl Lines {
    pub(crate) fn of(path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), count: 0 }
    }

    /// So far.
    pub(crate) fn count(&mut self) -> u64 {
        let mut new = Vec::new();
        self.file.read_to_end(&mut new).unwrap();
        self.count += new.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.count
    }
}
