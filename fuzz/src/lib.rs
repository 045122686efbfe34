//! What the fuzz targets share: a meter for the memory that reading takes, and what holds for the bodies of all routes.

pub mod cut;
pub mod memory;
pub mod requests;
