//! The ledger: what it costs a certificate, how soon it answers when it is large, and that a service that is killed loses none.

mod append;
mod kills;
mod made;
mod questions;
mod throughput;
mod written;
