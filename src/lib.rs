//! Sceau signs health certificates in bulk with keys that never leave an HSM.

#![forbid(unsafe_code)]

pub mod domain;
pub mod encode;
pub mod sign;
