//! Which share of what the token can do comes out of Sceau, beside bare loops and a plain issuer, all in one run.

use std::time::Duration;

use crate::ceiling::{Asked, BareToken, Ceiling, TWO_PROCESSES, TWO_THREADS};
use crate::line::{Given, Line};
use crate::peer::Peer;
use crate::service::make_token;
use crate::shared::binary::edit;
use crate::{alone, median, or_in_trial};

const ROUNDS: usize = 7;
/// Of each, in turn, in a round: the machine's mood changes, and what is near in time compares.
const TURNS: usize = 2;
/// RSA takes its time.
const PS256_ROUNDS: usize = 3;
const MEASURED: Duration = Duration::from_secs(2);
const PS256_MEASURED: Duration = Duration::from_secs(3);
/// Smaller batches, and fewer at a time, for a tenth of the rate.
const PS256_BATCH: usize = 200;
const PS256_IN_FLIGHT: usize = 4;

/// What is measured, in the order of the table.
const NAMES: [&str; 6] = ["T2", "P2", "batch", "each", "off", "Python"];
/// Of the two threads' rate, at least.
const WANTED: [(&str, f64); 3] = [("batch", 0.70), ("each", 0.45), ("off", 0.90)];
/// Of the plain issuer's rate, with everything on.
const WANTED_OF_PEER: f64 = 2.0;

/// A rate, and what a certificate cost, in µs by whom.
#[derive(Clone)]
struct Seen {
    rate: f64,
    costs: Vec<(&'static str, f64)>,
}

impl Seen {
    /// Of turns of the same.
    fn mean(turns: &[Self]) -> Self {
        let mean = |of: &dyn Fn(&Self) -> f64| turns.iter().map(of).sum::<f64>() / turns.len() as f64;
        let costs = turns[0].costs.iter().enumerate().map(|(place, (name, _))| (*name, mean(&|seen| seen.costs[place].1)));
        Self { rate: mean(&|seen| seen.rate), costs: costs.collect() }
    }
}

#[test]
fn what_the_token_can_do_comes_out_of_sceau() {
    let _alone = alone();
    let bare = tempfile::tempdir().unwrap();
    make_token(bare.path());
    let token = BareToken::softhsm(bare.path());
    let peer = Peer::make();
    let lines = [
        Line::start("batch", |_| ()),
        Line::start("each", |config| signing(config, "signature_check = \"each\"")),
        Line::start("off", |config| signing(config, "skip_signature_check_at_own_risk = true")),
    ];
    let measure = |name: &str| match name {
        "T2" => token.measure(TWO_THREADS, MEASURED).into(),
        "P2" => token.measure(TWO_PROCESSES, MEASURED).into(),
        "Python" => {
            let issued = peer.issue(MEASURED);
            Seen { rate: issued.per_second, costs: vec![("issuer", issued.cpu_us)] }
        }
        _ => lines.iter().find(|line| line.name == name).unwrap().measure(MEASURED).into(),
    };
    let rounds = or_in_trial(ROUNDS, 1);
    let mut seen: [Vec<Seen>; NAMES.len()] = Default::default();
    for round in 0..rounds {
        let mut turns: [Vec<Seen>; NAMES.len()] = Default::default();
        for place in (0..TURNS * NAMES.len()).map(|place| (place + round) % NAMES.len()) {
            turns[place].push(measure(NAMES[place]));
        }
        for ((name, turns), seen) in NAMES.iter().zip(turns).zip(&mut seen) {
            let now = Seen::mean(&turns);
            println!("round {}: {name:<6} {now}", round + 1);
            seen.push(now);
        }
    }
    let unmet = table(&seen);
    drop(lines);
    ps256(&token);
    assert!(unmet.is_empty(), "less than wanted: {}", unmet.join("; "));
}

fn signing(config: &std::path::Path, line: &str) {
    edit(config, "[signing]\n", &format!("[signing]\n{line}\n"));
}

/// Prints the medians; what is less than wanted.
fn table(seen: &[Vec<Seen>; NAMES.len()]) -> Vec<String> {
    let of = |name: &str| &seen[NAMES.iter().position(|known| *known == name).unwrap()];
    let share =
        |name: &str, whole: &str| median(of(name).iter().zip(of(whole)).map(|(part, whole)| part.rate / whole.rate).collect());
    println!(
        "\nmedians of {} rounds\n{:<6} {:>7}  {:>7}  {:>7}  {:>9}  µs of CPU time a certificate",
        of("T2").len(),
        "",
        "/s",
        "of T2",
        "of P2",
        "of Python"
    );
    for (name, seen) in NAMES.iter().zip(seen) {
        let (t2, p2, python) = (100.0 * share(name, "T2"), 100.0 * share(name, "P2"), share(name, "Python"));
        println!(
            "{name:<6} {:>7.0}  {t2:>5.1} %  {p2:>5.1} %  {python:>7.2} x  {}",
            median(seen.iter().map(|seen| seen.rate).collect()),
            costs(seen)
        );
    }
    let mut unmet: Vec<String> = WANTED
        .iter()
        .filter(|(name, wanted)| share(name, "T2") < *wanted)
        .map(|(name, wanted)| format!("{name} {:.1} % of T2, wanted {:.0} %", 100.0 * share(name, "T2"), 100.0 * wanted))
        .collect();
    if share("batch", "Python") < WANTED_OF_PEER {
        unmet.push(format!("{:.2} times the plain issuer's rate, wanted {WANTED_OF_PEER} times", share("batch", "Python")));
    }
    unmet
}

fn costs(seen: &[Seen]) -> String {
    let names = seen[0].costs.iter().map(|(name, _)| *name).enumerate();
    let medians = names.map(|(place, name)| (name, median(seen.iter().map(|seen| seen.costs[place].1).collect())));
    shown(&medians.collect::<Vec<_>>())
}

/// PS256 beside its own ceiling; reported alone.
fn ps256(token: &BareToken) {
    let line = Line::of_batches("PS256", PS256_BATCH, PS256_IN_FLIGHT, |config| {
        edit(config, "name = \"dcc\"\nalgorithm = \"ES256\"", "name = \"dcc\"\nalgorithm = \"PS256\"");
    });
    let round = |round: usize| {
        let ceiling = token.measure(Asked { rsa: true, ..TWO_THREADS }, PS256_MEASURED);
        let given = line.measure(PS256_MEASURED);
        println!("PS256 round {round}: T2 {}", Seen::from(ceiling));
        println!("PS256 round {round}: Sceau {}", Seen::from(given));
        given.rate / ceiling.per_second
    };
    println!();
    let share = median((1..=or_in_trial(PS256_ROUNDS, 1)).map(round).collect());
    println!("PS256: median share of its own T2: {:.1} %", 100.0 * share);
}

impl From<Ceiling> for Seen {
    fn from(ceiling: Ceiling) -> Self {
        Self { rate: ceiling.per_second, costs: vec![("loop", ceiling.cpu_us)] }
    }
}

impl From<Given> for Seen {
    fn from(given: Given) -> Self {
        let Given { rate, service, workers, client } = given;
        Self { rate, costs: vec![("service", service), ("workers", workers), ("client", client)] }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>6.0}/s  {}", self.rate, shown(&self.costs))
    }
}

fn shown(costs: &[(&str, f64)]) -> String {
    costs.iter().map(|(name, cost)| format!("{name} {cost:.1}")).collect::<Vec<_>>().join(", ")
}
