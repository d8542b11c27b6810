//! What is kept on disk, and what goes over the network.

use serde::Serialize;

use super::costs::{Cost, Costs};
use super::demand::Demand;
use super::question::Question;
use super::replicas::Replicas;
use super::step::Section;
use crate::bench::figure::{bytes, count, number, rate, time};

/// A page that changes is written to the log first, and then to its place.
const WRITTEN_TWICE: f64 = 2.0;
/// What `[retries] keep_seconds` is where nothing else is configured.
const KEPT_SECONDS: f64 = 600.0;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// `store` in the configuration: "sqlite", or "postgres" where replicas share it.
    pub store: &'static str,
    /// What all of it takes, in bytes.
    pub bytes: f64,
    /// What is written at the peak.
    pub written_bytes_per_second: f64,
    /// How many items are signed at the peak while one is kept for retries: `max_items` for every retry to be safe so long.
    pub retry_items: f64,
}

/// What goes between callers and replicas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Network {
    /// Requests at the peak, all replicas together.
    pub received_bits_per_second: f64,
    /// Answers.
    pub sent_bits_per_second: f64,
    /// Both, in the whole time, in bytes.
    pub bytes: f64,
}

impl Ledger {
    pub(super) fn of(question: &Question, costs: &Costs, demand: &Demand, replicas: &Replicas) -> (Self, Section) {
        let mut section = Section::new("How much ledger?");
        let store = if replicas.count == 1 { "sqlite" } else { "postgres" };
        let each = |cost: &Cost| if replicas.count == 1 { cost.sqlite_bytes } else { cost.postgres_bytes };
        let (bulk, single) = (each(&costs.bulk), each(&costs.interactive));
        let why = if replicas.count == 1 { "one replica: a file of its own" } else { "several replicas share a database" };
        section.step("store", why, store);
        let (certificates, interactive) = (question.certificates as f64 * bulk, interactive_count(question) * single);
        let product = format!("{} x {}", count(question.certificates), bytes(bulk));
        section.step("bulk certificates", product, bytes(certificates));
        let product = format!(
            "{} x {} s x {}",
            rate(question.interactive_per_second),
            number(question.within.as_secs_f64()),
            bytes(single)
        );
        section.step("interactive ones, a group each", product, bytes(interactive));
        let all = certificates + interactive;
        section.step("ledger, its index included", format!("{} + {}", bytes(certificates), bytes(interactive)), bytes(all));
        let written = (demand.busy_per_second * bulk + demand.interactive_per_second * single) * WRITTEN_TWICE;
        let sum = format!(
            "({} x {} + {} x {}) x 2, log and page",
            rate(demand.busy_per_second),
            bytes(bulk),
            rate(demand.interactive_per_second),
            bytes(single)
        );
        section.step("written at the peak", sum, format!("{}/s", bytes(written)));
        let retry_items = (demand.peak_per_second * KEPT_SECONDS).ceil();
        let memory = bytes(retry_items * costs.retry_bytes);
        let product = format!("{} x {}", rate(demand.peak_per_second), time(std::time::Duration::from_secs(600)));
        let result = format!("{} items, {memory} of memory", number(retry_items));
        section.step("[retries] max_items to keep all so long", product, result);
        (Self { store, bytes: all, written_bytes_per_second: written, retry_items }, section)
    }
}

impl Network {
    pub(super) fn of(question: &Question, costs: &Costs, demand: &Demand) -> (Self, Section) {
        let mut section = Section::new("How much network, between callers and replicas?");
        let mut bits = |what: &str, bulk: f64, single: f64| {
            let (busy, interactive) = (demand.busy_per_second, demand.interactive_per_second);
            let (bulk, single) = (bulk * costs.bulk.wire_factor, single * costs.interactive.wire_factor);
            let bits = (busy * bulk + interactive * single) * 8.0;
            let sum = format!("({} x {} + {} x {} on the wire) x 8", rate(busy), bytes(bulk), rate(interactive), bytes(single));
            section.step(format!("{what} at the peak"), sum, mbit(bits));
            bits
        };
        let received = bits("requests", costs.bulk.request_bytes, costs.interactive.request_bytes);
        let sent = bits("answers", costs.bulk.answer_bytes, costs.interactive.answer_bytes);
        let both = |cost: &Cost| (cost.request_bytes + cost.answer_bytes) * cost.wire_factor;
        let (bulk, single) = (both(&costs.bulk), both(&costs.interactive));
        let all = question.certificates as f64 * bulk + interactive_count(question) * single;
        let sum = format!(
            "{} x {} + {} x {}",
            count(question.certificates),
            bytes(bulk),
            number(interactive_count(question)),
            bytes(single)
        );
        section.step("in the whole time", sum, bytes(all));
        (Self { received_bits_per_second: received, sent_bits_per_second: sent, bytes: all }, section)
    }
}

fn interactive_count(question: &Question) -> f64 {
    question.interactive_per_second * question.within.as_secs_f64()
}

/// `7.8 Mbit/s`
fn mbit(bits: f64) -> String {
    format!("{} Mbit/s", number(bits / 1e6))
}
