//! The protocol, as proto/sceau/v1 describes it.

/// Messages, client and server of `sceau.v1`.
#[expect(
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated; the .proto documents every message and field"
)]
pub mod v1 {
    tonic::include_proto!("sceau.v1");
}

/// The protocol's descriptors, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sceau.bin"));
