//! The run: calls at their times, whatever becomes of those before.

mod lane;
mod pacer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::machine::Machine;
use super::plan::{Pace, Plan, PlanError};
pub use super::recorder::Standing;
use super::result::{LoadResult, SCHEMA};
use super::watch::{Watch, WatchError};
use crate::domain::{Clock, Lane};
use crate::service::client::{Client, ClientError, Connection};
use lane::LaneAtWork;
use pacer::Pacer;

/// Between two looks at how it stands.
const TOLD_EACH: Duration = Duration::from_millis(500);

/// A pacer that was to wake at the last moment may be so late.
const GRACE: Duration = Duration::from_millis(20);

/// Who ends a run does not wait long for answers.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(5);

/// How a run stands, while it goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// What it does.
    pub phase: Phase,
    /// Since its begin.
    pub elapsed: Duration,
    /// What it is to take, warm-up and all.
    pub whole: Duration,
    /// By lane, in the plan's order.
    pub lanes: Vec<(Lane, Standing)>,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Load that is not counted.
    WarmUp,
    /// Load that is.
    Load,
    /// Nothing starts any more; the last answers are waited for.
    Drain,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan cannot be.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no service.
    #[error(transparent)]
    Connection(#[from] ClientError),
    /// There are no metrics.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Runs a plan against a service to its end, or until `stop`, and gives what came of it until then.
///
/// Each lane has a connection of its own, as callers have, so that no answer waits behind another lane's. The starts of an open loop come
/// from a thread of their own: a timer of the runtime would be up to a millisecond late.
///
/// `tell` hears twice a second how it stands. `clock` gives the result its date; `command` is what the result says that was run.
///
/// # Errors
/// [`LoadError`], before anything is asked. What goes wrong later is in the result.
pub async fn run(
    plan: &Plan,
    connection: &Connection,
    clock: &dyn Clock,
    command: &str,
    stop: impl Future<Output = ()> + Send,
    mut tell: impl FnMut(&Moment) + Send,
) -> Result<LoadResult, LoadError> {
    plan.check()?;
    let watch = match &plan.metrics {
        Some(address) => Some(Watch::open(address).await?),
        None => None,
    };
    let mut clients = Vec::new();
    for _ in &plan.lanes {
        clients.push(Client::connect(connection).await?);
    }
    let started_at = clock.now().to_string();
    let mut run = Run::begin(plan, clients, watch)?;
    let mut stop = std::pin::pin!(stop);
    let mut interrupted = run.wait(Phase::WarmUp, plan.warm_up, stop.as_mut(), &mut tell).await;
    let cpu = cpu_time();
    if !interrupted {
        interrupted = run.wait(Phase::Load, plan.whole() + GRACE, stop.as_mut(), &mut tell).await;
    }
    let until = run.close().await;
    let counted = until.saturating_sub(plan.warm_up);
    let client_cpu_cores = share(cpu_time().saturating_sub(cpu), counted);
    let service = match run.watch.take() {
        Some(watching) => Some(watching.end().await),
        None => None,
    };
    run.drain(if interrupted { plan.patience.min(INTERRUPTED_PATIENCE) } else { plan.patience }, &mut tell).await;
    Ok(LoadResult {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command.to_owned(),
        started_at,
        machine: Machine::here(),
        warm_up_seconds: plan.warm_up.as_secs_f64(),
        planned_seconds: plan.duration.as_secs_f64(),
        seconds: (counted.as_secs_f64() * 1e3).round() / 1e3,
        interrupted,
        client_cpu_cores,
        lanes: run.lanes.iter().map(|lane| lane.recorder().result(&lane.load)).collect(),
        service,
    })
}

/// A run that goes on.
struct Run {
    began: Instant,
    whole: Duration,
    lanes: Vec<Arc<LaneAtWork>>,
    pacers: Vec<Pacer>,
    watch: Option<super::watch::Watching>,
    callers: Vec<JoinHandle<()>>,
}

impl Run {
    fn begin(plan: &Plan, clients: Vec<Client>, watch: Option<Watch>) -> Result<Self, LoadError> {
        let began = Instant::now();
        let whole = plan.whole();
        let lanes = plan.lanes.iter().zip(clients).map(|(load, client)| Arc::new(LaneAtWork::new(plan, load, client, began)));
        let lanes: Vec<Arc<LaneAtWork>> = lanes.collect();
        let mut run = Self { began, whole, lanes: lanes.clone(), pacers: Vec::new(), watch: None, callers: Vec::new() };
        run.watch = watch.map(|watch| watch.begin(began + plan.warm_up, plan.duration));
        for lane in lanes {
            match (lane.load.schedule(), lane.load.pace) {
                (Some(schedule), _) => {
                    run.pacers.push(Pacer::start(lane, schedule, Handle::current()).map_err(LoadError::Thread)?)
                }
                (None, Pace::Max | Pace::Rate { .. }) => {
                    let callers = (0..lane.load.in_flight).map(|_| tokio::spawn(lane::call_on(Arc::clone(&lane))));
                    run.callers.extend(callers);
                }
            }
        }
        Ok(run)
    }

    /// Until then; whether it was ended before.
    async fn wait<F: Future<Output = ()>>(
        &self,
        phase: Phase,
        until: Duration,
        mut stop: Pin<&mut F>,
        tell: &mut impl FnMut(&Moment),
    ) -> bool {
        let mut ticks = interval(TOLD_EACH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = sleep_until((self.began + until).into());
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return true,
                () = &mut end => return false,
                _ = ticks.tick() => tell(&self.moment(phase)),
            }
        }
    }

    /// Nothing starts from now on; when that was.
    async fn close(&mut self) -> Duration {
        let until = self.began.elapsed().min(self.whole);
        self.lanes.iter().for_each(|lane| lane.close(until));
        // Their threads end at once: whatever they waited for is closed.
        for pacer in self.pacers.drain(..) {
            pacer.end().await;
        }
        until
    }

    /// Waits for answers so long, then gives up those that have not come.
    async fn drain(&self, patience: Duration, tell: &mut impl FnMut(&Moment)) {
        let end = Instant::now() + patience;
        let mut told = Instant::now();
        while self.lanes.iter().any(|lane| lane.recorder().in_flight() > 0) && Instant::now() < end {
            sleep(Duration::from_millis(5)).await;
            if told.elapsed() >= TOLD_EACH {
                tell(&self.moment(Phase::Drain));
                told = Instant::now();
            }
        }
        self.lanes.iter().for_each(|lane| lane.abandon());
        while self.lanes.iter().any(|lane| lane.recorder().in_flight() > 0) {
            sleep(Duration::from_millis(1)).await;
        }
        tell(&self.moment(Phase::Drain));
    }

    fn moment(&self, phase: Phase) -> Moment {
        let elapsed = self.began.elapsed();
        let standing = |lane: &Arc<LaneAtWork>| (lane.load.lane, lane.recorder().standing(elapsed));
        Moment { phase, elapsed, whole: self.whole, lanes: self.lanes.iter().map(standing).collect() }
    }
}

/// Where it is given up in the middle, nothing goes on without it.
impl Drop for Run {
    fn drop(&mut self) {
        self.lanes.iter().for_each(|lane| {
            lane.close(self.began.elapsed());
            lane.abandon();
        });
    }
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { (part.as_secs_f64() / whole.as_secs_f64() * 100.0).round() / 100.0 }
}
