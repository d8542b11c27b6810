//! `sceau bench scenario`: a peak of the field, measured on a service.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::files::FileArgs;
use super::payloads;
use super::runs::{IN_FLIGHT_CLOSED, IN_FLIGHT_OPEN, PATIENCE, Runs, interactive};
use super::service::ServiceArgs;
use crate::bench::figure::{count, rate, time};
use crate::bench::scenario::{Measured, Outcome, RunOf, Scenario, Stretch};
use crate::bench::{Arrivals, LaneLoad, Pace, Payloads, Plan};
use crate::cli::connection::ConnectionArgs;
use crate::cli::exit::SOME_REFUSED;
use crate::cli::ndjson::on_stdout;
use crate::cli::page::table;
use crate::cli::quantity::parse_time;
use crate::domain::Lane;

/// The run as fast as it goes is a quarter as long, between these.
const MOST_AT_LEAST: Duration = Duration::from_secs(1);
const MOST_AT_MOST: Duration = Duration::from_secs(60);

/// See whether a service meets a peak of the field.
///
/// First at the rate that the busy hour needs, then, shorter, as fast as it goes, for the margin; with single interactive requests at the
/// same time in both. It is met where the rate is kept, everything is signed, and 99 of 100 who wait for a single certificate have it
/// within --wait. Minutes are carried on to the whole by arithmetic that is shown; --full runs the whole, nights left out.
///
/// Everything is signed, put on record and thrown away: not for a service that signs real certificates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau bench scenario --list
  sceau bench scenario nc-day --endpoint http://127.0.0.1:7443
  sceau bench scenario fr-reissue-night --endpoint http://127.0.0.1:7443 --metrics http://127.0.0.1:9464 --html night.html
  sceau bench scenario it-record --endpoint http://127.0.0.1:7443 --duration 10m --json - | jq .verdict
  sceau bench scenario fr-reissue-night --endpoint http://127.0.0.1:7443 --full      # 10 hours

Ctrl-C ends it; what was measured until then is judged and reported. README.md describes the JSON.

Exit codes: 0 it is met; 2 it is not; 1 nothing is signed; 69 the service cannot be reached.")]
pub(crate) struct ScenarioArgs {
    /// The peak
    #[arg(value_name = "NAME", required = true, value_parser = PossibleValuesParser::new(Scenario::ALL.iter().map(|peak| peak.name)))]
    name: Option<String>,
    /// Show all of them, and what each needs
    #[arg(long, exclusive = true)]
    list: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Run all of it, in the time that it takes
    #[arg(long, conflicts_with = "duration")]
    full: bool,
    /// How long it is measured at the rate that it needs, like 2m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_time)]
    duration: Duration,
    /// The same load before each run, not counted
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    warm_up: Duration,
    /// Leave out the run as fast as it goes, and with it the margin
    #[arg(long)]
    no_max: bool,
    /// Of 100 who wait for a single certificate, 99 have it within that
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_time)]
    wait: Duration,
    /// Items a call at most; small rates take less, four calls a second
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    files: FileArgs,
}

pub(crate) fn run(args: &ScenarioArgs) -> anyhow::Result<ExitCode> {
    match args.name.as_deref().and_then(Scenario::of) {
        Some(scenario) => measure(scenario, args),
        None => list(),
    }
}

fn list() -> anyhow::Result<ExitCode> {
    let row = |peak: &Scenario| {
        let figures =
            [count(peak.certificates), time(peak.worked()), rate(peak.needed_per_second()), rate(peak.interactive_per_second)];
        let [certificates, within, needed, beside] = figures;
        [peak.name.to_owned(), certificates, within, needed, beside, peak.what.to_owned()]
    };
    let rows: Vec<_> = Scenario::ALL.iter().map(row).collect();
    on_stdout(|out| {
        table(out, ["name", "certificates", "within", "needed", "beside", "what"], &rows)?;
        writeln!(out, "\nneeded: in the busy hour; beside: single ones at the same time; within: without nights")?;
        Ok(ExitCode::SUCCESS)
    })
}

