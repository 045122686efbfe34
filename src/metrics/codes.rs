//! Counts by words of the program, such as error codes.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use dashmap::DashMap;
use serde::{Serialize, Serializer};

use super::Counter;

/// A count per key. The keys must be words of the program, so that no client can make the map grow.
pub struct KeyedCounts<K: Eq + Hash>(DashMap<K, Counter>);

/// A count per word.
pub type CodeCounts = KeyedCounts<&'static str>;

impl<K: Eq + Hash> Default for KeyedCounts<K> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

impl<K: Eq + Hash + Copy> Clone for KeyedCounts<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Ord + Copy + fmt::Debug> fmt::Debug for KeyedCounts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.get()).finish()
    }
}

impl<K: Eq + Hash + Ord + Copy> KeyedCounts<K> {
    pub fn add_one(&self, key: K) {
        if let Some(count) = self.0.get(&key) {
            return count.add_one();
        }
        self.0.entry(key).or_default().add_one();
    }

    /// Shows a key before anything is counted under it.
    pub fn declare(&self, key: K) {
        self.0.entry(key).or_default();
    }

    #[must_use]
    pub fn get(&self) -> BTreeMap<K, u64> {
        let entries = self.0.iter();
        entries
            .map(|entry| (*entry.key(), entry.value().get()))
            .collect()
    }

    /// The sum over all keys.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|entry| entry.value().get()).sum()
    }
}

/// Counts by two words, as one map in the other.
#[must_use]
pub fn nested(
    counts: BTreeMap<(&'static str, &'static str), u64>,
) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    let mut outer: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for ((first, second), count) in counts {
        outer.entry(first).or_default().insert(second, count);
    }
    outer
}

impl Serialize for KeyedCounts<&'static str> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl Serialize for KeyedCounts<(&'static str, &'static str)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        nested(self.get()).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_apart() {
        let counts = CodeCounts::default();
        for code in ["a", "b", "a"] {
            counts.add_one(code);
        }
        assert_eq!(counts.get(), BTreeMap::from([("a", 2), ("b", 1)]));
        assert_eq!(counts.total(), 3);
    }
}
