//! A plan on a terminal, and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::bench::capacity::{CapacityPlan, Costs, Limit, Question, Section, TokenKind};
use crate::bench::figure::{bytes, count, number, percent, rate, seconds, time};
use crate::cli::page::{fields, line};

/// What is shown.
#[derive(Serialize)]
pub(super) struct Page<'p> {
    pub(super) question: &'p Question,
    /// What nobody gave.
    pub(super) assumed: &'p [String],
    pub(super) costs: &'p Costs,
    pub(super) plan: &'p CapacityPlan,
}

#[derive(Serialize)]
struct Document<'p> {
    schema: u32,
    #[serde(flatten)]
    page: &'p Page<'p>,
}

impl Page<'_> {
    pub(super) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &Document { schema: 1, page: self })?;
        writeln!(out)
    }

    /// What is needed first, then how it was found, then what to configure.
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Question { certificates, within, .. } = self.question;
        line(out, &format!("{} certificates within {}", count(*certificates), time(*within)))?;
        fields(out, &self.summary())?;
        for section in &self.plan.arithmetic {
            line(out, "")?;
            arithmetic(out, section)?;
        }
        line(out, "")?;
        line(out, "To configure, in each replica")?;
        self.settings().iter().try_for_each(|setting| line(out, &format!("  {setting}")))?;
        line(out, "")?;
        line(out, &format!("Costs are {}.", self.costs.source))?;
        self.assumed.iter().try_for_each(|assumed| line(out, &format!("Taken, because nothing was said: {assumed}.")))
    }

    fn summary(&self) -> Vec<(&'static str, String)> {
        let CapacityPlan { demand, tokens, replicas, ledger, network, outlook, .. } = self.plan;
        let spares = |count: u32, spares: u32| format!("{} + {spares} spare", count - spares);
        let hsms = match tokens.usable_per_second {
            Some(usable) => format!(
                "{} of {} each, {} sessions of each replica on each",
                spares(tokens.count, tokens.spares),
                rate(usable),
                tokens.sessions
            ),
            None => format!("none: SoftHSM, {} workers of one session in each replica", tokens.workers),
        };
        let cores =
            format!("{} busy at the peak, {} with the headroom", number(replicas.cores_busy), number(replicas.cores_needed));
        let machines = format!(
            "{} of {} cores and {} each",
            spares(replicas.count, replicas.spares),
            replicas.cores_each,
            bytes(replicas.memory_bytes_each)
        );
        let megabits = |bits: f64| number(bits / 1e6);
        let (received, sent) = (megabits(network.received_bits_per_second), megabits(network.sent_bits_per_second));
        let limit = match outlook.limit {
            Limit::Tokens => "the HSMs are the limit",
            Limit::Cores => "the cores are the limit",
        };
        let soonest = time(seconds(outlook.soonest_seconds));
        let left = if outlook.survives {
            format!("{} are left, {} of them free at the peak", rate(outlook.left_per_second), percent(outlook.left_headroom))
        } else {
            format!("{} are left, and the peak needs {}: NOT SERVED", rate(outlook.left_per_second), rate(demand.peak_per_second))
        };
        vec![
            (
                "rate",
                format!("{} at the peak; {} with the headroom", rate(demand.peak_per_second), rate(demand.capacity_per_second)),
            ),
            ("HSMs", hsms),
            ("cores", cores),
            ("replicas", machines),
            (
                "ledger",
                format!("{} in {}, {}/s at the peak", bytes(ledger.bytes), ledger.store, bytes(ledger.written_bytes_per_second)),
            ),
            ("network", format!("{received} Mbit/s in, {sent} Mbit/s out; {} in all", bytes(network.bytes))),
            ("can do", format!("{}: {limit}; done in {soonest} at the soonest", rate(outlook.capacity_per_second))),
            (if outlook.failed == 1 { "one of each gone" } else { "so many gone" }, left),
        ]
    }

    fn settings(&self) -> Vec<String> {
        let CapacityPlan { tokens, ledger, .. } = self.plan;
        let store = format!("[ledger]    store = \"{}\"", ledger.store);
        let workers = format!("[[token]]   workers = {}, sessions = {}", tokens.workers, tokens.sessions);
        let device = match self.question.token {
            TokenKind::Device { .. } => {
                format!("[[dsc]]     on each of the {} HSMs; each HSM allows {} sessions", tokens.count, tokens.sessions_open)
            }
            TokenKind::Local => "[[dsc]]     on the SoftHSM token".to_owned(),
        };
        let retries =
            format!("[retries]   max_items = {} keeps every item for 600 s; 0 to this, by your memory", ledger.retry_items);
        vec![workers, device, store, retries]
    }
}

fn arithmetic(out: &mut dyn Write, section: &Section) -> io::Result<()> {
    line(out, section.title)?;
    section.lines().iter().try_for_each(|step| line(out, &format!("  {step}")))
}
