//! The tables of a run.

use std::fmt::Write;

use super::html::{escape, table};
use crate::bench::figure::{bytes, count, measured, percent, seconds, time};
use crate::bench::result::{LaneResult, Latency, LoadResult, ServiceResult};
use crate::bench::summary::pace;

/// Longer runs have their seconds in the JSON: no browser shows a day's well.
const LISTED: usize = 3_600;

pub(super) fn write(run: &LoadResult, out: &mut String) -> std::fmt::Result {
    writeln!(out, "<section><h3>Latency of a call, in ms</h3>{}", latencies(&run.lanes))?;
    writeln!(out, "<h3>Calls and items</h3>{}", counts(&run.lanes))?;
    let errors = errors(&run.lanes);
    if !errors.is_empty() {
        writeln!(
            out,
            "<h3>What went wrong</h3>{}",
            table(&["lane", "code", "of", "items", "calls", "the first message"], &errors)
        )?;
    }
    if let Some(service) = &run.service {
        write_service(service, out)?;
    }
    writeln!(out, "</section>\n<section><h3>How it was measured</h3>")?;
    write_conditions(run, out)?;
    for lane in run.lanes.iter().filter(|lane| lane.per_second.len() <= LISTED) {
        let rows = each_second(lane);
        let heads = ["second", "signed", "not signed", "calls", "p50 ms", "p99 ms", "longest ms"];
        writeln!(out, "<details><summary>Every second, {}</summary>{}</details>", lane.lane.name(), table(&heads, &rows))?;
    }
    writeln!(out, "</section>")
}

fn latencies(lanes: &[LaneResult]) -> String {
    let row = |name: String, latency: &Latency| {
        let figures =
            [latency.mean_ms, latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.p99_9_ms, latency.max_ms];
        [name, count(latency.count)].into_iter().chain(figures.map(measured)).collect()
    };
    let rows = lanes.iter().flat_map(|lane| {
        let name = lane.lane.name();
        let corrected = lane.rate.map_or("from the actual start (closed loop)", |_| "from the intended start");
        let mut rows = vec![row(format!("{name}, {corrected}"), &lane.latency)];
        if lane.rate.is_some() {
            rows.push(row(format!("{name}, from the actual start"), &lane.service_time));
            rows.push(row(format!("{name}, how late calls started"), &lane.start_lag));
        }
        rows
    });
    table(&["", "calls", "mean", "p50", "p90", "p95", "p99", "p99.9", "longest"], &rows.collect::<Vec<_>>())
}

fn counts(lanes: &[LaneResult]) -> String {
    let row = |lane: &LaneResult| {
        let (calls, items, bytes_of) = (lane.calls, lane.items, lane.bytes);
        let counts = [
            calls.started,
            calls.answered,
            calls.failed,
            calls.unanswered,
            calls.never_started,
            calls.held_back,
            items.signed,
            items.refused,
            items.failed,
            items.unanswered,
        ];
        let mut row = vec![lane.lane.name().to_owned()];
        row.extend(counts.map(count));
        row.extend([bytes_of.payloads, bytes_of.certificates].map(|size| bytes(size as f64)));
        row
    };
    let heads = [
        "",
        "calls started",
        "answered",
        "failed",
        "unanswered",
        "never started",
        "started late",
        "items signed",
        "refused",
        "failed",
        "unanswered",
        "payloads",
        "certificates",
    ];
    table(&heads, &lanes.iter().map(row).collect::<Vec<_>>())
}

fn errors(lanes: &[LaneResult]) -> Vec<Vec<String>> {
    let rows = lanes.iter().flat_map(|lane| {
        lane.errors.iter().map(|error| {
            let words = [lane.lane.name().to_owned(), error.code.clone(), error.of.name().to_owned()];
            words.into_iter().chain([count(error.items), count(error.calls), error.example.clone()]).collect()
        })
    });
    rows.collect()
}

fn write_service(service: &ServiceResult, out: &mut String) -> std::fmt::Result {
    let stages = service.stages.iter().map(|stage| {
        let timing = stage.timing;
        let figures = [timing.mean_ms, timing.p50_ms, timing.p99_ms, stage.at_a_time].map(measured);
        [format!("{}, {}", stage.stage, stage.lane), count(timing.count)].into_iter().chain(figures).collect()
    });
    let commits = service.ledger_commits.iter().map(|timing| {
        let figures = [timing.mean_ms, timing.p50_ms, timing.p99_ms].map(measured);
        let name = ["commit of the ledger".to_owned(), count(timing.count)];
        name.into_iter()
            .chain(figures)
            .chain([measured(timing.mean_ms * timing.count as f64 / 1e3 / service.seconds.max(1e-9))])
            .collect()
    });
    let rows: Vec<Vec<String>> = stages.chain(commits).collect();
    writeln!(out, "<h3>Stages of the service</h3>{}", table(&["", "count", "mean ms", "p50 ms", "p99 ms", "at a time"], &rows))?;
    let tokens: Vec<Vec<String>> = service
        .tokens
        .iter()
        .map(|token| {
            let (name, sessions) = (token.token.clone(), token.sessions.to_string());
            let (rate, millis) = (measured(token.signatures_per_second), measured(token.signature_ms));
            vec![name, sessions, percent(token.utilisation), count(token.signatures), rate, millis]
        })
        .collect();
    writeln!(out, "<h3>Tokens</h3>{}", table(&["", "sessions", "busy", "signatures", "a second", "ms a signature"], &tokens))
}

fn write_conditions(run: &LoadResult, out: &mut String) -> std::fmt::Result {
    let mut rows = vec![("command", run.command.clone()), ("date", run.started_at.clone())];
    rows.push(("measured on", run.machine.to_string()));
    rows.push(("sceau", run.version.clone()));
    rows.push((
        "counted",
        format!(
            "{} of {} planned, after {} of warm-up",
            time(seconds(run.seconds)),
            time(seconds(run.planned_seconds)),
            time(seconds(run.warm_up_seconds))
        ),
    ));
    rows.extend(run.lanes.iter().map(|lane| (lane.lane.name(), pace(lane))));
    rows.push(("measuring side", format!("{} cores", measured(run.client_cpu_cores))));
    if let Some(service) = &run.service {
        let memory = bytes(service.resident_bytes as f64);
        rows.push((
            "service",
            format!(
                "sceau {}, {} cores and {memory} of memory, without its workers",
                service.version,
                measured(service.cpu_cores)
            ),
        ));
        rows.push(("metrics", service.metrics.clone()));
    }
    writeln!(out, "<dl>")?;
    for (name, value) in rows {
        let value = if name == "command" { format!("<code>{}</code>", escape(&value)) } else { escape(&value) };
        writeln!(out, "<dt>{name}</dt><dd>{value}</dd>")?;
    }
    writeln!(out, "</dl>")
}

fn each_second(lane: &LaneResult) -> Vec<Vec<String>> {
    let row = |(index, second): (usize, &crate::bench::result::LaneSecond)| {
        let millis = [second.p50_ms, second.p99_ms, second.max_ms].map(|value| value.map_or_else(|| "–".to_owned(), measured));
        let counts = [index as u64 + 1, second.signed, second.not_signed, second.calls].map(count);
        counts.into_iter().chain(millis).collect()
    };
    lane.per_second.iter().enumerate().map(row).collect()
}
