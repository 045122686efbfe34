//! Statements for operators and health checks: sizes, free space, waiting messages, and a test write.

pub(crate) mod shrink;
pub(crate) mod size;
pub(crate) mod waiting_boxes;
pub(crate) mod write_probe;
