//! A result, or several, as one HTML page: charts and tables in it, and nothing that it would have to fetch.

mod axis;
mod chart;
mod charts;
#[cfg(test)]
pub(super) mod fixture;
mod html;
mod tables;

use std::fmt::Write;
use std::time::Duration;

use super::figure::{bytes, count, measured, percent, seconds, time};
use super::result::{LaneResult, LoadResult};
use super::summary::{NO_METRICS, notes, pace};
use html::escape;

/// What the page is to say.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Its heading.
    pub title: String,
    /// Whether what was asked for was met.
    pub verdict: Option<Verdict>,
    /// One or several runs, each with its heading; the heading is left out where there is one.
    pub runs: Vec<(String, &'a LoadResult)>,
}

/// Whether something was met, and how that is known.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether it was.
    pub is_met: bool,
    /// In one sentence.
    pub headline: String,
    /// The arithmetic, a line each.
    pub reasons: Vec<String>,
}

const STYLE: &str = include_str!("style.css");

impl Report<'_> {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = String::with_capacity(256 * 1_024);
        self.write(&mut page).expect("a string takes whatever is written");
        page
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let title = escape(&self.title);
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"brand\">Sceau</p>\n<h1>{title}</h1>\n"
        )?;
        if let Some((_, run)) = self.runs.first() {
            writeln!(
                out,
                "<p class=\"sub\">{} · sceau {} · {}</p>",
                escape(&run.started_at),
                escape(&run.version),
                escape(&run.machine.to_string())
            )?;
        }
        writeln!(out, "</header>")?;
        if let Some(verdict) = &self.verdict {
            verdict.write(out)?;
        }
        for (heading, run) in &self.runs {
            if self.runs.len() > 1 {
                writeln!(out, "<h2 class=\"run\">{}</h2>", escape(heading))?;
            }
            write_run(run, out)?;
        }
        writeln!(out, "</main>\n</body>\n</html>")
    }
}

impl Verdict {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (class, word) = if self.is_met { ("met", "✓ met") } else { ("missed", "✗ not met") };
        writeln!(out, "<section class=\"verdict {class}\"><p><strong>{word}</strong> {}</p>", escape(&self.headline))?;
        if !self.reasons.is_empty() {
            writeln!(out, "<pre>{}</pre>", escape(&self.reasons.join("\n")))?;
        }
        writeln!(out, "</section>")
    }
}

fn write_run(run: &LoadResult, out: &mut String) -> std::fmt::Result {
    for lane in &run.lanes {
        write_tiles(lane, seconds(run.seconds), out)?;
    }
    let notes: Vec<String> = notes(run).into_iter().filter(|note| note != NO_METRICS).collect();
    if !notes.is_empty() {
        writeln!(out, "<section class=\"notes\"><h3>Before you believe it</h3><ul>")?;
        notes.iter().try_for_each(|note| writeln!(out, "<li>{}</li>", escape(note)))?;
        writeln!(out, "</ul></section>")?;
    }
    charts::write(run, out)?;
    tables::write(run, out)
}

fn write_tiles(lane: &LaneResult, counted: Duration, out: &mut String) -> std::fmt::Result {
    let asked = lane.items.asked();
    let share = if asked == 0 { 0.0 } else { lane.items.not_signed() as f64 / asked as f64 };
    let tiles = [
        (measured(lane.throughput.items_per_second), "signed a second", String::new()),
        (count(lane.items.signed), "signed", format!("in {}", time(counted))),
        (format!("{} ms", measured(lane.latency.p50_ms)), "median latency of a call", String::new()),
        (format!("{} ms", measured(lane.latency.p99_ms)), "99th percentile", String::new()),
        (count(lane.items.not_signed()), "not signed", if asked > 0 { percent(share) } else { String::new() }),
        (bytes(lane.bytes.certificates as f64), "of certificates", String::new()),
    ];
    writeln!(
        out,
        "<section><h3><i class=\"dot {}\"></i>{} <small>{}</small></h3><div class=\"tiles\">",
        charts::lane_class(lane.lane),
        lane.lane.name(),
        escape(&pace(lane))
    )?;
    for (value, what, more) in tiles {
        writeln!(out, "<div><b>{value}</b><span>{what}</span><small>{more}</small></div>")?;
    }
    writeln!(out, "</div></section>")
}

#[cfg(test)]
mod tests;
