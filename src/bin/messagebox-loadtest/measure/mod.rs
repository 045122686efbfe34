//! What a run measures.

pub(crate) mod accounting;
pub(crate) mod clock;
pub(crate) mod figures;
pub(crate) mod progress;
pub(crate) mod recorder;
pub(crate) mod server_process;
pub(crate) mod worker_delay;
