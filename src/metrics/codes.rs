//! Counts by words of the program, such as the code of a failure: as many as the program has words.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

/// How often each word was counted.
pub struct KeyedCounts<K: Eq + Hash>(DashMap<K, AtomicU64>);

/// Counts by one word.
pub type CodeCounts = KeyedCounts<&'static str>;

impl<K: Eq + Hash> Default for KeyedCounts<K> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

impl<K: Eq + Hash + Ord + Copy + fmt::Debug> fmt::Debug for KeyedCounts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.get()).finish()
    }
}

impl<K: Eq + Hash + Ord + Copy> KeyedCounts<K> {
    /// Counts a word. It must be of the program, so that nobody outside makes the list long.
    pub fn add_one(&self, word: K) {
        if let Some(count) = self.0.get(&word) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let count = self.0.entry(word).or_default();
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows a word that was not counted yet.
    pub fn declare(&self, word: K) {
        self.0.entry(word).or_default();
    }

    /// All of them.
    #[must_use]
    pub fn get(&self) -> BTreeMap<K, u64> {
        let entries = self.0.iter();
        entries
            .map(|entry| (*entry.key(), entry.value().load(Ordering::Relaxed)))
            .collect()
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let entries = self.0.iter();
        entries
            .map(|entry| entry.value().load(Ordering::Relaxed))
            .sum()
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
