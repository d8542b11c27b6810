//! Services, and what machines they need.

use serde::Serialize;

use super::costs::{Cost, Costs};
use super::demand::Demand;
use super::question::{Impossible, Question, TokenKind};
use super::step::Section;
use super::tokens::machines;
use crate::bench::figure::{bytes, number, percent, rate};

/// What `[retries] max_items` is where nothing else is configured.
const RETRIES: f64 = 100_000.0;

/// The services.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Replicas {
    /// In all, the spares included.
    pub count: u32,
    /// Of those, the ones that may fail.
    pub spares: u32,
    /// Of each.
    pub cores_each: u32,
    /// Cores that the peak keeps busy, of all together.
    pub cores_busy: f64,
    /// The same with the headroom: what has to be there without the spares.
    pub cores_needed: f64,
    /// Token workers of each: processes.
    pub workers_each: u32,
    /// Memory of each, with its workers, in bytes.
    pub memory_bytes_each: f64,
}

impl Replicas {
    pub(super) fn of(question: &Question, costs: &Costs, demand: &Demand) -> Result<(Self, Section), Impossible> {
        let mut section = Section::new("How many cores and replicas?");
        let is_local = question.token == TokenKind::Local;
        let mut cores = |lane: &str, per_second: f64, cost: &Cost| {
            let time = cost.cpu_time(is_local);
            let all = time.service_us + time.worker_us;
            let signs = if is_local { "worker that signs" } else { "worker" };
            let sum = format!("{} µs service + {} µs {signs}", number(time.service_us), number(time.worker_us));
            section.step(format!("CPU time of {lane}"), sum, format!("{} µs", number(all)));
            let cores = per_second * all / 1e6;
            section.step(format!("cores for {lane}"), format!("{} x {} µs", rate(per_second), number(all)), number(cores));
            cores
        };
        let bulk = cores("a bulk certificate", demand.busy_per_second, &costs.bulk);
        let interactive = cores("an interactive one", demand.interactive_per_second, &costs.interactive);
        let (busy, each) = (bulk + interactive, question.cores_a_replica);
        let needed = busy / costs.cores_share / (1.0 - question.headroom);
        let (used, free) = (percent(costs.cores_share), percent(question.headroom));
        let sum = format!("({} + {}) / {used} that can be kept busy / (1 - {free})", number(bulk), number(interactive));
        section.step("cores with headroom", sum, number(needed));
        let active = machines(needed / f64::from(each), "the number of replicas")?;
        let count = active + question.spares;
        section.step("replicas", format!("{} / {each} cores each, rounded up", number(needed)), active.to_string());
        section.step("with spares", format!("{active} + {}", question.spares), count.to_string());
        let workers_each = if is_local { each } else { 1 };
        let memory = costs.service_bytes + f64::from(workers_each) * costs.worker_bytes + RETRIES * costs.retry_bytes;
        let sum = format!(
            "{} service + {workers_each} x {} worker + 100,000 retries x {}",
            bytes(costs.service_bytes),
            bytes(costs.worker_bytes),
            bytes(costs.retry_bytes)
        );
        section.step("memory of each", sum, bytes(memory));
        let replicas = Self {
            count,
            spares: question.spares,
            cores_each: each,
            cores_busy: busy,
            cores_needed: needed,
            workers_each,
            memory_bytes_each: memory,
        };
        Ok((replicas, section))
    }

    /// Those that are not spare.
    #[must_use]
    pub const fn active(&self) -> u32 {
        self.count - self.spares
    }

    /// What so many replicas can sign a second, at the peak's mixture of lanes.
    pub(super) fn rate_of(&self, replicas: u32, costs: &Costs, demand: &Demand) -> f64 {
        f64::from(replicas) * f64::from(self.cores_each) * costs.cores_share / self.cores_busy * demand.peak_per_second
    }
}
