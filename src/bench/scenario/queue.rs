//! A queue then and now.

use serde::Serialize;

use super::{Backlog, Day, Scenario};
use crate::bench::capacity::Section;
use crate::bench::figure::{count, number, rate, seconds, time};

/// A queue as it was, and as it would be at a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    /// The requests, and how they were served.
    pub backlog: Backlog,
    /// Day by day, as it was.
    pub then: Vec<Day>,
    /// Day by day, at the rate that was reached; empty where nothing was signed.
    pub now: Vec<Day>,
    /// What it comes to.
    pub arithmetic: Section,
}

impl Queue {
    /// With the hours a day that the scenario works.
    pub(super) fn new(backlog: Backlog, scenario: &Scenario, per_second: f64) -> Self {
        let a_day = (per_second * f64::from(scenario.hours_a_day) * 3_600.0) as u64;
        let then = backlog.days(backlog.served_a_day);
        let now = if a_day == 0 { Vec::new() } else { backlog.days(a_day) };
        let arithmetic = arithmetic(&backlog, &then, &now, per_second);
        Self { backlog, then, now, arithmetic }
    }

    /// The days beneath each other.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{:>3}  {:>7}  {:>11}  {:>7}  {:>10}  {:>10}  {:>7}",
            "day", "came", "served then", "waiting", "delay", "served now", "waiting"
        )];
        lines.extend(self.then.iter().map(|day| {
            let now = self.now.iter().find(|now| now.number == day.number);
            let now =
                |of: fn(&Day) -> u64| if self.now.is_empty() { "-".to_owned() } else { count(now.map(of).unwrap_or_default()) };
            let Day { number, came, served, waiting, delay_days } = day;
            let (came, served, waiting, delay) = (count(*came), count(*served), count(*waiting), format!("{delay_days:.1} days"));
            format!(
                "{number:>3}  {came:>7}  {served:>11}  {waiting:>7}  {delay:>10}  {:>10}  {:>7}",
                now(|day| day.served),
                now(|day| day.waiting)
            )
        }));
        lines
    }
}

fn arithmetic(backlog: &Backlog, then: &[Day], now: &[Day], per_second: f64) -> Section {
    let mut section = Section::new("The queue, then and now");
    let (requests, a_day) = (count(backlog.requests), count(backlog.served_a_day));
    let days = |days: f64| format!("{} days", number((days * 10.0).round() / 10.0));
    let counted = backlog.days_counted();
    section.step(
        "requests came on",
        format!("{} served / {a_day} a day, rounded up", count(backlog.served)),
        format!("{counted} days"),
    );
    section.step("then, until nobody waits", format!("{requests} / {a_day} a day, rounded up"), days(then.len() as f64));
    let waited = "half of what the last one had waited".to_owned();
    section.step("then, waited in the mean", waited, days(backlog.mean_delay_days()));
    if !now.is_empty() {
        let busiest = now.iter().map(|day| day.came).max().unwrap_or_default();
        let work = time(seconds(backlog.busiest_day_seconds(per_second)));
        section.step("now, the busiest day", format!("{} / {}", count(busiest), rate(per_second)), work);
        let all = time(seconds(backlog.requests as f64 / per_second));
        section.step("now, all at once", format!("{requests} / {}", rate(per_second)), all);
        section.step("now, until nobody waits", "requests come for as long", days(now.len() as f64));
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_19_days_is_signed_each_day_in_seconds() {
        let scenario = Scenario::of("nc-backlog").unwrap();
        let queue = Queue::new(Backlog::NEW_CALEDONIA, scenario, 1_000.0);
        assert_eq!((queue.then.len(), queue.now.len()), (19, 11));
        let lines = queue.arithmetic.lines().join("\n");
        for part in ["19 days  = 20,123 / 1,100 a day", "20.1 s  = 20,123 / 1,000/s", "1.8 s  = 1,830 / 1,000/s"] {
            assert!(lines.contains(part), "{part:?} in\n{lines}");
        }
        assert_eq!(queue.lines().len(), 20);
        assert!(queue.lines()[19].trim_start().starts_with("19") && queue.lines()[19].ends_with(" 0"), "{:?}", queue.lines());
        let nothing = Queue::new(Backlog::NEW_CALEDONIA, scenario, 0.0);
        assert!(nothing.now.is_empty() && nothing.lines()[1].ends_with('-'));
    }
}
