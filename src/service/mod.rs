//! The gRPC edge: admission, conversion, status codes, health, reflection. The only room that names tonic and prost.

pub mod admin;
mod admission;
pub mod client;
mod convert;
pub mod proto;
mod server;
mod signer;
mod status;

pub use admission::Limits;
pub use server::{Parts, run};
