//! Who may do what: callers by their certificates, what each may ask, and the one table of which role may make which call.

mod caller;
mod chain;
mod day;
mod guard;
mod peer;
mod quota;
mod role;
#[cfg(test)]
mod tests;

pub use caller::{Access, Caller, CallerSettings, Lanes, PersonDemand};
pub(super) use chain::Chain;
pub use day::{DayCounts, DayCountsError};
pub(super) use guard::{Guard, Pass, name_of, pass_of};
pub use peer::{Identity, InvalidIdentity};
pub(super) use peer::{Peer, PeerCertificate};
pub(crate) use quota::Spent;
pub use role::{Role, Roles, UnknownRole};
