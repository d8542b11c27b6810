//! To be seen: metrics, readiness and traces of the running service. Nothing personal is in any of them, nor in a log line.
//!
//! | file | what it holds |
//! |---|---|
//! | `catalogue` | every metric with its kind, unit and help |
//! | `call` | around every call: its request id, span, log line, count and time |
//! | `tally` | what became of items, and which calls were refused to their callers |
//! | `lanes` | what waits and what is in work |
//! | `gauges` | how tokens and DSCs are, read when somebody asks |
//! | `ledger` | how the ledger is, likewise |
//! | `custody` | how custody's keys are, likewise |
//! | `http` | the listener: `/metrics`, `/livez`, `/readyz` |
//! | `reader` | the other side: asking a service for its metrics |
//! | `traces` | spans to an OpenTelemetry collector |

mod call;
mod catalogue;
mod custody;
mod gauges;
mod http;
mod lanes;
mod ledger;
mod reader;
mod request_id;
mod rpc;
mod tally;
mod traces;

pub use catalogue::{CATALOGUE, Kind, Metric};
pub use custody::WatchedCustody;
pub use gauges::Sources;
pub use http::{Monitoring, MonitoringError, Watched};
pub use ledger::WatchedLedger;
pub use reader::{MetricsReader, ReadError};
pub use traces::{Traces, TracesError};

pub(super) use call::{CallLayer, chunk, note_batch};
pub(super) use lanes::{Waiting, note_size, queue_full};
pub(super) use request_id::RequestId;
pub(super) use tally::{Tally, denied};
