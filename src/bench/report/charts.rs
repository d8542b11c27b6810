//! The charts of a run.

use std::fmt::Write;

use super::axis::Axis;
use super::chart::{Chart, Line};
use super::html::escape;
use crate::bench::figure::{count, measured, percent};
use crate::bench::result::{LaneResult, LaneSecond, LatencyFrom, LoadResult, ServiceResult};
use crate::bench::summary::NO_METRICS;
use crate::domain::Lane;

/// Points of a line over time; longer runs are drawn with several seconds a point.
const POINTS: usize = 300;

/// Of tokens, in turn.
const TOKEN_CLASSES: [&str; 4] = ["c1", "c2", "c3", "c4"];

/// The colour of a lane, everywhere.
pub(super) const fn lane_class(lane: Lane) -> &'static str {
    match lane {
        Lane::Bulk => "c1",
        Lane::Interactive => "c2",
    }
}

pub(super) fn write(run: &LoadResult, out: &mut String) -> std::fmt::Result {
    writeln!(out, "<section class=\"charts\">")?;
    run.lanes.iter().try_for_each(|lane| throughput(lane).write(out))?;
    run.lanes.iter().try_for_each(|lane| latency(lane).write(out))?;
    percentiles(&run.lanes).write(out)?;
    match &run.service {
        Some(service) => {
            tokens(service).write(out)?;
            if !service.stages.is_empty() {
                write_stages(service, out)?;
                in_stages(service).write(out)?;
            }
        }
        None => writeln!(
            out,
            "<figure class=\"absent\"><figcaption><h4>Stages and tokens</h4></figcaption><p>{}.</p></figure>",
            escape(NO_METRICS)
        )?,
    }
    writeln!(out, "</section>")
}

/// Seconds put together so that a line has no more than [`POINTS`]: the end of each piece, and its seconds.
fn pieces(seconds: &[LaneSecond]) -> impl Iterator<Item = (f64, f64, &[LaneSecond])> {
    let step = seconds.len().div_ceil(POINTS).max(1);
    let piece = move |(index, piece): (usize, _)| {
        let from = (index * step) as f64;
        (from, from + <[LaneSecond]>::len(piece) as f64, piece)
    };
    seconds.chunks(step).enumerate().map(piece)
}

fn throughput(lane: &LaneResult) -> Chart {
    let mean = |piece: &[LaneSecond], of: fn(&LaneSecond) -> u64| piece.iter().map(of).sum::<u64>() as f64 / piece.len() as f64;
    let seen: Vec<(f64, f64, f64, f64)> = pieces(&lane.per_second)
        .map(|(from, to, piece)| (from, to, mean(piece, |second| second.signed), mean(piece, |second| second.not_signed)))
        .collect();
    let middle = |from: f64, to: f64| f64::midpoint(from, to);
    let signed = seen.iter().map(|(from, to, signed, _)| (middle(*from, *to), Some(*signed))).collect();
    let mut lines = vec![Line { name: "signed".to_owned(), class: lane_class(lane.lane), points: signed }];
    let end = lane.per_second.len() as f64;
    if let Some(rate) = lane.rate {
        lines.push(Line { name: "planned".to_owned(), class: "plan dashed", points: vec![(0.0, Some(rate)), (end, Some(rate))] });
    }
    if lane.items.not_signed() > 0 {
        let not_signed = seen.iter().map(|(from, to, _, not)| (middle(*from, *to), Some(*not))).collect();
        lines.push(Line { name: "not signed".to_owned(), class: "bad", points: not_signed });
    }
    let hint = |(from, to, signed, not): &(f64, f64, f64, f64)| {
        (*from, *to, format!("second {}: {} signed, {} not", from + 1.0, measured(*signed), measured(*not)))
    };
    Chart {
        title: format!("Throughput, {}", lane.lane.name()),
        caption: "Items a second, by the time at which their answers came.",
        x: Axis::time("seconds", end),
        y: Axis::linear("items a second", highest(&lines)),
        hints: seen.iter().map(hint).collect(),
        lines,
    }
}

