//! How the service is seen: `[log]` and `[monitoring]`.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use super::file::{LogSection, MonitoringSection};

/// What others see of the service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// What a log line is like.
    pub log_format: LogFormat,
    /// Where metrics and readiness are asked for; nothing for nowhere.
    pub listen: Option<SocketAddr>,
    /// Where spans go; nothing for nowhere.
    pub traces: Option<TracesTo>,
}

/// What a log line is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesTo {
    /// Its address, like `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Of calls whose caller sends no trace context, how many are traced: 0 to 1.
    pub sampling_ratio: f64,
}

impl Seen {
    /// Reads these sections and nothing else, for log lines begin before the file is checked. What is wrong with the file
    /// is said when it is.
    #[must_use]
    pub fn peek(path: &Path) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Peeked {
            log: LogSection,
            monitoring: MonitoringSection,
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let Peeked { log, monitoring } = toml::from_str(&text).unwrap_or_default();
        let seen = Self::of(log, monitoring);
        if seen.problems().is_empty() { seen } else { Self { traces: None, ..seen } }
    }

    pub(super) fn of(log: LogSection, monitoring: MonitoringSection) -> Self {
        let MonitoringSection { listen, otlp_endpoint, otlp_sampling_ratio } = monitoring;
        let traces = otlp_endpoint.map(|endpoint| TracesTo { endpoint, sampling_ratio: otlp_sampling_ratio });
        Self { log_format: log.format, listen, traces }
    }

    /// What cannot be.
    pub(super) fn problems(&self) -> Vec<String> {
        let Some(TracesTo { endpoint, sampling_ratio }) = &self.traces else { return Vec::new() };
        let mut problems = Vec::new();
        if endpoint.strip_prefix("http://").is_none_or(str::is_empty) {
            problems.push(format!("monitoring.otlp_endpoint is {endpoint:?}; it is like http://127.0.0.1:4317"));
        }
        if !(0.0..=1.0).contains(sampling_ratio) {
            problems.push(format!("monitoring.otlp_sampling_ratio is {sampling_ratio}; it is 0 to 1"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peek(text: &str) -> Seen {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Seen::peek(file.path())
    }

    #[test]
    fn a_peek_reads_its_own_sections_of_a_file_that_is_wrong_elsewhere() {
        let seen = peek("[server]\nlisten = 5\n[log]\nformat = \"json\"\n[monitoring]\nlisten = \"127.0.0.1:9464\"");
        assert_eq!((seen.log_format, seen.listen), (LogFormat::Json, Some(SocketAddr::from(([127, 0, 0, 1], 9464)))));
        assert_eq!(peek("no TOML ["), Seen::default());
    }

    #[test]
    fn an_endpoint_or_a_ratio_that_cannot_be_is_a_problem_and_no_reason_to_send() {
        for section in ["otlp_endpoint = \"collector\"", "otlp_endpoint = \"http://c:4317\"\notlp_sampling_ratio = 2.0"] {
            let section: MonitoringSection = toml::from_str(section).unwrap();
            assert_eq!(Seen::of(LogSection::default(), section).problems().len(), 1);
        }
        assert_eq!(peek("[monitoring]\notlp_endpoint = \"collector\"").traces, None);
    }
}
