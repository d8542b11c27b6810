//! What `it` and `soak` share: the binary under test, its processes, a job that it signs, and keys that officers rotate meanwhile.
//! Each item is used by both.

pub(crate) mod binary;
pub(crate) mod job;
pub(crate) mod officers;
pub(crate) mod processes;
pub(crate) mod rotation;
