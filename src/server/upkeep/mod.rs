//! What goes on beside the requests: checks, sweeps and counts.

pub(crate) mod advertising;
pub(crate) mod background;
pub(crate) mod identity_lists;
pub(crate) mod probes;
pub(crate) mod readiness;
pub(crate) mod relief;
