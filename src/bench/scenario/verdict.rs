//! Whether a measured run meets a peak, and by how much.

use serde::Serialize;

use super::Scenario;
use crate::bench::capacity::Section;
use crate::bench::figure::{count, number, percent, rate, seconds, time};

/// A run is cut somewhere: a batch more or less at its ends is no failure.
const ENOUGH: f64 = 0.99;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Run {
    /// How long it was counted, in seconds.
    pub seconds: f64,
    /// Certificates of the bulk lane that were asked for a second.
    pub offered_per_second: f64,
    /// Of those, signed a second.
    pub signed_per_second: f64,
    /// Items of both lanes that were not signed, for whatever reason.
    pub not_signed: u64,
    /// Interactive latency at the same time, from the intended start, the 99th percentile in milliseconds; absent where nobody asked.
    pub interactive_p99_ms: Option<f64>,
    /// What that may be.
    pub interactive_at_most_ms: f64,
    /// Certificates of the bulk lane a second, as fast as it goes, with the same interactive ones; absent where that was not tried.
    pub most_per_second: Option<f64>,
    /// Whether that was all of it, and nothing has to be carried on.
    pub is_whole: bool,
}

/// What a run means for a peak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether it is met.
    pub met: bool,
    /// What was reached in what is needed, less 1: 0.25 is a quarter to spare; below 0 so much is missing.
    pub margin: f64,
    /// Certificates a second that are needed, in the busy hour.
    pub needed_per_second: f64,
    /// Certificates a second that were reached.
    pub reached_per_second: f64,
    /// What all of it would take at that rate, in seconds of the time that is worked; absent where nothing was signed.
    pub whole_seconds: Option<f64>,
    /// Why it is not met.
    pub reasons: Vec<String>,
    /// How it was carried on from the run to the whole.
    pub arithmetic: Section,
}

/// Carries a run on to the whole.
///
/// # What is assumed
/// The rate of the run's minutes holds for hours: nothing fills up, heats up or is throttled. The busy hour is what has to be met; the
/// other hours need less. `--full` assumes nothing.
#[must_use]
pub fn judge(scenario: &Scenario, run: &Run) -> Verdict {
    let needed = scenario.needed_per_second();
    let reached = run.most_per_second.map_or(run.signed_per_second, |most| most.max(run.signed_per_second));
    let reasons = reasons(needed, run);
    let whole_seconds = (reached > 0.0).then(|| scenario.certificates as f64 / reached);
    Verdict {
        met: reasons.is_empty(),
        margin: reached / needed - 1.0,
        needed_per_second: needed,
        reached_per_second: reached,
        whole_seconds,
        reasons,
        arithmetic: arithmetic(scenario, run, reached, whole_seconds),
    }
}

fn reasons(needed: f64, run: &Run) -> Vec<String> {
    let mut reasons = Vec::new();
    // Of the run at the rate: one that goes faster later on makes up for nothing.
    let signed = run.signed_per_second;
    if signed < needed * ENOUGH || signed.is_nan() {
        reasons.push(format!("{} were reached, and {} are needed", rate(signed), rate(needed)));
    }
    if run.not_signed > 0 {
        reasons.push(format!("{} items were not signed", count(run.not_signed)));
    }
    if let Some(p99) = run.interactive_p99_ms.filter(|p99| *p99 > run.interactive_at_most_ms) {
        reasons.push(format!(
            "of those who wait for one certificate, one in a hundred waits {} ms or longer; {} ms at most",
            number(p99),
            number(run.interactive_at_most_ms)
        ));
    }
    reasons
}

fn arithmetic(scenario: &Scenario, run: &Run, reached: f64, whole_seconds: Option<f64>) -> Section {
    let mut section = Section::new("From the run to the whole");
    let (worked, certificates) = (scenario.worked(), count(scenario.certificates));
    let hours = format!("{} x {} h", scenario.days, scenario.hours_a_day);
    section.step("worked", hours, time(worked));
    let division = format!("{certificates} / {} s", number(worked.as_secs_f64()));
    section.step("mean", division, rate(scenario.mean_per_second()));
    let product = format!("{} x {}", rate(scenario.mean_per_second()), number(scenario.peak));
    section.step("needed in the busy hour", product, rate(scenario.needed_per_second()));
    let asked = format!("{} asked for, over {}", rate(run.offered_per_second), time(seconds(run.seconds)));
    section.step("signed in the run", asked, rate(run.signed_per_second));
    if let Some(most) = run.most_per_second {
        section.step("as fast as it goes", "measured beside it", rate(most));
    }
    let needed = scenario.needed_per_second();
    let margin = format!("{} / {} - 1", rate(reached), rate(needed));
    section.step("margin", margin, percent(reached / needed - 1.0));
    if let Some(whole) = whole_seconds {
        section.step("all of it at that rate", format!("{certificates} / {}", rate(reached)), time(seconds(whole)));
    }
    if !run.is_whole {
        section.remark("assumed", "the rate of the run holds for as long as it takes; --full assumes nothing");
    }
    section
}
