//! What each of many may have, up to a bound for each and one for all: places, or bytes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// Bytes that whoever holds nothing may hold, also where all are taken.
pub const SMALL: usize = 64 * 1024;

/// The part of all bytes that is kept for that, and that one owner may have where it has to share.
pub const SHARE: usize = 16;

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// This one has as much as it may have.
    #[error("this one has as much as it may have")]
    PerKey,
    /// All together have as much as they may have.
    #[error("all together have as much as they may have")]
    Global,
}

#[derive(Debug)]
struct Used<K> {
    each: HashMap<K, usize>,
    all: usize,
}

/// What is held, and by whom. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyedBudget<K: Eq + Hash + Clone> {
    used: Arc<Mutex<Used<K>>>,
    per_key: usize,
    global: usize,
    is_of_bytes: bool,
}

impl<K: Eq + Hash + Clone> KeyedBudget<K> {
    /// So many places for each, and for all. Nobody has one yet.
    #[must_use]
    pub fn of_places(per_key: usize, global: usize) -> Self {
        Self {
            used: Arc::new(Mutex::new(Used {
                each: HashMap::new(),
                all: 0,
            })),
            per_key,
            global,
            is_of_bytes: false,
        }
    }

    /// So many bytes. Whoever has nothing may take more than the bounds at once, or it would never be served; and a
    /// little where all are taken.
    #[must_use]
    pub fn of_bytes(per_key: usize, global: usize) -> Self {
        Self {
            is_of_bytes: true,
            ..Self::of_places(per_key, global)
        }
    }

    /// Nothing yet, for this owner; without one it counts among all only.
    #[must_use]
    pub fn hold(&self, owner: Option<K>) -> Permit<K> {
        Permit {
            budget: self.clone(),
            owner,
            per_key: self.per_key,
            amount: 0,
        }
    }

    /// One place, until the permit is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`].
    pub fn take(&self, owner: Option<K>) -> Result<Permit<K>, LimitExceeded> {
        let mut permit = self.hold(owner);
        permit.grow(1)?;
        Ok(permit)
    }

    /// What is held by all.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().all
    }

    /// Whether `all`, of which the permit has `own`, may become what it is with `amount` instead.
    const fn fits(&self, all: usize, own: usize, amount: usize, max: usize) -> bool {
        let others = all.saturating_sub(own);
        (self.is_of_bytes && all == 0) || others.saturating_add(amount) <= max
    }

    /// What is kept for an owner that has nothing but this permit.
    const fn reserve(&self, is_only: bool, amount: usize) -> usize {
        if self.is_of_bytes && is_only && amount <= SMALL {
            self.global / SHARE
        } else {
            0
        }
    }

    fn lock(&self) -> MutexGuard<'_, Used<K>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is held until this is dropped.
#[derive(Debug)]
pub struct Permit<K: Eq + Hash + Clone> {
    budget: KeyedBudget<K>,
    owner: Option<K>,
    /// What all that its owner has may come to, for this to grow.
    per_key: usize,
    amount: usize,
}

impl<K: Eq + Hash + Clone> Permit<K> {
    /// The same, growing only while its owner has no more than a share of what there is for all.
    #[must_use]
    pub fn within_share(mut self) -> Self {
        self.per_key = self.per_key.min(self.budget.global / SHARE);
        self
    }

    /// What it holds now.
    #[must_use]
    pub const fn amount(&self) -> usize {
        self.amount
    }

