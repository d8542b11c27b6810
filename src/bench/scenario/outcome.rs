//! What came of a peak: its runs, and what they mean for it. README.md describes the JSON.

use std::time::Duration;

use serde::Serialize;

use super::{Queue, Run, Scenario, Verdict, judge};
use crate::bench::result::{LaneResult, LoadResult};
use crate::domain::Lane;

/// The form of the JSON; it changes where a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A peak, its runs and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The peak.
    pub scenario: Scenario,
    /// What the runs mean.
    pub verdict: Verdict,
    /// What was measured, in one figure each.
    pub run: Run,
    /// The queue of requests behind it, where there is one.
    pub queue: Option<Queue>,
    /// In their order.
    pub runs: Vec<Measured>,
}

/// One of its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// For what.
    pub of: RunOf,
    /// Which.
    pub heading: String,
    /// As `sceau bench load` has it.
    pub result: LoadResult,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOf {
    /// Whether what is needed is reached.
    Needed,
    /// The margin: as fast as it goes.
    Most,
}

impl Outcome {
    /// Judges runs.
    ///
    /// `is_full`: that they were to be the whole of it. What could not be run is not among them. `interactive_at_most`: of 100 who wait for
    /// one certificate, 99 wait no longer.
    #[must_use]
    pub fn new(scenario: Scenario, is_full: bool, interactive_at_most: Duration, runs: Vec<Measured>) -> Self {
        let needed: Vec<&LoadResult> = results(&runs, RunOf::Needed).collect();
        let is_ended = needed.iter().any(|result| result.interrupted);
        let is_whole = is_full && !is_ended && needed.len() == scenario.whole().len();
        let most = results(&runs, RunOf::Most).filter(|result| result.seconds > 0.0).find_map(|result| result.lane(Lane::Bulk));
        let run = Run {
            most_per_second: most.map(|lane| lane.throughput.items_per_second),
            interactive_at_most_ms: interactive_at_most.as_secs_f64() * 1e3,
            ..seen(&needed, is_whole)
        };
        let verdict = judge(&scenario, &run);
        let queue = scenario.backlog().map(|backlog| Queue::new(backlog, &scenario, verdict.reached_per_second));
        Self { schema: SCHEMA, scenario, verdict, run, queue, runs }
    }

    /// Whether anything was signed at all.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.runs.iter().any(|run| run.result.signed() > 0)
    }
}

fn results(runs: &[Measured], of: RunOf) -> impl Iterator<Item = &LoadResult> {
    runs.iter().filter(move |run| run.of == of).map(|run| &run.result)
}

/// Several stretches as one: at the rate of the busiest, kept as far as the worst of them was.
fn seen(runs: &[&LoadResult], is_whole: bool) -> Run {
    let bulk = || runs.iter().filter_map(|result| result.lane(Lane::Bulk).map(|lane| (lane, result.seconds)));
    let waiting = runs.iter().filter_map(|result| result.lane(Lane::Interactive)).filter(|lane| lane.latency.count > 0);
    let offered = bulk().filter_map(|(lane, _)| lane.rate).fold(0.0, f64::max);
    let kept = bulk().map(|(lane, seconds)| kept(lane, seconds)).reduce(f64::min).unwrap_or_default();
    Run {
        seconds: runs.iter().map(|result| result.seconds).sum(),
        offered_per_second: offered,
        signed_per_second: offered * kept,
        not_signed: runs.iter().map(|result| result.not_signed()).sum(),
        interactive_p99_ms: waiting.map(|lane| lane.latency.p99_ms).reduce(f64::max),
        interactive_at_most_ms: 0.0,
        most_per_second: None,
        is_whole,
    }
}

/// The share that was signed in time of what was due. At few calls the throughput would be a matter of where the run was cut; so a batch that
/// was on its way at the end is no shortfall.
fn kept(lane: &LaneResult, seconds: f64) -> f64 {
    let due = lane.items.asked();
    if due == 0 {
        return 0.0;
    }
    // Whole seconds exactly; the throughput, rounded, has the rest of one too.
    let counted = lane.per_second.iter().map(|second| second.signed).sum::<u64>() as f64;
    let in_time = counted.max(lane.throughput.items_per_second * seconds) + f64::from(lane.batch);
    in_time.min(lane.items.signed as f64) / due as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::fixture::result;

    const WAIT: Duration = Duration::from_millis(100);

    /// `signed` of `due` batches of 10 in ten seconds, of which `in_time` within them.
    fn bulk(rate: f64, due: u64, signed: u64, in_time: u64) -> LoadResult {
        let mut result = result();
        result.lanes[1].items.unanswered = 0;
        let lane = &mut result.lanes[0];
        lane.rate = Some(rate);
        lane.batch = 10;
        lane.items = crate::bench::result::ItemCounts { signed: signed * 10, failed: (due - signed) * 10, ..Default::default() };
        lane.throughput.items_per_second = in_time as f64;
        lane.per_second.clear();
        result
    }

    fn measured(of: RunOf, result: LoadResult) -> Measured {
        Measured { of, heading: String::new(), result }
    }

    fn night() -> Scenario {
        *Scenario::of("fr-reissue-night").unwrap()
    }

    #[test]
    fn a_run_that_keeps_its_rate_reaches_it_wherever_it_was_cut() {
        let outcome = Outcome::new(night(), false, WAIT, vec![measured(RunOf::Needed, bulk(3_803.0, 3_803, 3_803, 3_802))]);
        assert_eq!(outcome.run.signed_per_second, 3_803.0);
        assert!(outcome.verdict.met && !outcome.run.is_whole, "{:?}", outcome.verdict);
        let late = Outcome::new(night(), false, WAIT, vec![measured(RunOf::Needed, bulk(3_803.0, 3_803, 3_803, 3_000))]);
        assert!(!late.verdict.met && late.run.signed_per_second < 3_002.0, "answered later is not in time");
    }

    #[test]
    fn the_worst_stretch_decides_and_a_faster_run_makes_up_for_nothing() {
        let italy = *Scenario::of("it-record").unwrap();
        let stretches = [bulk(64.2, 642, 642, 642), bulk(77.0, 770, 770, 770), bulk(64.2, 642, 321, 321)];
        let mut runs: Vec<Measured> = stretches.map(|result| measured(RunOf::Needed, result)).into();
        runs.push(measured(RunOf::Most, bulk(9_000.0, 9_000, 9_000, 9_000)));
        let outcome = Outcome::new(italy, true, WAIT, runs);
        assert!(outcome.run.is_whole && !outcome.verdict.met);
        assert_eq!(outcome.run.not_signed, 3_210);
        assert!((38.0..39.0).contains(&outcome.run.signed_per_second), "{:?}", outcome.run);
        assert_eq!(outcome.verdict.reached_per_second, 9_000.0);
    }

    #[test]
    fn what_was_ended_is_not_the_whole_and_nothing_is_a_verdict_too() {
        let mut ended = bulk(3_803.0, 3_803, 3_803, 3_803);
        ended.interrupted = true;
        assert!(!Outcome::new(night(), true, WAIT, vec![measured(RunOf::Needed, ended)]).run.is_whole);
        let nothing = Outcome::new(night(), false, WAIT, Vec::new());
        assert!(!nothing.verdict.met && !nothing.is_signed());
        assert_eq!(nothing.run.interactive_p99_ms, None);
    }
}
