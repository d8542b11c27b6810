//! The gRPC edge: connections, callers, the person behind a call, admission, conversion, status codes, health, reflection. The
//! only room that names tonic, prost, rustls and hyper.

pub mod access;
pub mod admin;
mod admission;
pub mod client;
mod connection;
mod convert;
mod deadline;
mod drain;
mod health;
mod listener;
mod live;
pub mod person;
pub mod proto;
mod server;
mod signer;
mod status;
pub mod tls;

pub use admission::Limits;
pub use drain::Drain;
pub use live::{Live, LiveSettings};
pub use server::{Administration, Parts, run};
