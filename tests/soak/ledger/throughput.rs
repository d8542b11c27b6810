//! What is left of the rate when everything is put on record.

use std::path::Path;
use std::time::Duration;

use super::made::MadeLedger;
use crate::line::Line;
use crate::service::without_custody;
use crate::shared::binary::edit;
use crate::{alone, median, or_in_trial};

/// Each with services of its own: from one process to the next the same program may be some percent faster or slower, for as long
/// as it lives.
const ROUNDS: usize = 7;
/// After their start: that of ten million was killed in the last round, and brings log, kept items and index up to date.
const SETTLED: Duration = Duration::from_secs(3);
/// Of each service, in turn, in a round: the machine's mood changes from second to second by more than a ledger costs, and what is
/// near in time compares.
const TURNS: usize = 4;
const MEASURED: Duration = Duration::from_secs(2);
/// Of the rate without a ledger.
const WANTED: f64 = 0.95;

#[test]
fn a_ledger_costs_a_twentieth_of_the_rate_at_most() {
    compare("batch");
}

/// Where a certificate costs more, the same ledger costs a smaller part.
#[test]
fn a_ledger_costs_a_twentieth_of_the_rate_at_most_where_each_signature_is_checked_by_itself() {
    compare("each");
}

fn compare(check: &str) {
    let _alone = alone();
    let made = MadeLedger::open();
    let start = |name, configure: &dyn Fn(&Path)| {
        Line::start(name, |config| {
            // Theirs is a chain of its own, which nothing can be without.
            without_custody(config);
            edit(config, "[signing]", &format!("[signing]\nsignature_check = {check:?}"));
            configure(config);
        })
    };
    let mut shares = [Vec::new(), Vec::new()];
    for round in 0..or_in_trial(ROUNDS, 2) {
        let lines = [
            start("off", &|config| edit(config, "[ledger.audit]", "[ledger]\nstore = \"none_at_own_risk\"\n\n[ledger.audit]")),
            start("empty", &|_| ()),
            start("ten million", &|config| made.configure(config)),
        ];
        std::thread::sleep(SETTLED);
        let (mut rates, mut costs) = ([0.0; 3], [0.0; 3]);
        for place in (0..3 * TURNS).map(|turn| (turn + turn / 3 + round) % 3) {
            let given = lines[place].measure(MEASURED);
            rates[place] += given.rate / TURNS as f64;
            costs[place] += (given.service + given.workers) / TURNS as f64;
        }
        for ((line, rate), cost) in lines.iter().zip(&rates).zip(&costs) {
            println!("round {}: {:<11} {rate:>6.0}/s, {cost:.1} µs of CPU time a certificate", round + 1, line.name);
        }
        shares.iter_mut().zip(&rates[1..]).for_each(|(shares, rate)| shares.push(rate / rates[0]));
    }
    let medians = shares.map(median);
    println!("median shares: {:.1} % at an empty ledger, {:.1} % at ten million", 100.0 * medians[0], 100.0 * medians[1]);
    assert!(medians.iter().all(|median| *median >= WANTED), "wanted: {:.0} %", 100.0 * WANTED);
}
