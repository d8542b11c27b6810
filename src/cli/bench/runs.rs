//! Runs, one after another, until somebody ends them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::progress::Progress;
use crate::bench::load;
use crate::bench::result::LoadResult;
use crate::bench::{Arrivals, LaneLoad, Pace, Plan};
use crate::cli::two_officers::command;
use crate::domain::{Lane, SystemClock};
use crate::service::client::Connection;

/// Of an open loop: as many as the service takes on a connection.
pub(super) const IN_FLIGHT_OPEN: u32 = 256;
/// Of a closed loop: the next batch is there when one is answered.
pub(super) const IN_FLIGHT_CLOSED: u32 = 8;
/// Answers are waited for so long after the last call.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Of the interactive requests' times.
pub(super) const SEED: u64 = 1;

/// What runs have in common.
pub(super) struct Runs {
    runtime: Runtime,
    /// One for all runs: what is asked between two of them ends the next.
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// As it was typed.
    command: String,
}

impl Runs {
    pub(super) fn new() -> anyhow::Result<Self> {
        // Two, so that a large answer that is being read holds up no other call.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let stop = runtime.block_on(async { stopped() })?;
        let words = std::env::args().skip(1);
        Ok(Self { runtime, stop: Box::pin(stop), command: command(std::iter::once("sceau".to_owned()).chain(words)) })
    }

    /// One run; none may follow one that was interrupted.
    pub(super) fn run(&mut self, plan: &Plan, connection: &Connection) -> anyhow::Result<LoadResult> {
        let mut progress = Progress::of(plan.lanes.len(), plan.whole());
        let told = |moment: &load::Moment| progress.tell(moment);
        let run = load::run(plan, connection, &SystemClock, &self.command, &mut self.stop, told);
        let result = self.runtime.block_on(run);
        progress.end();
        Ok(result?)
    }
}

/// Single requests of people, so many a second.
pub(super) const fn interactive(items_per_second: f64) -> LaneLoad {
    let pace = Pace::Rate { items_per_second, arrivals: Arrivals::Poisson { seed: SEED } };
    LaneLoad { lane: Lane::Interactive, batch: 1, pace, in_flight: IN_FLIGHT_OPEN }
}

/// Ctrl-C, or whoever else asks it to end.
fn stopped() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