fn latency(lane: &LaneResult) -> Chart {
    // Of a piece, the worst second: a mean of percentiles is none.
    let worst = |piece: &[LaneSecond], of: fn(&LaneSecond) -> Option<f64>| piece.iter().filter_map(of).reduce(f64::max);
    let mut lines: Vec<Line> = [("median", lane_class(lane.lane)), ("p99", "c3"), ("longest", "plan thin")]
        .map(|(name, class)| Line { name: name.to_owned(), class, points: Vec::new() })
        .into();
    let mut hints = Vec::new();
    for (from, to, piece) in pieces(&lane.per_second) {
        let seen =
            [worst(piece, |second| second.p50_ms), worst(piece, |second| second.p99_ms), worst(piece, |second| second.max_ms)];
        for (line, value) in lines.iter_mut().zip(seen) {
            line.points.push((f64::midpoint(from, to), value));
        }
        if let [Some(p50), Some(p99), Some(max)] = seen.map(|value| value.map(measured)) {
            hints.push((from, to, format!("second {}: median {p50} ms, p99 {p99} ms, longest {max} ms", from + 1.0)));
        }
    }
    Chart {
        title: format!("Latency over time, {}", lane.lane.name()),
        caption: "Of the calls that were answered in each second, from their intended start.",
        x: Axis::time("seconds", lane.per_second.len() as f64),
        y: Axis::linear("ms", highest(&lines)),
        lines,
        hints,
    }
    .of(lane)
}

impl Chart {
    fn of(self, lane: &LaneResult) -> Self {
        match lane.latency_from {
            LatencyFrom::IntendedStart => self,
            LatencyFrom::ActualStart => {
                Self { caption: "Of the calls that were answered in each second, from their actual start.", ..self }
            }
        }
    }
}

fn percentiles(lanes: &[LaneResult]) -> Chart {
    let mut lines = Vec::new();
    for lane in lanes {
        let name = lane.lane.name();
        let points = |curve: &[(f64, f64)]| curve.iter().map(|(percentile, ms)| (*percentile, Some(*ms))).collect();
        let thin = if lane.lane == Lane::Bulk { "c1 dashed" } else { "c2 dashed" };
        lines.push(Line { name: name.to_owned(), class: lane_class(lane.lane), points: points(&lane.latency_curve) });
        if lane.latency_from == LatencyFrom::IntendedStart {
            lines.push(Line {
                name: format!("{name}, from the actual start"),
                class: thin,
                points: points(&lane.service_time_curve),
            });
        }
    }
    let last = lanes.iter().filter_map(|lane| lane.latency_curve.last()).map(|(percentile, _)| *percentile).fold(0.0, f64::max);
    let lowest = lanes.iter().flat_map(|lane| &lane.service_time_curve).map(|(_, ms)| *ms).fold(f64::MAX, f64::min);
    let hint = |lane: &LaneResult, percentile: f64| {
        let at = lane.latency_curve.iter().find(|(other, _)| *other >= percentile).or(lane.latency_curve.last());
        at.map(|(_, ms)| format!("{} {} ms", lane.lane.name(), measured(*ms)))
    };
    let marks = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999];
    let hints = marks.windows(2).filter(|pair| pair[1] <= last).map(|pair| {
        let seen: Vec<String> = lanes.iter().filter_map(|lane| hint(lane, pair[1])).collect();
        (pair[0], pair[1], format!("{} % within: {}", pair[1], seen.join(", ")))
    });
    let top = highest(&lines);
    Chart {
        title: "Latency by percentile".to_owned(),
        caption: "Solid: from the intended start, so that what a slow service keeps waiting counts (corrected for coordinated omission). \
                  Dashed: from the actual start. A curve ends with its last call.",
        x: Axis::percentile("of calls are answered within", last),
        y: Axis::log("ms", if lowest == f64::MAX { 1.0 } else { lowest }, top),
        hints: hints.collect(),
        lines,
    }
}

