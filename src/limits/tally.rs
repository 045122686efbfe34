//! Counting what each of many has, up to a limit for each and one for all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Full {
    /// This one has as many as it may have.
    #[error("this one has as many as it may have")]
    OfOne,
    /// All together have as many as they may have.
    #[error("all together have as many as they may have")]
    OfAll,
}

#[derive(Debug)]
struct Counts<K> {
    each: HashMap<K, usize>,
    all: usize,
}

/// Places that are taken, by whom. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tally<K: Eq + Hash + Clone> {
    counts: Arc<Mutex<Counts<K>>>,
    max_of_one: usize,
    max_of_all: usize,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Nobody has a place yet.
    #[must_use]
    pub fn new(max_of_one: usize, max_of_all: usize) -> Self {
        let counts = Counts {
            each: HashMap::new(),
            all: 0,
        };
        Self {
            counts: Arc::new(Mutex::new(counts)),
            max_of_one,
            max_of_all,
        }
    }

    /// Takes a place until it is dropped. Without a key it counts among all only.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, key: Option<K>) -> Result<Place<K>, Full> {
        let mut counts = self.lock();
        if counts.all >= self.max_of_all {
            return Err(Full::OfAll);
        }
        if let Some(key) = &key {
            match counts.each.get_mut(key) {
                Some(count) if *count >= self.max_of_one => return Err(Full::OfOne),
                Some(count) => *count += 1,
                None if self.max_of_one == 0 => return Err(Full::OfOne),
                None => drop(counts.each.insert(key.clone(), 1)),
            }
        }
        counts.all += 1;
        drop(counts);
        Ok(Place {
            tally: self.clone(),
            key,
        })
    }

    /// Places that are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().all
    }

    /// Whether none is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Counts<K>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken; given back when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    tally: Tally<K>,
    key: Option<K>,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.lock();
        counts.all -= 1;
        if let Some(key) = &self.key
            && let Some(count) = counts.each.get_mut(key)
        {
            *count -= 1;
            if *count == 0 {
                counts.each.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_places_and_all_have_theirs() {
        let tally = Tally::new(2, 3);
        let first = tally.take(Some("a")).unwrap();
        let second = tally.take(Some("a")).unwrap();
        assert_eq!(tally.take(Some("a")).err(), Some(Full::OfOne));
        let third = tally.take(Some("b")).unwrap();
        assert_eq!(tally.take(Some("c")).err(), Some(Full::OfAll));
        drop(third);
        let unnamed = tally.take(None).unwrap();
        assert_eq!(tally.take(None).err(), Some(Full::OfAll));
        drop(first);
        let again = tally.take(Some("a")).unwrap();
        drop((second, unnamed, again));
        assert!(tally.is_empty() && tally.lock().each.is_empty());
    }

    #[test]
    fn none_allowed_is_none_given() {
        assert_eq!(Tally::new(0, 9).take(Some(1)).err(), Some(Full::OfOne));
    }
}
