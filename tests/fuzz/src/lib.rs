//! What the fuzz targets share: payloads to begin with, and what must hold of what is accepted.

pub mod certificate;
pub mod desk;
pub mod payloads;
pub mod seeds;
