//! A value that can be replaced while it is in use. Holders of the old value keep it until they call again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

/// Clones share the value.
#[derive(Debug, Default)]
pub struct Live<T>(Arc<Shared<T>>);

#[derive(Debug, Default)]
struct Shared<T> {
    value: RwLock<Arc<T>>,
    /// The number of replacements.
    version: AtomicU64,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Live<T> {
    /// Creates a live value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            value: RwLock::new(Arc::new(value)),
            version: AtomicU64::new(0),
        }))
    }

    /// The current value, shared with other holders.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.read())
    }

    /// Replaces the value for all later calls.
    pub fn set(&self, value: T) {
        *self.0.value.write() = Arc::new(value);
        // After the value: a reader that sees the version sees the value too.
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// A reader for frequent use: it takes the lock only after a replacement.
    pub fn reader(&self) -> LiveReader<T> {
        LiveReader {
            version: self.0.version.load(Ordering::Acquire),
            value: self.get(),
            live: self.clone(),
        }
    }
}

/// A copy of the value with its version, which is refreshed after a replacement.
#[derive(Debug)]
pub struct LiveReader<T> {
    live: Live<T>,
    version: u64,
    value: Arc<T>,
}

impl<T> LiveReader<T> {
    /// The current value, without a lock.
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
