//! An outcome as a person reads it: on a terminal, and as a page.

use super::{Outcome, Scenario, Verdict};
use crate::bench::capacity::Section;
use crate::bench::figure::{count, number, percent, rate, seconds, time};
use crate::bench::report::{self, Report};
use crate::bench::summary::{NO_METRICS, figures, origin};

/// From there on what is left over is told in times.
const MANY_TIMES: f64 = 10.0;

impl Scenario {
    /// What it asks, in one line.
    #[must_use]
    pub fn asks(&self) -> String {
        let hours =
            if self.days == 1 { format!("{} h", self.hours_a_day) } else { format!("{} x {} h", self.days, self.hours_a_day) };
        let busy = if self.peak > 1.0 { " in the busy hour" } else { "" };
        let (needed, beside) = (rate(self.needed_per_second()), rate(self.interactive_per_second));
        format!("{} certificates in {hours}: {needed}{busy}, and {beside} single ones at the same time", count(self.certificates))
    }
}

impl Verdict {
    /// What was reached, in one sentence.
    #[must_use]
    pub fn headline(&self) -> String {
        let (reached, needed) = (rate(self.reached_per_second), rate(self.needed_per_second));
        let times = self.reached_per_second / self.needed_per_second;
        let left = match self.margin {
            margin if margin < 0.0 => format!("{} short", percent(-margin)),
            _ if times >= MANY_TIMES => format!("{} times what is needed", number(times.round())),
            margin => format!("a margin of {}", percent(margin)),
        };
        let whole = self.whole_seconds.map(|whole| format!("; all of it takes {} at that rate", time(seconds(whole))));
        format!("{reached} reached, {needed} needed, {left}{}", whole.unwrap_or_default())
    }
}

impl Outcome {
    /// Lines for a terminal, the verdict last, where one looks.
    #[must_use]
    pub fn text(&self) -> String {
        let Scenario { name, what, source, .. } = self.scenario;
        let mut lines = vec![format!("{name}: {what}"), format!("  {}", self.scenario.asks()), format!("  from {source}")];
        for run in &self.runs {
            lines.extend([String::new(), format!("{}, {}", run.heading, time(seconds(run.result.seconds)))]);
            lines.push(figures(&run.result).trim_end().to_owned());
        }
        for (title, steps) in self.sections() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(steps.iter().map(|step| format!("  {step}")));
        }
        lines.push(String::new());
        if let Some(first) = self.runs.first() {
            if first.result.service.is_none() {
                lines.extend([format!("note: {NO_METRICS}"), String::new()]);
            }
            lines.extend([origin(&first.result), String::new()]);
        }
        let word = if self.verdict.met { "met" } else { "NOT MET" };
        lines.push(format!("{name}: {word}; {}", self.verdict.headline()));
        lines.extend(self.verdict.reasons.iter().map(|reason| format!("  because {reason}")));
        lines.join("\n") + "\n"
    }

    /// The page: the verdict above all runs.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        let Scenario { name, what, source, .. } = self.scenario;
        let mut reasons: Vec<String> = self.verdict.reasons.iter().map(|reason| format!("because {reason}")).collect();
        reasons.extend((!reasons.is_empty()).then(String::new));
        reasons.extend([self.scenario.asks(), format!("from {source}")]);
        for (title, steps) in self.sections() {
            reasons.extend([String::new(), title.to_owned()]);
            reasons.extend(steps.iter().map(|step| format!("  {step}")));
        }
        Report {
            title: format!("{name}: {what}"),
            verdict: Some(report::Verdict { is_met: self.verdict.met, headline: self.verdict.headline(), reasons }),
            runs: self.runs.iter().map(|run| (run.heading.clone(), &run.result)).collect(),
        }
    }

    /// What is worked out, with the days of the queue below it.
    fn sections(&self) -> Vec<(&'static str, Vec<String>)> {
        let told = |section: &Section| (section.title, section.lines());
        let mut sections = vec![told(&self.verdict.arithmetic)];
        if let Some(queue) = &self.queue {
            sections.extend([told(&queue.arithmetic), ("Day by day", queue.lines())]);
        }
        sections
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::fixture::result;
    use crate::bench::scenario::{Measured, RunOf};

    fn outcome(name: &str) -> Outcome {
        let run = |of, heading: &str| Measured { of, heading: heading.to_owned(), result: result() };
        let runs = vec![run(RunOf::Needed, "At the rate that it needs"), run(RunOf::Most, "As fast as it goes")];
        Outcome::new(*Scenario::of(name).unwrap(), false, std::time::Duration::from_millis(100), runs)
    }

    #[test]
    fn the_verdict_stands_last_on_a_terminal_and_first_on_a_page() {
        let night = outcome("fr-reissue-night");
        let text = night.text();
        for part in
            ["fr-reissue-night: France", "At the rate that it needs, 10 s", "As fast as it goes", "  margin", "2 cores, Test CPU"]
        {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(last[0], "  because 5,000 items were not signed");
        assert!(last[1].starts_with("fr-reissue-night: NOT MET; 9,500/s reached, 3,803/s needed, a margin of"), "{last:?}");
        let page = night.report().html();
        let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}"));
        assert!(at("✗ not met") < at("From the run to the whole") && at("From the run to the whole") < at("As fast as it goes"));
    }

    #[test]
    fn a_small_peak_is_told_in_times_and_a_queue_by_its_days() {
        let text = outcome("nc-backlog").text();
        for part in ["times what is needed", "The queue, then and now", "Day by day"] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(!outcome("nc-day").text().contains("Day by day"));
    }
}
