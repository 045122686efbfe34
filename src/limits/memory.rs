//! Bytes that are held for somebody: up to a bound for each, and one for all. Whoever holds nothing can always hold a little.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tally::Full;

/// Bytes that whoever holds nothing may hold, also where all are taken.
pub const SMALL: usize = 64 * 1024;

/// The part of all bytes that is kept for that, and that one owner may have where it has to share.
pub const SHARE: usize = 16;

#[derive(Debug)]
struct Bytes<K> {
    each: HashMap<K, usize>,
    all: usize,
}

/// What is held, and for whom. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Memory<K: Eq + Hash + Clone> {
    bytes: Arc<Mutex<Bytes<K>>>,
    max_of_one: usize,
    max_of_all: usize,
}

impl<K: Eq + Hash + Clone> Memory<K> {
    /// Nothing is held yet. Who has nothing may take more than the bounds at once: else it would never be served.
    #[must_use]
    pub fn new(max_of_one: usize, max_of_all: usize) -> Self {
        let bytes = Bytes {
            each: HashMap::new(),
            all: 0,
        };
        Self {
            bytes: Arc::new(Mutex::new(bytes)),
            max_of_one,
            max_of_all,
        }
    }

    /// Nothing yet, for this owner; without one it counts among all only.
    #[must_use]
    pub fn hold(&self, owner: Option<K>) -> Holding<K> {
        Holding {
            memory: self.clone(),
            owner,
            max_of_one: self.max_of_one,
            bytes: 0,
        }
    }

    /// Bytes that are held for all.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Bytes<K>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Holding<K: Eq + Hash + Clone> {
    memory: Memory<K>,
    owner: Option<K>,
    /// What all that its owner has may come to, for this to grow.
    max_of_one: usize,
    bytes: usize,
}

impl<K: Eq + Hash + Clone> Holding<K> {
    /// The same, growing only while its owner has no more than a share of what there is for all.
    #[must_use]
    pub fn within_share(mut self) -> Self {
        self.max_of_one = self.max_of_one.min(self.memory.max_of_all / SHARE);
        self
    }

    /// Holds so many bytes from now on, instead of those before.
    ///
    /// # Errors
    /// [`Full`]: then nothing has changed.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes == self.bytes {
            return Ok(());
        }
        let mut held = self.memory.lock();
        let fits = |now: usize, max: usize| {
            let others = now.saturating_sub(self.bytes);
            others == 0 && self.bytes == 0 || others.saturating_add(bytes) <= max
        };
        let is_growing = bytes > self.bytes;
        let own = self.owner.as_ref().map(|owner| held.each.get(owner));
        let is_first = own.is_some_and(|own| own.copied().unwrap_or(0) == self.bytes);
        let reserve = if is_first && bytes <= SMALL {
            self.memory.max_of_all / SHARE
        } else {
            0
        };
        if is_growing && !fits(held.all, self.memory.max_of_all.saturating_add(reserve)) {
            return Err(Full::OfAll);
        }
        if let Some(owner) = &self.owner {
            let own = held.each.get(owner).copied().unwrap_or(0);
            if is_growing && !fits(own, self.max_of_one) {
                return Err(Full::OfOne);
            }
            match own - self.bytes + bytes {
                0 => held.each.remove(owner),
                own => held.each.insert(owner.clone(), own),
            };
        }
        held.all = held.all - self.bytes + bytes;
        drop(held);
        self.bytes = bytes;
        Ok(())
    }

    /// Holds so many more.
    ///
    /// # Errors
    /// [`Full`]: then nothing has changed.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

impl<K: Eq + Hash + Clone> Drop for Holding<K> {
    fn drop(&mut self) {
        // Less is never refused.
        let _ = self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_bound_and_so_have_all() {
        let memory = Memory::new(60, 100);
        let [mut first, mut second] = ["a", "a"].map(|owner| memory.hold(Some(owner)));
        first.grow(40).unwrap();
        assert_eq!(second.grow(21), Err(Full::OfOne));
        second.grow(20).unwrap();
        let mut other = memory.hold(Some("b"));
        assert_eq!(other.grow(47), Err(Full::OfAll));
        other.grow(40).unwrap();
        assert_eq!(memory.hold(None).grow(1), Err(Full::OfAll));
        assert_eq!(memory.hold(Some("b")).grow(1), Err(Full::OfAll));
        // Whoever has nothing gets a little, out of what is kept for that.
        let mut late = memory.hold(Some("c"));
        late.grow(6).unwrap();
        assert_eq!(memory.hold(Some("d")).grow(1), Err(Full::OfAll));
        drop(late);
        first.resize(10).unwrap();
        memory.hold(None).grow(30).unwrap();
        assert_eq!(memory.held(), 70);
        drop((first, second, other));
        let bytes = memory.lock();
        assert_eq!((bytes.all, bytes.each.len()), (0, 0));
    }

    #[test]
    fn within_its_share_one_has_a_sixteenth() {
        let memory = Memory::new(160, 160);
        let mut large = memory.hold(Some("a"));
        large.grow(20).unwrap();
        let mut shared = memory.hold(Some("a")).within_share();
        assert_eq!(shared.grow(1), Err(Full::OfOne));
        let mut other = memory.hold(Some("b")).within_share();
        other.grow(10).unwrap();
        assert_eq!(other.grow(1), Err(Full::OfOne));
    }

    #[test]
    fn one_alone_may_be_larger_than_the_bounds() {
        let memory = Memory::new(6, 10);
        let mut large = memory.hold(Some("a"));
        large.resize(50).unwrap();
        assert_eq!(large.grow(1), Err(Full::OfAll));
        assert_eq!(memory.hold(Some("b")).grow(1), Err(Full::OfAll));
        drop(large);
        memory.hold(Some("b")).grow(1).unwrap();
    }
}
