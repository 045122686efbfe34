//! What was last seen of something that is looked at now and then.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by its clones. Until something was seen, all is well.
#[derive(Debug, Clone, Default)]
pub struct Observation(Arc<Mutex<Option<String>>>);

impl Observation {
    /// Notes what was seen: whether it works, or why not.
    pub fn note(&self, seen: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen.err();
    }

    /// What was seen last.
    ///
    /// # Errors
    /// Why it does not work.
    pub fn check(&self) -> Result<(), String> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), Err)
    }
}
