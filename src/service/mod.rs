//! The edges: gRPC (connections, callers, persons, admission, conversion, status codes, health, reflection) and HTTP for those
//! who watch. The only room that names tonic, prost, rustls, hyper, axum and the crates of OpenTelemetry.

pub mod access;
pub mod admin;
mod admission;
pub mod auditor;
mod awake;
pub mod client;
mod codec;
mod connection;
mod convert;
pub mod custody;
mod deadline;
mod drain;
pub mod foresight;
mod health;
mod listener;
mod live;
pub mod monitoring;
pub mod person;
pub mod proto;
mod question;
mod server;
mod signer;
mod status;
mod stream;
pub mod tls;

pub use admission::Limits;
pub use awake::Cores;
pub use convert::{Intake, Results};
pub use drain::Drain;
pub use live::{Live, LiveSettings};
pub use server::{Administration, Parts, run};
