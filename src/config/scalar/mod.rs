//! Types of single settings.

pub(crate) mod at_most;
pub(crate) mod lifetime;
pub(crate) mod secret;
pub(crate) mod units;