fn tokens(service: &ServiceResult) -> Chart {
    let line = |(index, name): (usize, &String)| {
        let busy = |second: &crate::bench::result::ServiceSecond| {
            let busy = second.tokens.iter().find(|(token, _)| token == name).map(|(_, busy)| *busy);
            (second.at_seconds, busy)
        };
        let class = TOKEN_CLASSES[index % TOKEN_CLASSES.len()];
        Line { name: name.clone(), class, points: service.per_second.iter().map(busy).collect() }
    };
    let names: Vec<&String> = service.tokens.iter().map(|token| &token.token).collect();
    let hint = |second: &crate::bench::result::ServiceSecond| {
        let busy: Vec<String> = second.tokens.iter().map(|(name, busy)| format!("{name} {}", percent(*busy))).collect();
        (second.at_seconds - 1.0, second.at_seconds, format!("at {} s: {}", measured(second.at_seconds), busy.join(", ")))
    };
    Chart {
        title: "Token utilisation".to_owned(),
        caption: "Time that signatures took on the token's sessions, as a share of what those have. Near 100 % the token is the limit; where it computes on this machine, the wait for a core counts.",
        x: Axis::time("seconds", service.seconds),
        y: Axis::share("of the sessions' time"),
        lines: names.into_iter().enumerate().map(line).collect(),
        hints: service.per_second.iter().map(hint).collect(),
    }
}

/// How many slices were where: by Little's law, what a stage's seconds a second are.
fn in_stages(service: &ServiceResult) -> Chart {
    let classes = ["c3", "c4", "c1", "c2", "c5"];
    let names: Vec<String> =
        service.per_second.first().map(|second| second.stages.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
    let line = |(index, name): (usize, &String)| {
        let points =
            service.per_second.iter().map(|second| (second.at_seconds, second.stages.get(index).map(|(_, slices)| *slices)));
        Line { name: name.clone(), class: classes[index % classes.len()], points: points.collect() }
    };
    let lines: Vec<Line> = names.iter().enumerate().map(line).collect();
    let hint = |second: &crate::bench::result::ServiceSecond| {
        let stages: Vec<String> = second.stages.iter().map(|(name, slices)| format!("{name} {}", measured(*slices))).collect();
        (second.at_seconds - 1.0, second.at_seconds, format!("at {} s: {}", measured(second.at_seconds), stages.join(", ")))
    };
    Chart {
        title: "Where work is".to_owned(),
        caption: "Slices of 128 items or fewer that are in a stage at the same time (batches in queue): where they gather is the limit.",
        x: Axis::time("seconds", service.seconds),
        y: Axis::linear("slices", highest(&lines)),
        hints: service.per_second.iter().map(hint).collect(),
        lines,
    }
}

/// Bars: how long a slice is in each stage.
fn write_stages(service: &ServiceResult, out: &mut String) -> std::fmt::Result {
    let longest = service.stages.iter().map(|stage| stage.timing.mean_ms).fold(f64::MIN_POSITIVE, f64::max);
    writeln!(out, "<figure><figcaption><h4>Time in each stage</h4></figcaption><div class=\"bars\">")?;
    for stage in &service.stages {
        let class = if stage.lane == Lane::Interactive.name() { "c2" } else { "c1" };
        let (width, mean) = (stage.timing.mean_ms / longest * 100.0, measured(stage.timing.mean_ms));
        let hint = format!("{} of them, p99 {} ms", count(stage.timing.count), measured(stage.timing.p99_ms));
        writeln!(
            out,
            "<span>{} <small>{}</small></span><div title=\"{hint}\"><i class=\"bar {class}\" style=\"width:{width:.1}%\"></i><b>{mean} ms</b></div>",
            escape(&stage.stage),
            escape(&stage.lane)
        )?;
    }
    writeln!(
        out,
        "</div><p>Mean of a slice of 128 items or fewer (of a batch for queue). Slices overlap, so these do not add up to a call's time.</p></figure>"
    )
}

fn highest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| &line.points).filter_map(|(_, y)| *y).fold(0.0, f64::max)
}
