//! Log lines, to stderr. `SCEAU_LOG` sets what is logged (`info` by default, like `sceau=debug`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::LogFormat;
use crate::service::monitoring::Traces;

/// Lines for people.
pub(crate) fn start() {
    start_as(LogFormat::Text, None);
}

/// A worker's lines have no time and no colour: its supervisor writes them into the log of the service.
pub(crate) fn start_worker() {
    fmt().with_env_filter(filter()).with_writer(std::io::stderr).with_ansi(false).with_target(false).without_time().init();
}

/// A service's lines, and its spans to the collector.
pub(crate) fn start_as(format: LogFormat, traces: Option<&Traces>) {
    let colours = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter())).with(traces.map(Traces::layer)).init();
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env("SCEAU_LOG").unwrap_or_else(|_| "info".into())
}
