//! Whether Sceau gives what the HSM gives: its rate beside that of a bare loop on the same module, and how long a single
//! certificate takes meanwhile.

use std::time::{Duration, Instant};

use crate::ceiling::{Asked, BareToken, Measuring};
use crate::load::Load;
use crate::proc::{self, MachineTime};
use crate::service::{NetworkHsms, Service, Shape};
use crate::shared::processes::children_of;
use crate::{alone, median, or_in_trial};

/// Each measures the bare loop, then Sceau: the machine's mood changes, and what is near in time compares.
const ROUNDS: usize = 7;
const MEASURED: Duration = Duration::from_secs(5);
/// Of the bare loop's rate.
const WANTED_SHARE: f64 = 0.98;
/// The same for two HSMs, of both loops together.
const WANTED_SHARE_OF_TWO: f64 = 0.97;
const SINGLES: usize = 500;

/// One that is some way off.
const FAR: Shape = Shape { sessions: 32, signature_ms: 5.0, per_second: None };
/// One in the next rack.
const NEAR: Shape = Shape { sessions: 16, signature_ms: 1.0, per_second: None };
/// One whose processor, or whose licence, allows no more.
const CAPPED: Shape = Shape { sessions: 32, signature_ms: 5.0, per_second: Some(3_000.0) };

/// Two signatures' time, for one may have begun, and 5 ms for everything else.
const WANTED_P99_MS: f64 = 2.0 * FAR.signature_ms + 5.0;

#[test]
fn one_hsm_gives_through_sceau_what_it_gives_to_a_bare_loop() {
    one_hsm(FAR);
}

#[test]
fn one_near_hsm_gives_through_sceau_what_it_gives_to_a_bare_loop() {
    one_hsm(NEAR);
}

#[test]
fn one_capped_hsm_gives_through_sceau_what_it_gives_to_a_bare_loop() {
    one_hsm(CAPPED);
}

fn one_hsm(shape: Shape) {
    let _alone = alone();
    let hsms = NetworkHsms::make(shape, &["hsm-1", "bare-1"]);
    expect(compare(&hsms, &["hsm-1"], &["bare-1"]), WANTED_SHARE);
}

#[test]
fn two_hsms_give_through_sceau_what_they_give_to_two_bare_loops() {
    let _alone = alone();
    let hsms = NetworkHsms::make(FAR, &["hsm-1", "hsm-2", "bare-1", "bare-2"]);
    expect(compare(&hsms, &["hsm-1", "hsm-2"], &["bare-1", "bare-2"]), WANTED_SHARE_OF_TWO);
}

fn expect(share: f64, wanted: f64) {
    assert!(share >= wanted, "{:.1} % of the bare loop; wanted: {:.0} %", 100.0 * share, 100.0 * wanted);
}

#[test]
fn one_certificate_waits_for_no_bulk_job() {
    let _alone = alone();
    let hsms = NetworkHsms::make(FAR, &["hsm-1"]);
    let service = Service::start(&hsms.configuration(&["hsm-1"]));
    let load = Load::new(&service.endpoint);
    println!("single certificates, nothing else: {}", load.interactive(&service.endpoint, SINGLES));
    let (times, rate) = load.saturate(|answers| {
        let rate = answers.rate_over(MEASURED);
        (load.interactive(&service.endpoint, SINGLES), rate)
    });
    println!("single certificates, beside bulk of {rate:.0} a second: {times}");
    let p99 = times.percentile(99);
    assert!(p99 <= WANTED_P99_MS, "p99 {p99:.1} ms; wanted: {WANTED_P99_MS:.0} ms");
}

/// The median share of Sceau's rate on some tokens in that of as many bare loops on others like them.
fn compare(hsms: &NetworkHsms, tokens: &[&str], bare: &[&str]) -> f64 {
    let service = Service::start(&hsms.configuration(tokens));
    let load = Load::new(&service.endpoint);
    let bare: Vec<BareToken> = bare.iter().map(|name| BareToken::network(hsms, name)).collect();
    println!("{}: {}", tokens.join(" and "), hsms.shape);
    let rounds = or_in_trial(ROUNDS, 2);
    let shares: Vec<f64> = (1..=rounds).map(|round| compare_once(round, hsms.shape, &service, &load, &bare)).collect();
    let shown: Vec<String> = shares.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
    let share = median(shares);
    println!("shares {} %; median {:.1} %", shown.join(", "), 100.0 * share);
    share
}

fn compare_once(round: usize, shape: Shape, service: &Service, load: &Load, bare: &[BareToken]) -> f64 {
    let asked = Asked { processes: 1, sessions: shape.sessions, rsa: false };
    let loops: Vec<Measuring> = bare.iter().map(|token| token.begin(asked, MEASURED)).collect();
    let ceilings: Vec<_> = loops.into_iter().map(Measuring::ceiling).collect();
    let ceiling: f64 = ceilings.iter().map(|ceiling| ceiling.per_second).sum();
    let cores: f64 = ceilings.iter().map(|ceiling| ceiling.per_second * ceiling.cpu_us / 1e6).sum();
    println!("round {round}: bare {ceiling:>6.0}/s; cores: loops {cores:.2}");
    let workers = children_of(service.pid());
    let (sceau, cpu) = load.saturate(|answers| {
        let begun = Cpu::now([vec![service.pid(), std::process::id()], workers].concat());
        (answers.rate_over(MEASURED), begun.until_now(&["service", "client", "workers"]))
    });
    println!("round {round}: Sceau {sceau:>5.0}/s; {cpu}; share {:.1} %", 100.0 * sceau / ceiling);
    sceau / ceiling
}

/// CPU time of some processes and of the machine, to see what the rest of the machine did meanwhile.
struct Cpu {
    pids: Vec<u32>,
    began: Instant,
    processes: Vec<Duration>,
    machine: MachineTime,
}

impl Cpu {
    fn now(pids: Vec<u32>) -> Self {
        let processes = pids.iter().map(|pid| proc::cpu_time(*pid)).collect();
        Self { pids, began: Instant::now(), processes, machine: proc::machine_time() }
    }

    /// In cores. The last name is that of all other processes together.
    fn until_now(&self, names: &[&str]) -> String {
        let now = Self::now(self.pids.clone());
        let seconds = (now.began - self.began).as_secs_f64();
        let cores = |time: Duration| time.as_secs_f64() / seconds;
        let used: Vec<f64> =
            now.processes.iter().zip(&self.processes).map(|(now, then)| cores(now.saturating_sub(*then))).collect();
        let named = |(number, name): (usize, &&str)| {
            let end = if number + 1 == names.len() { used.len() } else { number + 1 };
            format!("{name} {:.2}", used[number..end].iter().sum::<f64>())
        };
        let named: Vec<String> = names.iter().enumerate().map(named).collect();
        let idle = cores(now.machine.idle.saturating_sub(self.machine.idle));
        let total = cores(now.machine.total.saturating_sub(self.machine.total));
        let others = (total - idle - used.iter().sum::<f64>()).max(0.0);
        format!("cores: {}, others {others:.2}, idle {idle:.2}", named.join(", "))
    }
}
