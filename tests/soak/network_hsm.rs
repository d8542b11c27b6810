//! Whether Sceau gives what the HSM gives: its rate beside that of a bare loop on the same module, and how long a single
//! certificate takes meanwhile.

use std::time::{Duration, Instant};

use crate::alone;
use crate::bare::BareLoop;
use crate::load::Load;
use crate::proc::{self, MachineTime};
use crate::service::{NetworkHsms, SESSIONS, SIGNATURE_MS, Service};
use crate::shared::processes::children_of;

/// Each measures the bare loop, then Sceau: the machine's mood changes, and what is near in time compares.
const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_secs(5);
/// Of the bare loop's rate.
const WANTED_SHARE: f64 = 0.97;
/// Two signatures' time, for one may have begun, and 5 ms for everything else.
const WANTED_P99_MS: f64 = 2.0 * SIGNATURE_MS + 5.0;
const SINGLES: usize = 500;

#[test]
fn one_hsm_gives_through_sceau_what_it_gives_to_a_bare_loop() {
    let _alone = alone();
    let hsms = NetworkHsms::make(&["hsm-1", "bare-1"]);
    let Compared { share, .. } = compare(&hsms, &["hsm-1"], &["bare-1"]);
    assert!(share >= WANTED_SHARE, "{:.1} % of the bare loop; wanted: {:.0} %", 100.0 * share, 100.0 * WANTED_SHARE);
}

#[test]
fn two_hsms_give_more_through_sceau_than_one_can() {
    let _alone = alone();
    let hsms = NetworkHsms::make(&["hsm-1", "hsm-2", "bare-1", "bare-2"]);
    let Compared { rate, .. } = compare(&hsms, &["hsm-1", "hsm-2"], &["bare-1", "bare-2"]);
    // How much more depends on the machine's cores, which play the HSMs too.
    let most_of_one = SESSIONS as f64 * 1000.0 / SIGNATURE_MS;
    assert!(rate > most_of_one, "{rate:.0} a second; one HSM alone gives at most {most_of_one:.0}");
}

#[test]
fn one_certificate_waits_for_no_bulk_job() {
    let _alone = alone();
    let hsms = NetworkHsms::make(&["hsm-1"]);
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

/// What Sceau gave beside bare loops.
struct Compared {
    /// The median of its shares.
    share: f64,
    /// The median of its rates.
    rate: f64,
}

/// Sceau's rate on some tokens beside that of as many bare loops on others like them.
fn compare(hsms: &NetworkHsms, tokens: &[&str], bare: &[&str]) -> Compared {
    let service = Service::start(&hsms.configuration(tokens));
    let load = Load::new(&service.endpoint);
    let mut loops: Vec<BareLoop> = bare.iter().map(|name| BareLoop::start(hsms, name)).collect();
    let at_most = tokens.len() as f64 * SESSIONS as f64 * 1000.0 / SIGNATURE_MS;
    println!("{} of {SESSIONS} sessions and {SIGNATURE_MS} ms a signature: at most {at_most:.0} a second", tokens.join(" and "));
    let (mut shares, mut rates): (Vec<f64>, Vec<f64>) =
        (1..=ROUNDS).map(|round| compare_once(round, &service, &load, &mut loops)).unzip();
    shares.sort_by(f64::total_cmp);
    rates.sort_by(f64::total_cmp);
    let median = shares[ROUNDS / 2];
    println!("median share: {:.1} % ({:.1} to {:.1} %)", 100.0 * median, 100.0 * shares[0], 100.0 * shares[ROUNDS - 1]);
    Compared { share: median, rate: rates[ROUNDS / 2] }
}

fn compare_once(round: usize, service: &Service, load: &Load, loops: &mut [BareLoop]) -> (f64, f64) {
    let begun = Cpu::now(loops.iter().map(BareLoop::pid).collect());
    loops.iter_mut().for_each(|bare| bare.begin(MEASURED));
    let bare: f64 = loops.iter_mut().map(BareLoop::rate).sum();
    println!("round {round}: bare {bare:>6.0}/s; {}", begun.until_now(&["loops"]));
    let workers = children_of(service.pid());
    let (sceau, cpu) = load.saturate(|answers| {
        let begun = Cpu::now([vec![service.pid(), std::process::id()], workers].concat());
        (answers.rate_over(MEASURED), begun.until_now(&["service", "client", "workers"]))
    });
    println!("round {round}: Sceau {sceau:>5.0}/s; {cpu}; share {:.1} %", 100.0 * sceau / bare);
    (sceau / bare, sceau)
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
