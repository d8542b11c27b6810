//! `sceau bench load`: an open loop of calls, and what came of them.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::files::FileArgs;
use super::payloads;
use super::runs::{IN_FLIGHT_CLOSED, IN_FLIGHT_OPEN, PATIENCE, Runs, interactive};
use super::service::ServiceArgs;
use crate::bench::report::Report;
use crate::bench::result::LoadResult;
use crate::bench::{Arrivals, LaneLoad, Pace, Plan, summary};
use crate::cli::connection::ConnectionArgs;
use crate::cli::exit::SOME_REFUSED;
use crate::cli::quantity::parse_time;
use crate::cli::sign::LaneName;
use crate::domain::Lane;

/// Have a service sign made-up payloads, and measure it.
///
/// With a rate the load is an open loop: the times of all calls are fixed beforehand, and calls start whether or not earlier ones were
/// answered. A latency counts from the time at which its call was to start, though it started late: so what a slow service keeps
/// waiting is in the figures (they are corrected for coordinated omission). `--rate max` is a closed loop of --in-flight calls, which
/// finds the highest throughput; its latencies count from the actual start, and hold for no other load.
///
/// Everything is signed, put on record and thrown away: not for a service that signs real certificates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau bench load --endpoint http://127.0.0.1:7443 --rate max --duration 30s
  sceau bench load --endpoint http://127.0.0.1:7443 --rate 3803 --duration 10m --json night.json --html night.html
  sceau bench load --endpoint http://127.0.0.1:7443 --rate max --interactive 20 --metrics http://127.0.0.1:9464 --html both.html
  sceau bench load --endpoint http://127.0.0.1:7443 --rate 50 --lane interactive --batch 1 --json - | jq .lanes[0].latency
  sceau bench load --endpoint https://sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key --rate 1000

Ctrl-C ends the run; what was measured until then is reported. README.md describes the JSON.

Exit codes: 0 every item is signed; 2 some are not; 1 none is; 69 the service cannot be reached.")]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Items a second, at times that are fixed beforehand; or max, as fast as answers come
    #[arg(long, value_name = "R|max", value_parser = parse_rate)]
    rate: Rate,
    /// The priority at the service
    #[arg(long, value_enum, default_value_t = LaneName::Bulk)]
    lane: LaneName,
    /// Items a call
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How long it is counted, like 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    duration: Duration,
    /// The same load before that, not counted
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    warm_up: Duration,
    /// The most calls without an answer; 256, with max 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    in_flight: Option<u32>,
    /// Single interactive requests at the same time, so many a second, at times by chance
    #[arg(long, value_name = "R", value_parser = parse_items_per_second)]
    interactive: Option<f64>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    files: FileArgs,
}

/// What `--rate` says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rate {
    ItemsPerSecond(f64),
    Max,
}

pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let plan = args.plan()?;
    plan.check()?;
    let files = args.files.open()?;
    let result = Runs::new()?.run(&plan, &args.connection.connection())?;
    if !files.is_stdout_taken() {
        write!(std::io::stdout(), "{}", summary::text(&result))?;
    }
    files.write(&result, &Report { title: args.title(), verdict: None, runs: vec![(String::new(), &result)] })?;
    Ok(code_of(&result))
}

impl LoadArgs {
    fn plan(&self) -> anyhow::Result<Plan> {
        let (pace, in_flight) = match self.rate {
            Rate::ItemsPerSecond(items_per_second) => (Pace::Rate { items_per_second, arrivals: Arrivals::Even }, IN_FLIGHT_OPEN),
            Rate::Max => (Pace::Max, IN_FLIGHT_CLOSED),
        };
        let in_flight = self.in_flight.unwrap_or(in_flight);
        let mut lanes = vec![LaneLoad { lane: self.lane.into(), batch: self.batch, pace, in_flight }];
        lanes.extend(self.interactive.map(interactive));
        Ok(Plan {
            profile: self.service.profile.clone(),
            lanes,
            warm_up: self.warm_up,
            duration: self.duration,
            patience: PATIENCE,
            payloads: payloads::made_up()?,
            metrics: self.service.metrics.clone(),
        })
    }

    fn title(&self) -> String {
        let rate = match self.rate {
            Rate::ItemsPerSecond(rate) => format!("{rate} a second"),
            Rate::Max => "as fast as answers come".to_owned(),
        };
        let beside = self.interactive.map(|rate| format!(", and {rate} interactive requests a second")).unwrap_or_default();
        format!("Load: {} certificates, {rate}{beside}", Lane::from(self.lane).name())
    }
}

/// Nothing signed is no success, though every call was answered.
fn code_of(result: &LoadResult) -> ExitCode {
    if result.signed() == 0 {
        let _ = writeln!(std::io::stderr(), "sceau: no item was signed");
        return ExitCode::FAILURE;
    }
    if result.not_signed() > 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" { Ok(Rate::Max) } else { parse_items_per_second(text).map(Rate::ItemsPerSecond) }
}

fn parse_items_per_second(text: &str) -> Result<f64, String> {
    let right = || "not a number of items a second above 0, like 3803 or 0.5".to_owned();
    text.parse().ok().filter(|rate| (0.01..=10_000_000.0).contains(rate)).ok_or_else(right)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::runs::SEED;
    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
        let line = [&["load", "--endpoint", "http://127.0.0.1:7443"], arguments].concat();
        let plan = CommandLine::try_parse_from(line)?.load.plan()?;
        plan.check()?;
        Ok(plan)
    }

    #[test]
    fn a_rate_is_an_open_loop_and_max_a_closed_one() {
        let open = plan(&["--rate", "3803", "--duration", "10m"]).unwrap();
        let pace = Pace::Rate { items_per_second: 3_803.0, arrivals: Arrivals::Even };
        assert_eq!(open.lanes, [LaneLoad { lane: Lane::Bulk, batch: 500, pace, in_flight: 256 }]);
        assert_eq!((open.duration, open.warm_up), (Duration::from_secs(600), Duration::from_secs(2)));
        let closed = plan(&["--rate", "max", "--in-flight", "4", "--batch", "100"]).unwrap();
        assert_eq!(closed.lanes, [LaneLoad { lane: Lane::Bulk, batch: 100, pace: Pace::Max, in_flight: 4 }]);
    }

    #[test]
    fn interactive_requests_come_by_chance_beside_bulk_and_beside_nothing_else() {
        let both = plan(&["--rate", "max", "--interactive", "20"]).unwrap();
        let pace = Pace::Rate { items_per_second: 20.0, arrivals: Arrivals::Poisson { seed: SEED } };
        assert_eq!(both.lanes[1], LaneLoad { lane: Lane::Interactive, batch: 1, pace, in_flight: 256 });
        let twice = plan(&["--rate", "max", "--lane", "interactive", "--interactive", "20"]);
        assert!(twice.unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn wrong_numbers_are_refused() {
        for bad in [["--rate", "0"], ["--rate", "-5"], ["--rate", "fast"], ["--rate", "inf"], ["--rate", "NaN"]] {
            assert!(plan(&bad).is_err(), "{bad:?}");
        }
        for duration in ["0s", "-5s", "5", "soon", "3d"] {
            assert!(plan(&["--rate", "max", "--duration", duration]).is_err(), "{duration}");
        }
    }
}
