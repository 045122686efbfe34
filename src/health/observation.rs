//! The last known state of a dependency that is observed from time to time.

use std::sync::Arc;

use parking_lot::Mutex;

/// The last observation. Clones share it. Before the first observation, the dependency counts as working.
#[derive(Debug, Clone, Default)]
pub struct Observation(Arc<Mutex<Option<String>>>);

impl Observation {
    /// Stores an observation: success, or the reason of a failure.
    pub fn note(&self, seen: Result<(), String>) {
        *self.0.lock() = seen.err();
    }

    /// Returns the last observation.
    ///
    /// # Errors
    /// The reason of the failure.
    pub fn check(&self) -> Result<(), String> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}
