//! `sceau plan`: what an installation has to be for a peak.

mod shown;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::exit::SOME_REFUSED;
use super::ndjson;
use super::quantity::{parse_count, parse_percent, parse_rate, parse_time};
use crate::bench::capacity::{Costs, Question, TokenKind, plan};
use crate::bench::scenario::Scenario;

/// What is taken for a network HSM whose latency nobody gave.
const USUAL_LATENCY: Duration = Duration::from_millis(5);
/// What is taken for one whose rate nobody gave: what vendors advise.
const USUAL_SESSIONS: u32 = 32;

/// Plan capacity for a peak: HSMs, sessions, cores, replicas, ledger and network, each with its arithmetic.
///
/// For so many certificates within a time, and so many single ones a second for which somebody waits meanwhile. A token is either a
/// device, which has a rate and a latency (`sceau token probe` measures both, a vendor's data sheet promises them), or, where neither is
/// given, SoftHSM, which takes cores instead.
///
/// Costs are those that were measured for this version; the last lines say on which machine. Yours is another one: measure with
/// `sceau token probe`, and see whether the plan holds on a tenth of it before you buy the rest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau plan --certificates 136.9M --within 72h --token-rate 3000 --token-latency 5ms   # a country
  sceau plan --certificates 136.9M --within 10h --interactive 20      # in a night, on SoftHSM
  sceau plan --certificates 1663340 --within 1d --peak 4 --token-rate 100 --token-latency 20ms
  sceau plan --certificates 20M --within 48h --token-latency 1ms --token-sessions 16 --headroom 50% --spare 2
  sceau plan --scenario it-record --token-rate 100 --token-latency 20ms    # Italy, 23 December 2021
  sceau plan --certificates 20M --within 48h --token-rate 3000 --json | jq .plan.tokens

Exit codes: 0 the peak is served with one token and one replica gone, 2 it is not (--spare 0), 64 no such plan can be.")]
pub(crate) struct PlanArgs {
    /// How many, like 20123, 200k or 136.9M
    #[arg(long, value_name = "N", value_parser = parse_count, required_unless_present = "scenario")]
    certificates: Option<u64>,
    /// In which time, like 72h or 5d; with nights that are not worked, give the hours worked
    #[arg(long, value_name = "TIME", value_parser = parse_time, required_unless_present = "scenario")]
    within: Option<Duration>,
    /// Single certificates a second at the same time, for which somebody waits; 0 by default
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    interactive: Option<f64>,
    /// The busy hour's rate in the mean's: 1 (the default) for a job that runs evenly, 4 where people ask by day
    #[arg(long, value_name = "FACTOR", value_parser = parse_rate)]
    peak: Option<f64>,
    /// A peak of the field; what is given beside it goes before its own
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Scenario::ALL.iter().map(|scenario| scenario.name)))]
    scenario: Option<String>,
    /// The share of the capacity that stays free at the peak
    #[arg(long, value_name = "PERCENT", default_value = "30%", value_parser = parse_percent)]
    headroom: f64,
    /// How many tokens, and how many replicas, may fail without touching the headroom
    #[arg(long, value_name = "N", default_value_t = 1)]
    spare: u32,
    /// The most signatures a second of one HSM; absent, with a latency: what its sessions allow
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "The token (a device; without these SoftHSM)")]
    token_rate: Option<f64>,
    /// What one signature takes, as one session sees it, like 5ms; absent, with a rate: 5 ms are taken
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "The token (a device; without these SoftHSM)")]
    token_latency: Option<Duration>,
    /// The most sessions of one HSM that sign at a time; absent: what its rate takes, or 32 where it has none
    #[arg(long, value_name = "N", help_heading = "The token (a device; without these SoftHSM)")]
    token_sessions: Option<u32>,
    /// Cores of a replica's machine
    #[arg(long, value_name = "N", default_value_t = 4)]
    cores_per_replica: u32,
    /// Take the costs of a bulk certificate from this result of `sceau bench load --metrics … --json FILE`
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Print one JSON document instead: {"schema", "question", "assumed", "costs", "plan"}
    #[arg(long)]
    json: bool,
}

/// Plans, and prints it.
///
/// # Errors
/// No such plan can be; stdout cannot be written.
pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let (question, assumed) = args.question();
    let costs = match &args.from {
        Some(file) => measured(file).with_context(|| format!("{}", file.display()))?,
        None => Costs::built_in(),
    };
    let plan = plan(&question, &costs)?;
    let page = shown::Page { question: &question, costs: &costs, plan: &plan, assumed: &assumed };
    ndjson::on_stdout(|out| {
        if args.json { page.json(out) } else { page.text(out) }.context("cannot write the output")?;
        Ok(if plan.outlook.survives { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
    })
}

fn measured(file: &Path) -> anyhow::Result<Costs> {
    Ok(Costs::measured(&std::fs::read(file)?)?)
}

impl PlanArgs {
    /// What is asked, and what of it nobody gave.
    fn question(&self) -> (Question, Vec<String>) {
        let mut assumed = Vec::new();
        let peak = self.scenario.as_deref().and_then(Scenario::of);
        assumed.extend(peak.map(|peak| format!("{}; {}", peak.what, peak.source)));
        let token = if self.token_rate.is_none() && self.token_latency.is_none() && self.token_sessions.is_none() {
            assumed.push("SoftHSM signs, on the replicas' cores; --token-rate and --token-latency plan for HSMs".to_owned());
            TokenKind::Local
        } else {
            let latency = self.token_latency.unwrap_or_else(|| {
                assumed.push("a signature takes the HSM 5 ms; --token-latency says what it is".to_owned());
                USUAL_LATENCY
            });
            let most_sessions = self.token_sessions.or_else(|| {
                self.token_rate.is_none().then(|| {
                    assumed.push(
                        "an HSM works on 32 signatures at a time; --token-rate or --token-sessions say what it does".to_owned(),
                    );
                    USUAL_SESSIONS
                })
            });
            TokenKind::Device { most_per_second: self.token_rate, latency, most_sessions }
        };
        let question = Question {
            certificates: self.certificates.or(peak.map(|peak| peak.certificates)).unwrap_or_default(),
            within: self.within.or(peak.map(Scenario::worked)).unwrap_or_default(),
            peak: self.peak.or(peak.map(|peak| peak.peak)).unwrap_or(1.0),
            interactive_per_second: self.interactive.or(peak.map(|peak| peak.interactive_per_second)).unwrap_or_default(),
            headroom: self.headroom,
            spares: self.spare,
            token,
            cores_a_replica: self.cores_per_replica,
        };
        (question, assumed)
    }
}
