//! A service on a SoftHSM of its own with its client, and what it gives.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::load::{BATCH, IN_FLIGHT, Load};
use crate::proc;
use crate::service::{Service, softhsm};
use crate::shared::processes::{children_of, ready_workers, wait_until};

/// A service with two workers of one session each, and a client on the same cores.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    pub(crate) load: Load,
    _home: TempDir,
}

/// Certificates a second, and the CPU time of one in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) rate: f64,
    pub(crate) service: f64,
    pub(crate) workers: f64,
    pub(crate) client: f64,
}

impl Line {
    /// Batches of 500, eight at a time.
    pub(crate) fn start(name: &'static str, configure: impl FnOnce(&Path)) -> Self {
        Self::of_batches(name, BATCH, IN_FLIGHT, configure)
    }

    pub(crate) fn of_batches(name: &'static str, batch: usize, in_flight: usize, configure: impl FnOnce(&Path)) -> Self {
        let home = softhsm();
        let config = home.path().join("sceau.toml");
        configure(&config);
        let service = Service::start(&config);
        wait_until("both workers are ready", || ready_workers(service.pid()).len() == 2);
        let load = Load::of_batches(&service.endpoint, batch, in_flight);
        Self { name, service, load, _home: home }
    }

    /// The service, then its workers.
    pub(crate) fn processes(&self) -> Vec<u32> {
        [vec![self.service.pid()], children_of(self.service.pid())].concat()
    }

    /// Under bulk that keeps it busy.
    pub(crate) fn measure(&self, time: Duration) -> Given {
        let pids = [vec![std::process::id()], self.processes()].concat();
        let cpu = || pids.iter().map(|pid| proc::cpu_time(*pid)).collect::<Vec<_>>();
        let (rate, used) = self.load.saturate(|answers| {
            let before = cpu();
            let rate = answers.rate_over(time);
            (rate, cpu().iter().zip(before).map(|(now, then)| *now - then).collect::<Vec<_>>())
        });
        let a_certificate = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() * 1e6 / (rate * time.as_secs_f64());
        Given { rate, client: a_certificate(&used[..1]), service: a_certificate(&used[1..2]), workers: a_certificate(&used[2..]) }
    }
}
