//! The life of a DSC. So far: how one is issued for development.

pub mod development;
