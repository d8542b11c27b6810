//! How a run stands: live on a terminal, else in lines.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::bench::load::{Moment, Phase, Standing};
use crate::domain::Lane;

/// Between two lines, where nobody watches a terminal.
const LINE_EACH: Duration = Duration::from_secs(5);

/// What shows how a run stands, on stderr.
pub(super) enum Progress {
    Live { all: MultiProgress, time: ProgressBar, lanes: Vec<ProgressBar> },
    Lines { next: Duration },
}

impl Progress {
    pub(super) fn of(lanes: usize, whole: Duration) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: LINE_EACH };
        }
        let all = MultiProgress::new();
        let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
        let time = all.add(ProgressBar::new(millis).with_style(style("{bar:40} {msg}")));
        let lanes = (0..lanes).map(|_| all.add(ProgressBar::new_spinner().with_style(style("{msg}"))));
        Self::Live { lanes: lanes.collect(), all, time }
    }

    pub(super) fn tell(&mut self, moment: &Moment) {
        match self {
            Self::Live { time, lanes, .. } => {
                time.set_position(u64::try_from(moment.elapsed.as_millis()).unwrap_or(u64::MAX));
                time.set_message(clock(moment));
                for (bar, (lane, standing)) in lanes.iter().zip(&moment.lanes) {
                    bar.set_message(line(*lane, standing));
                }
            }
            Self::Lines { next } => {
                if moment.elapsed >= *next {
                    *next = moment.elapsed + LINE_EACH;
                    let mut err = std::io::stderr().lock();
                    for (lane, standing) in &moment.lanes {
                        let _ = writeln!(err, "{}  {}", clock(moment), line(*lane, standing));
                    }
                }
            }
        }
    }

    pub(super) fn end(self) {
        if let Self::Live { all, .. } = self {
            let _ = all.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn clock(moment: &Moment) -> String {
    let (elapsed, whole) = (moment.elapsed.as_secs().min(moment.whole.as_secs()), moment.whole.as_secs());
    let phase = match moment.phase {
        Phase::WarmUp => "  warming up, not counted",
        Phase::Load => "",
        Phase::Drain => "  waiting for the last answers",
    };
    format!("{elapsed:>3} of {whole} s{phase}")
}

fn line(lane: Lane, standing: &Standing) -> String {
    let Standing { signed, not_signed, signed_per_second, in_flight, held_back, p50_ms, p99_ms } = standing;
    let mut line = format!(
        "{:<11} {signed_per_second:>7}/s  {signed} signed  {not_signed} not  p50 {p50_ms:.1} ms  p99 {p99_ms:.1} ms  {in_flight} in flight",
        lane.name()
    );
    if *held_back > 0 {
        line += &format!("  {held_back} late");
    }
    line
}
