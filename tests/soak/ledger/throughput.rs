//! What is left of the rate when everything is put on record.

use std::path::Path;
use std::time::Duration;

use super::made::MadeLedger;
use crate::line::Line;
use crate::service::without_custody;
use crate::shared::binary::edit;
use crate::{alone, median};

/// Of each service in turn: the machine's mood changes, and what is near in time compares.
const ROUNDS: usize = 7;
const MEASURED: Duration = Duration::from_secs(5);
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
    let lines = [
        start("off", &|config| edit(config, "[ledger.audit]", "[ledger]\nstore = \"none_at_own_risk\"\n\n[ledger.audit]")),
        start("empty", &|_| ()),
        start("ten million", &|config| made.configure(config)),
    ];
    let mut shares = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let mut rates = [0.0; 3];
        for place in (0..3).map(|place| (place + round) % 3) {
            let given = lines[place].measure(MEASURED);
            let (rate, cost) = (given.rate, given.service + given.workers);
            println!("round {}: {:<11} {rate:>6.0}/s, {cost:.1} µs of CPU time a certificate", round + 1, lines[place].name);
            rates[place] = rate;
        }
        shares.iter_mut().zip(&rates[1..]).for_each(|(shares, rate)| shares.push(rate / rates[0]));
    }
    let medians = shares.map(median);
    println!("median shares: {:.1} % at an empty ledger, {:.1} % at ten million", 100.0 * medians[0], 100.0 * medians[1]);
    assert!(medians.iter().all(|median| *median >= WANTED), "wanted: {:.0} %", 100.0 * WANTED);
}
