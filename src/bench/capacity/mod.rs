//! The plan for a peak: from so many certificates in a time to HSMs, sessions, cores, replicas, disk and network.
//!
//! A pure function of a [`Question`] and of [`Costs`], which were measured. Every figure comes with the line of arithmetic that it
//! was found by, so that it can be checked on paper.
//!
//! # What is assumed
//! - **Headroom** is the share of the capacity that stays free at the peak: capacity = peak / (1 - headroom).
//! - **Spares** come on top: with so many tokens and replicas gone, the rest still has the whole headroom.
//! - **A device** signs as fast as its sessions and its latency let it (rate = sessions / latency), up to its own ceiling; Sceau
//!   reaches the measured share of that. (Of a bare loop, that is; where sessions and latency alone bound it, threads wake late, and a
//!   bare loop reaches 95 % of sessions / latency at 32 x 5 ms: leave some headroom.)
//! - **A token that computes on this machine** has no rate of its own: it takes cores.
//! - **Cores** are taken to add up: what a certificate costs in CPU time on two cores it costs on many. It was not measured beyond two.
//! - Callers, the database and the network to the HSM are not of the replicas, and are not in the figures for cores and network.

mod costs;
mod demand;
mod measured;
mod outlook;
mod question;
mod replicas;
mod step;
#[cfg(test)]
mod tests;
mod tokens;
mod traffic;

use serde::Serialize;

pub use costs::{Cost, Costs, CpuTime};
pub use demand::Demand;
pub use measured::NoCosts;
pub use outlook::{Limit, Outlook};
pub use question::{Impossible, Question, TokenKind};
pub use replicas::Replicas;
pub use step::{Section, Step};
pub use tokens::Tokens;
pub use traffic::{Ledger, Network};

/// What an installation has to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityPlan {
    /// The rates that are needed.
    pub demand: Demand,
    /// HSMs and their sessions.
    pub tokens: Tokens,
    /// Services, their cores and memory.
    pub replicas: Replicas,
    /// What is kept on disk.
    pub ledger: Ledger,
    /// What goes between callers and replicas.
    pub network: Network,
    /// When it is done, and what is left when something fails.
    pub outlook: Outlook,
    /// How each of these was found, in the same order.
    pub arithmetic: Vec<Section>,
}

/// Plans.
///
/// # Errors
/// [`Impossible`]: what is asked is out of its range, or does not fit together.
pub fn plan(question: &Question, costs: &Costs) -> Result<CapacityPlan, Impossible> {
    question.check()?;
    costs.check()?;
    let (demand, rates) = Demand::of(question);
    let (replicas, cores) = Replicas::of(question, costs, &demand)?;
    let (tokens, hsms) = Tokens::of(question, costs, &demand, &replicas)?;
    let (ledger, disk) = Ledger::of(question, costs, &demand, &replicas);
    let (network, wires) = Network::of(question, costs, &demand);
    let (outlook, ends) = Outlook::of(question, costs, &demand, &tokens, &replicas);
    let arithmetic = vec![rates, hsms, cores, disk, wires, ends];
    Ok(CapacityPlan { demand, tokens, replicas, ledger, network, outlook, arithmetic })
}