fn measure(scenario: &Scenario, args: &ScenarioArgs) -> anyhow::Result<ExitCode> {
    let stretches = if args.full { scenario.whole() } else { vec![scenario.busy(args.duration)] };
    let payloads = payloads::made_up()?;
    let plans: Vec<(Stretch, Plan)> =
        stretches.into_iter().map(|stretch| (stretch.clone(), args.at_rate(scenario, &stretch, &payloads))).collect();
    plans.iter().try_for_each(|(_, plan)| plan.check())?;
    let files = args.files.open()?;
    let mut runs = Runs::new()?;
    let mut measured = needed(&plans, &mut runs, args)?;
    let is_done = measured.len() == plans.len() && measured.iter().all(|run| !run.result.interrupted && run.result.signed() > 0);
    if is_done && !args.no_max {
        measured.extend(most(&args.as_fast_as_it_goes(scenario, &payloads), &mut runs, args));
    }
    let outcome = Outcome::new(*scenario, args.full, args.wait, measured);
    if !files.is_stdout_taken() {
        write!(std::io::stdout(), "{}", outcome.text())?;
    }
    files.write(&outcome, &outcome.report())?;
    Ok(code_of(&outcome))
}

/// One run after another, until one is ended. What fails before the first is an error; later on, hours may be lost with it.
fn needed(plans: &[(Stretch, Plan)], runs: &mut Runs, args: &ScenarioArgs) -> anyhow::Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = Vec::new();
    for (Stretch { heading, per_second, .. }, plan) in plans {
        tell(&format!("{heading}: {} for {}", rate(*per_second), time(plan.whole())));
        let result = match runs.run(plan, &args.connection.connection()) {
            Ok(result) => result,
            Err(error) if measured.is_empty() => return Err(error),
            Err(error) => {
                tell(&format!("sceau: {heading}, and what follows, could not be run: {error:#}"));
                break;
            }
        };
        let is_ended = result.interrupted;
        measured.push(Measured { of: RunOf::Needed, heading: heading.clone(), result });
        if is_ended {
            break;
        }
    }
    Ok(measured)
}

/// The margin; there is a verdict without it.
fn most(plan: &Plan, runs: &mut Runs, args: &ScenarioArgs) -> Option<Measured> {
    let heading = "As fast as it goes".to_owned();
    tell(&format!("{heading}: for {}", time(plan.whole())));
    match runs.run(plan, &args.connection.connection()) {
        Ok(result) => Some(Measured { of: RunOf::Most, heading, result }),
        Err(error) => {
            tell(&format!("sceau: the margin could not be measured: {error:#}"));
            None
        }
    }
}

impl ScenarioArgs {
    fn at_rate(&self, scenario: &Scenario, stretch: &Stretch, payloads: &Payloads) -> Plan {
        let pace = Pace::Rate { items_per_second: stretch.per_second, arrivals: Arrivals::Even };
        let bulk = LaneLoad { lane: Lane::Bulk, batch: stretch.batch(self.batch), pace, in_flight: IN_FLIGHT_OPEN };
        self.plan(scenario, bulk, stretch.duration, payloads)
    }

    fn as_fast_as_it_goes(&self, scenario: &Scenario, payloads: &Payloads) -> Plan {
        let bulk = LaneLoad { lane: Lane::Bulk, batch: self.batch, pace: Pace::Max, in_flight: IN_FLIGHT_CLOSED };
        self.plan(scenario, bulk, (self.duration / 4).clamp(MOST_AT_LEAST, MOST_AT_MOST), payloads)
    }

    fn plan(&self, scenario: &Scenario, bulk: LaneLoad, duration: Duration, payloads: &Payloads) -> Plan {
        Plan {
            profile: self.service.profile.clone(),
            lanes: vec![bulk, interactive(scenario.interactive_per_second)],
            warm_up: self.warm_up,
            duration,
            patience: PATIENCE,
            payloads: payloads.clone(),
            metrics: self.service.metrics.clone(),
        }
    }
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn code_of(outcome: &Outcome) -> ExitCode {
    if !outcome.is_signed() {
        tell("sceau: no item was signed");
        return ExitCode::FAILURE;
    }
    if outcome.verdict.met { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) }
}
