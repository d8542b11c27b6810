//! The life of a DSC. So far: how one is issued for development, and what is written and read on its way.
//!
//! Reading order: [`csr`] (what the CSCA is asked for), [`import`] (what comes back, checked), [`publish`] and [`trust_list`] (how
//! verifiers hear of it), [`plan`] (when each of these is due), [`development`] (a CSCA for tests). All of it is pure: the token
//! signs a digest that a draft gives, and the caller reads and writes the files.

pub mod csr;
pub mod development;
pub mod import;
pub mod plan;
pub mod publish;
pub mod trust_list;
