//! Load on a running service, measured: what is asked of it and when, what came of it, and a report that a person can read. Then
//! what that is enough for, and what a peak needs.
//!
//! | file or folder | what it holds |
//! |---|---|
//! | `plan` | what a run is to be: lanes, their pace, how long |
//! | `schedule` | when each call of a lane starts, fixed before the run |
//! | `payloads` | items that nobody has asked for yet |
//! | [`load`] | the run itself: calls at their times, whatever becomes of those before |
//! | `recorder` | what is counted while it goes on, in HdrHistograms |
//! | `watch` | what the service says of itself meanwhile: stages and tokens, from its Prometheus endpoint |
//! | [`result`] | what a run came to, as JSON of a fixed form |
//! | `machine` | where it was measured |
//! | [`summary`] | the same as text |
//! | [`report`] | the same as one HTML page that needs nothing else |
//! | [`scenario`] | peaks of the field, what each needs, and whether a measured run meets it |
//! | [`capacity`] | a plan: HSMs, sessions, cores, replicas, ledger and network for so many certificates in a time |
//! | [`figure`] | numbers as a person reads them |
//!
//! # Coordinated omission
//!
//! A caller that waits for an answer before it asks again asks less of a service that is slow, and so leaves out of its figures the
//! very requests that would have waited. Here a rate is an open loop: the times of all calls are fixed beforehand, and a
//! latency counts from the time at which a call *was to start*, though it started late. `max` is a closed loop, which has no such times:
//! its latencies count from the actual start, and every result says which of both it is.
//!
//! Schedule, statistics, text and page are pure; only `load` and `watch` reach for the network.

pub mod capacity;
pub mod figure;
pub mod load;
mod machine;
mod payloads;
mod plan;
mod recorder;
pub mod report;
pub mod result;
pub mod scenario;
mod schedule;
pub mod summary;
mod watch;

pub use machine::Machine;
pub use payloads::Payloads;
pub use plan::{LaneLoad, Pace, Plan, PlanError};
pub use schedule::{Arrivals, Schedule};
pub use watch::WatchError;
