//! What is left of the rate when everything is put on record.

use std::time::Duration;

use tempfile::TempDir;

use super::made::MadeLedger;
use crate::alone;
use crate::load::Load;
use crate::proc;
use crate::service::{Service, softhsm};
use crate::shared::binary::edit;
use crate::shared::processes::{children_of, ready_workers, wait_until};

/// Of each service in turn: the machine's mood changes, and what is near in time compares.
const ROUNDS: usize = 7;
const MEASURED: Duration = Duration::from_secs(5);
const BATCH: usize = 500;
const IN_FLIGHT: usize = 8;
/// Of the rate without a ledger.
const WANTED: f64 = 0.95;

#[test]
fn a_ledger_costs_a_twentieth_of_the_rate_at_most() {
    let _alone = alone();
    let made = MadeLedger::open();
    let lines = [
        Line::start("off", |config| edit(config, "[ledger.audit]", "[ledger]\nstore = \"none_at_own_risk\"\n\n[ledger.audit]")),
        Line::start("empty", |_| ()),
        Line::start("ten million", |config| made.configure(config)),
    ];
    let mut shares = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let mut rates = [0.0; 3];
        for place in (0..3).map(|place| (place + round) % 3) {
            let Measured { rate, cost } = lines[place].measure();
            println!("round {}: {:<11} {rate:>6.0}/s, {cost:.1} µs of CPU time a certificate", round + 1, lines[place].name);
            rates[place] = rate;
        }
        shares.iter_mut().zip(&rates[1..]).for_each(|(shares, rate)| shares.push(rate / rates[0]));
    }
    let medians = shares.map(|mut shares| {
        shares.sort_by(f64::total_cmp);
        shares[ROUNDS / 2]
    });
    println!("median shares: {:.1} % at an empty ledger, {:.1} % at ten million", 100.0 * medians[0], 100.0 * medians[1]);
    assert!(medians.iter().all(|median| *median >= WANTED), "wanted: {:.0} %", 100.0 * WANTED);
}

/// A service on a SoftHSM of its own, and its client.
struct Line {
    name: &'static str,
    service: Service,
    load: Load,
    _home: TempDir,
}

/// Certificates a second, and what service and workers computed for one, in microseconds.
struct Measured {
    rate: f64,
    cost: f64,
}

impl Line {
    fn start(name: &'static str, configure: impl FnOnce(&std::path::Path)) -> Self {
        let home = softhsm();
        let config = home.path().join("sceau.toml");
        configure(&config);
        let service = Service::start(&config);
        wait_until("both workers are ready", || ready_workers(service.pid()).len() == 2);
        let load = Load::of_batches(&service.endpoint, BATCH, IN_FLIGHT);
        Self { name, service, load, _home: home }
    }

    fn measure(&self) -> Measured {
        let pids = [vec![self.service.pid()], children_of(self.service.pid())].concat();
        let cpu = || pids.iter().map(|pid| proc::cpu_time(*pid)).sum::<Duration>();
        let (rate, took) = self.load.saturate(|answers| {
            let before = cpu();
            (answers.rate_over(MEASURED), cpu() - before)
        });
        Measured { rate, cost: took.as_secs_f64() * 1e6 / (rate * MEASURED.as_secs_f64()) }
    }
}
