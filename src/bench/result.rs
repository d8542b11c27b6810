//! What a run came to. README.md describes the JSON.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::domain::Lane;

/// The form of the JSON; it changes where a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A run and what came of it. What began, or was to begin, in the counted time is counted, whenever it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of Sceau, on the measuring side.
    pub version: String,
    /// As a shell takes it; who calls the library says what he likes.
    pub command: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// The measuring side's.
    pub machine: Machine,
    /// The same load before, not counted.
    pub warm_up_seconds: f64,
    /// As planned.
    pub planned_seconds: f64,
    /// As counted; less than planned where the run was ended.
    pub seconds: f64,
    /// Whether somebody ended it.
    pub interrupted: bool,
    /// CPU time of the measuring process a second.
    pub client_cpu_cores: f64,
    /// By lane.
    pub lanes: Vec<LaneResult>,
    /// What the service said of itself; absent where it was not asked.
    pub service: Option<ServiceResult>,
}

impl LoadResult {
    /// Items that were signed, of all lanes.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.items.signed).sum()
    }

    /// Items that were not, for whatever reason.
    #[must_use]
    pub fn not_signed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.items.not_signed()).sum()
    }

    /// What came of a lane.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> Option<&LaneResult> {
        self.lanes.iter().find(|result| result.lane == lane)
    }
}

/// What came of one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneResult {
    /// Which.
    pub lane: Lane,
    /// Items a call.
    pub batch: u32,
    /// Open loop: items a second as planned. Absent: a closed loop.
    pub rate: Option<f64>,
    /// How calls lay in time.
    pub arrivals: ArrivalsName,
    /// The most calls without an answer.
    pub in_flight: u32,
    /// What became of calls.
    pub calls: CallCounts,
    /// What became of items.
    pub items: ItemCounts,
    /// Bytes of items.
    pub bytes: ByteCounts,
    /// Items and calls a second.
    pub throughput: Throughput,
    /// From where latencies count.
    pub latency_from: LatencyFrom,
    /// Of calls of which something was signed, and of those without an answer until then, with the time until then.
    pub latency: Latency,
    /// Latencies by percentile, in milliseconds.
    pub latency_curve: Vec<(f64, f64)>,
    /// Of the same calls from their actual start: without what they waited for their start.
    pub service_time: Latency,
    /// The same by percentile.
    pub service_time_curve: Vec<(f64, f64)>,
    /// How much later than intended calls started: the measuring side's own share, and the bound of those in flight.
    pub start_lag: Latency,
    /// What went wrong, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Each whole second.
    pub per_second: Vec<LaneSecond>,
}

/// When calls started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsName {
    /// At times with the same gap.
    Even,
    /// At times by chance, of the same mean.
    Poisson,
    /// When another one was answered.
    ClosedLoop,
}

/// From where latencies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyFrom {
    /// Corrected for coordinated omission.
    IntendedStart,
    /// Not corrected: a closed loop has no intended starts.
    ActualStart,
}

/// What became of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Begun.
    pub started: u64,
    /// Answered with a result an item.
    pub answered: u64,
    /// Failed as a whole.
    pub failed: u64,
    /// Without an answer when the run was over.
    pub unanswered: u64,
    /// Their time came, and as many as may be were in flight until the end.
    pub never_started: u64,
    /// Started late, because as many as may be were in flight.
    pub held_back: u64,
}

/// What became of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    /// With a certificate.
    pub signed: u64,
    /// At fault themselves.
    pub refused: u64,
    /// Not signed for no fault of theirs, those of calls that failed as a whole among them.
    pub failed: u64,
    /// Of calls without an answer, and of those that never started.
    pub unanswered: u64,
}

impl ItemCounts {
    /// Without a certificate.
    #[must_use]
    pub const fn not_signed(&self) -> u64 {
        self.refused + self.failed + self.unanswered
    }

    /// All.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.signed + self.not_signed()
    }
}

/// Bytes of items, without what protobuf and HTTP/2 add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCounts {
    /// Payloads that were sent.
    pub payloads: u64,
    /// HC1 texts that came.
    pub certificates: u64,
}

/// By the time at which answers came, within the counted time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Signed items a second, over the whole.
    pub items_per_second: f64,
    /// Answered calls a second.
    pub calls_per_second: f64,
    /// Signed items of the median second.
    pub median_second: u64,
    /// Of the worst.
    pub lowest_second: u64,
    /// Of the best.
    pub highest_second: u64,
}

/// Percentiles in milliseconds, to three significant digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the percentile that its name says")]
pub struct Latency {
    /// Calls.
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub p99_9_ms: f64,
    pub max_ms: f64,
}

/// One kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// Whether calls failed as a whole, or items one by one.
    pub of: ErrorOf,
    /// The gRPC code.
    pub code: String,
    /// Calls that had it.
    pub calls: u64,
    /// Items without a certificate for it.
    pub items: u64,
    /// The first message.
    pub example: String,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorOf {
    /// A call as a whole.
    Call,
    /// An item of a call.
    Item,
}

impl ErrorOf {
    /// Its name in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Item => "item",
        }
    }
}

/// A second of a lane, by the time at which answers came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneSecond {
    /// Signed items.
    pub signed: u64,
    /// Items that were not.
    pub not_signed: u64,
    /// Calls.
    pub calls: u64,
    /// Median latency; absent where nothing was signed, as are the next two.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// What the service said of itself, by the differences of its metrics over the counted time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceResult {
    /// Where it was asked.
    pub metrics: String,
    /// Of Sceau, on its side.
    pub version: String,
    /// Between the first and the last reading.
    pub seconds: f64,
    /// Readings that failed.
    pub failed_readings: u64,
    /// CPU time of the service a second, without its workers'.
    pub cpu_cores: f64,
    /// The most memory that the service had, without its workers'.
    pub resident_bytes: u64,
    /// By stage and lane, in the order of a batch's way.
    pub stages: Vec<StageResult>,
    /// Commits of the ledger; absent without one.
    pub ledger_commits: Option<Timing>,
    /// By token.
    pub tokens: Vec<TokenResult>,
    /// Between one reading and the next.
    pub per_second: Vec<ServiceSecond>,
}

/// Times of one kind, as far as the buckets of a Prometheus histogram tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// How many.
    pub count: u64,
    /// Exact.
    pub mean_ms: f64,
    /// Within its bucket.
    pub p50_ms: f64,
    /// Within its bucket.
    pub p99_ms: f64,
}

/// A stage of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageResult {
    /// queue, prepare, token, finish, ledger.
    pub stage: String,
    /// interactive, bulk.
    pub lane: String,
    /// Of slices of 128 items or fewer (of batches for queue).
    pub timing: Timing,
    /// How many were in it at the same time, in the mean.
    pub at_a_time: f64,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenResult {
    /// Its name.
    pub token: String,
    /// Sessions that sign, without those kept for interactive work.
    pub sessions: u32,
    /// Time that signatures took on sessions, as a share of what those have; near 1 the token is the limit.
    pub utilisation: f64,
    /// Signatures.
    pub signatures: u64,
    /// A second.
    pub signatures_per_second: f64,
    /// What one took on a session, in the mean of the readings.
    pub signature_ms: f64,
}

/// Between two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSecond {
    /// When it ended, from the begin of the counted time.
    pub at_seconds: f64,
    /// CPU time of the service a second.
    pub cpu_cores: f64,
    /// Its memory at the end.
    pub resident_bytes: u64,
    /// Slices in a stage at the same time, in the mean, by stage; of both lanes.
    pub stages: Vec<(String, f64)>,
    /// The same for this time, by token.
    pub tokens: Vec<(String, f64)>,
}