    /// Holds so much from now on, instead of what it held before.
    ///
    /// # Errors
    /// [`LimitExceeded`]: then nothing has changed.
    pub fn resize(&mut self, amount: usize) -> Result<(), LimitExceeded> {
        if amount == self.amount {
            return Ok(());
        }
        let budget = &self.budget;
        let mut used = budget.lock();
        let owned = self
            .owner
            .as_ref()
            .map(|owner| used.each.get(owner).copied().unwrap_or(0));
        if amount > self.amount {
            let reserve = budget.reserve(owned == Some(self.amount), amount);
            let global = budget.global.saturating_add(reserve);
            if !budget.fits(used.all, self.amount, amount, global) {
                return Err(LimitExceeded::Global);
            }
            if owned.is_some_and(|owned| !budget.fits(owned, self.amount, amount, self.per_key)) {
                return Err(LimitExceeded::PerKey);
            }
        }
        if let (Some(owner), Some(owned)) = (&self.owner, owned) {
            match owned - self.amount + amount {
                0 => drop(used.each.remove(owner)),
                owned => drop(used.each.insert(owner.clone(), owned)),
            }
        }
        used.all = used.all - self.amount + amount;
        drop(used);
        self.amount = amount;
        Ok(())
    }

    /// Holds so much more.
    ///
    /// # Errors
    /// [`LimitExceeded`]: then nothing has changed.
    pub fn grow(&mut self, amount: usize) -> Result<(), LimitExceeded> {
        self.resize(self.amount.saturating_add(amount))
    }
}

impl<K: Eq + Hash + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        // Less is never refused.
        let _ = self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_places_and_all_have_theirs() {
        let places = KeyedBudget::of_places(2, 3);
        let first = places.take(Some("a")).unwrap();
        let second = places.take(Some("a")).unwrap();
        assert_eq!(places.take(Some("a")).err(), Some(LimitExceeded::PerKey));
        let third = places.take(Some("b")).unwrap();
        assert_eq!(places.take(Some("c")).err(), Some(LimitExceeded::Global));
        drop(third);
        let unnamed = places.take(None).unwrap();
        assert_eq!(places.take(None).err(), Some(LimitExceeded::Global));
        drop(first);
        let again = places.take(Some("a")).unwrap();
        drop((second, unnamed, again));
        assert!(places.held() == 0 && places.lock().each.is_empty());
    }

    #[test]
    fn none_allowed_is_none_given() {
        let none = KeyedBudget::of_places(0, 9);
        assert_eq!(none.take(Some(1)).err(), Some(LimitExceeded::PerKey));
    }

    #[test]
    fn each_has_a_bound_and_so_have_all() {
        let memory = KeyedBudget::of_bytes(60, 100);
        let [mut first, mut second] = ["a", "a"].map(|owner| memory.hold(Some(owner)));
        first.grow(40).unwrap();
        assert_eq!(second.grow(21), Err(LimitExceeded::PerKey));
        second.grow(20).unwrap();
        let mut other = memory.hold(Some("b"));
        assert_eq!(other.grow(47), Err(LimitExceeded::Global));
        other.grow(40).unwrap();
        assert_eq!(memory.hold(None).grow(1), Err(LimitExceeded::Global));
        assert_eq!(memory.hold(Some("b")).grow(1), Err(LimitExceeded::Global));
        // Whoever has nothing gets a little, out of what is kept for that.
        let mut late = memory.hold(Some("c"));
        late.grow(6).unwrap();
        assert_eq!(memory.hold(Some("d")).grow(1), Err(LimitExceeded::Global));
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
        let memory = KeyedBudget::of_bytes(160, 160);
        let mut large = memory.hold(Some("a"));
        large.grow(20).unwrap();
        let mut shared = memory.hold(Some("a")).within_share();
        assert_eq!(shared.grow(1), Err(LimitExceeded::PerKey));
        let mut other = memory.hold(Some("b")).within_share();
        other.grow(10).unwrap();
        assert_eq!(other.grow(1), Err(LimitExceeded::PerKey));
    }

    #[test]
    fn one_alone_may_be_larger_than_the_bounds() {
        let memory = KeyedBudget::of_bytes(6, 10);
        let mut large = memory.hold(Some("a"));
        large.resize(50).unwrap();
        assert_eq!(large.grow(1), Err(LimitExceeded::Global));
        assert_eq!(memory.hold(Some("b")).grow(1), Err(LimitExceeded::Global));
        drop(large);
        memory.hold(Some("b")).grow(1).unwrap();
    }
}
