//! A value that can be replaced while others use it: those that hold the old one keep it until they ask again.

use std::sync::{Arc, PoisonError, RwLock};

/// Shared by its clones.
#[derive(Debug, Default)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Live<T> {
    /// Begins with this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value as it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for everybody who asks from now on.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_have_the_new_value_and_holders_the_old_one() {
        let live = Live::new(1);
        let (clone, held) = (live.clone(), live.get());
        live.set(2);
        assert_eq!((*held, *clone.get()), (1, 2));
    }
}
