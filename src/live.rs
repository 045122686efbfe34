//! A value that can be replaced while others use it: those that hold the old one keep it until they ask again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by its clones.
#[derive(Debug, Default)]
pub struct Live<T>(Arc<Shared<T>>);

#[derive(Debug, Default)]
struct Shared<T> {
    value: RwLock<Arc<T>>,
    /// How often it was replaced.
    version: AtomicU64,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Live<T> {
    /// Begins with this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            value: RwLock::new(Arc::new(value)),
            version: AtomicU64::new(0),
        }))
    }

    /// The value as it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for everybody who asks from now on.
    pub fn set(&self, value: T) {
        *self.0.value.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
        // After the value: who sees the version sees the value.
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// A reader of its own, for those who ask so often that they would get into each other's way.
    #[must_use]
    pub fn reader(&self) -> LiveReader<T> {
        LiveReader {
            version: self.0.version.load(Ordering::Acquire),
            value: self.get(),
            live: self.clone(),
        }
    }
}

/// A value and the version that it has; asks for it again only once it was replaced.
#[derive(Debug)]
pub struct LiveReader<T> {
    live: Live<T>,
    version: u64,
    value: Arc<T>,
}

impl<T> LiveReader<T> {
    /// The value as it is now.
    pub fn get(&mut self) -> &T {
        let version = self.live.0.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            self.value = self.live.get();
        }
        &self.value
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

    #[test]
    fn a_reader_has_every_new_value() {
        let live = Live::new(1);
        let mut reader = live.reader();
        assert_eq!(*reader.get(), 1);
        for value in [2, 3] {
            live.set(value);
            assert_eq!((*reader.get(), *live.reader().get()), (value, value));
        }
    }
}
