//! Keys that officers rotate under load: replicas of the service on one SoftHSM token, officers who change its keys over gRPC, a
//! test CSCA, callers who have items signed meanwhile, and what has to hold of every certificate in the end.

mod cycle;
mod desk;
mod house;
mod load;
mod verdict;

pub(crate) use cycle::Rotation;
pub(crate) use desk::Desk;
pub(crate) use house::{House, Replica};
pub(crate) use load::{Answer, Load, Pace};
pub(crate) use verdict::Verdict;
