//! Shared parts of the fuzz targets: a meter for allocated memory, and the checks of all routes' bodies.

pub mod cut;
pub mod memory;
pub mod requests;
