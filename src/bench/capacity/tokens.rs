//! HSMs, and how many sessions.

use std::time::Duration;

use serde::Serialize;

use super::costs::Costs;
use super::demand::Demand;
use super::question::{Impossible, Question, TokenKind, range};
use super::replicas::Replicas;
use super::step::Section;
use crate::bench::figure::{number, percent, rate, time};

/// What each worker opens beside those that sign: one that is kept for interactive work, one that never signs.
const SESSIONS_BESIDE: u32 = 2;

/// The tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tokens {
    /// In all, the spares included.
    pub count: u32,
    /// Of those, the ones that may fail.
    pub spares: u32,
    /// What one signs through Sceau; absent where it computes on this machine.
    pub usable_per_second: Option<f64>,
    /// `workers` of each token in each replica's configuration.
    pub workers: u32,
    /// `sessions` there: sessions of each of these workers that sign.
    pub sessions: u32,
    /// Sessions that all replicas together open on one token, with those that sign nothing or interactive work alone.
    pub sessions_open: u32,
}

impl Tokens {
    pub(super) fn of(
        question: &Question,
        costs: &Costs,
        demand: &Demand,
        replicas: &Replicas,
    ) -> Result<(Self, Section), Impossible> {
        match question.token {
            TokenKind::Device { most_per_second, latency, most_sessions } => {
                Self::devices(question, costs, demand, replicas, (most_per_second, latency, most_sessions))
            }
            TokenKind::Local => Ok(Self::local(replicas)),
        }
    }

    fn devices(
        question: &Question,
        costs: &Costs,
        demand: &Demand,
        replicas: &Replicas,
        device: (Option<f64>, Duration, Option<u32>),
    ) -> Result<(Self, Section), Impossible> {
        let mut section = Section::new("How many HSMs and sessions?");
        let (ceiling, sessions) = ceiling(&mut section, device);
        let usable = ceiling * costs.device_share;
        let share = percent(costs.device_share);
        section.step("through Sceau", format!("{} x {share} (measured)", rate(ceiling)), rate(usable));
        let active = machines(demand.capacity_per_second / usable, "the number of HSMs")?;
        let division = format!("{} / {}, rounded up", rate(demand.capacity_per_second), rate(usable));
        section.step("HSMs", division, active.to_string());
        let count = active + question.spares;
        section.step("with spares", format!("{active} + {}", question.spares), count.to_string());
        let each = sessions.div_ceil(replicas.active());
        let division = format!("{sessions} / {} replicas that are no spares, rounded up", replicas.active());
        section.step("sessions of each replica on each HSM", division, each.to_string());
        let open = replicas.count * (each + SESSIONS_BESIDE);
        let sum = format!("{} replicas x ({each} + 1 for interactive work + 1 that never signs)", replicas.count);
        section.step("sessions that an HSM has to allow", sum, open.to_string());
        let taken = demand.interactive_per_second * device.1.as_secs_f64();
        let product = format!("{} x {}", rate(demand.interactive_per_second), time(device.1));
        section.step("sessions that interactive ones keep busy", product, number(taken));
        let spares = question.spares;
        let tokens = Self { count, spares, usable_per_second: Some(usable), workers: 1, sessions: each, sessions_open: open };
        Ok((tokens, section))
    }

    fn local(replicas: &Replicas) -> (Self, Section) {
        let mut section = Section::new("How many HSMs and sessions?");
        section.remark("no HSM", "the token computes on the replicas' cores (SoftHSM): one a replica, with the same keys");
        let workers = replicas.workers_each;
        section.step("workers of each replica", "one a core, of one session each", workers.to_string());
        let open = workers * (1 + SESSIONS_BESIDE);
        let tokens = Self {
            count: replicas.count,
            spares: replicas.spares,
            usable_per_second: None,
            workers,
            sessions: 1,
            sessions_open: open,
        };
        (tokens, section)
    }

    /// What so many tokens can sign a second; nothing bounds those that compute here but cores.
    pub(super) fn rate_of(&self, tokens: u32) -> f64 {
        self.usable_per_second.map_or(f64::INFINITY, |usable| usable * f64::from(tokens))
    }
}

/// The ceiling of one device, and the sessions that reach it.
fn ceiling(section: &mut Section, (most, latency, sessions): (Option<f64>, Duration, Option<u32>)) -> (f64, u32) {
    let seconds = latency.as_secs_f64();
    let by_sessions = sessions.map(|sessions| {
        let reached = f64::from(sessions) / seconds;
        section.step("what its sessions allow", format!("{sessions} sessions / {}", time(latency)), rate(reached));
        reached
    });
    let ceiling = match (most, by_sessions) {
        (Some(most), Some(reached)) => {
            let least = format!("the smaller of {} and {}", rate(most), rate(reached));
            section.step("ceiling of one HSM", least, rate(most.min(reached)));
            most.min(reached)
        }
        (Some(most), None) => {
            section.step("ceiling of one HSM", "as given", rate(most));
            most
        }
        (None, reached) => reached.unwrap_or_default(),
    };
    // The division above gives 32.000000000000004 for 32.
    let needed = whole(ceiling * seconds - 1e-9);
    section.step("sessions that reach it", format!("{} x {}, rounded up", rate(ceiling), time(latency)), needed.to_string());
    (ceiling, needed)
}

/// Rounded up, and 1 at least.
pub(super) fn whole(number: f64) -> u32 {
    number.ceil().max(1.0) as u32
}

/// As many machines, rounded up: what nobody can set up is no plan.
pub(super) fn machines(number: f64, what: &'static str) -> Result<u32, Impossible> {
    range(number, 0.0..=1e7, what, "10,000,000 at most; ask for less, or give faster ones")?;
    Ok(whole(number))
}
