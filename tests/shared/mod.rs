//! What `it` and `soak` share: the binary under test, its processes, and a job that it signs. Each item is used by both.

pub(crate) mod binary;
pub(crate) mod job;
pub(crate) mod processes;
