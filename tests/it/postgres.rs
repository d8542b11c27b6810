//! The ledger in PostgreSQL: chains by lease, claims that several processes share, and a server that goes away.

mod backup;
mod chains;
mod claims;
mod custody;
mod moving;
mod outages;
pub(crate) mod proxy;
mod pruning;
mod questions;
mod release;
mod replica;
mod replicas;
mod roles;
pub(crate) mod server;
mod tls;
