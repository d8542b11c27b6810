//! Sceau signs health certificates in bulk with keys that never leave an HSM.

#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod custody;
pub mod domain;
pub mod encode;
pub mod service;
pub mod sign;
pub mod token;
