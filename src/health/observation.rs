//! The last known state of a dependency that is probed now and then.

use std::sync::{Arc, Mutex, PoisonError};

/// Clones share it. Before the first probe, it passes.
#[derive(Debug, Clone, Default)]
pub struct Observation(Arc<Mutex<Option<String>>>);

impl Observation {
    /// Notes the result of a probe.
    pub fn note(&self, seen: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen.err();
    }

    /// The result of the last probe.
    ///
    /// # Errors
    /// Why the dependency fails.
    pub fn check(&self) -> Result<(), String> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), Err)
    }
}
