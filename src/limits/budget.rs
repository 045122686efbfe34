//! Counts a resource, such as places or bytes, against a limit for each key and a limit for all.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::owner::Holder;
use super::refusals::{LimitExceeded, refusals};

/// Bytes that an owner without other permits may hold even when the budget is full.
pub const SMALL: usize = 64 * 1024;

/// One owner may hold `1 / SHARE` of a budget.
pub const SHARE: usize = 16;

/// The part of a budget that one owner may hold.
#[must_use]
pub const fn share(whole: usize) -> usize {
    whole.div_ceil(SHARE)
}

/// The limits of a budget.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    per_key: usize,
    global: usize,
    /// Extra amount above `global`, for owners without other permits: up to `small` for each.
    reserve: usize,
    small: usize,
    /// Whether an owner without permits may exceed `per_key`, and `global` too if nobody holds anything. A large request
    /// would never fit without this.
    takes_oversized: bool,
}

/// What one owner holds.
#[derive(Debug)]
struct Entry<S> {
    amount: usize,
    shared: Option<Arc<S>>,
}

#[derive(Debug)]
struct Used<K, S> {
    each: HashMap<K, Entry<S>>,
    all: usize,
}

/// A budget and what its owners hold. Clones share it. All permits of one owner share a value of type `S`.
#[derive(Debug)]
pub struct KeyedBudget<K: Holder, S = ()> {
    used: Arc<Mutex<Used<K, S>>>,
    /// The name of the resource in metrics and logs.
    resource: &'static str,
    bounds: Bounds,
}

impl<K: Holder, S> Clone for KeyedBudget<K, S> {
    fn clone(&self) -> Self {
        Self {
            used: Arc::clone(&self.used),
            ..*self
        }
    }
}

impl<K: Holder, S> KeyedBudget<K, S> {
    fn new(bounds: Bounds) -> Self {
        Self {
            used: Arc::new(Mutex::new(Used {
                each: HashMap::new(),
                all: 0,
            })),
            resource: "other",
            bounds,
        }
    }

    /// `per_key` places for each owner, `global` for all.
    #[must_use]
    pub fn of_places(per_key: usize, global: usize) -> Self {
        Self::new(Bounds {
            per_key,
            global,
            reserve: 0,
            small: 0,
            takes_oversized: false,
        })
    }

    /// `global` places for all, of which each owner may hold a share. A reserve of the same size serves owners without
    /// other permits, up to `small` places for each.
    #[must_use]
    pub fn of_shared_places(global: usize, small: usize) -> Self {
        Self::new(Bounds {
            per_key: share(global),
            global,
            reserve: global,
            small,
            takes_oversized: false,
        })
    }

    /// `per_key` bytes for each owner, `global` for all. A sixteenth of `global` comes on top, as a reserve for owners
    /// without other permits, up to [`SMALL`] bytes for each. An owner without permits may exceed `per_key` once.
    #[must_use]
    pub fn of_bytes(per_key: usize, global: usize) -> Self {
        Self::new(Bounds {
            per_key,
            global,
            reserve: global / SHARE,
            small: SMALL,
            takes_oversized: true,
        })
    }

    /// `global` bytes for all, of which each owner may hold a share.
    #[must_use]
    pub fn of_shared_bytes(global: usize) -> Self {
        Self::of_bytes(share(global), global)
    }

    /// Sets the name of the resource in metrics and logs.
    #[must_use]
    pub fn named(mut self, resource: &'static str) -> Self {
        refusals().declare(resource);
        self.resource = resource;
        self
    }

    /// An empty permit. Without an owner it counts against the global limit only.
    #[must_use]
    pub fn hold(&self, owner: Option<K>) -> Permit<K, S> {
        self.hold_for([owner, None])
    }

    /// An empty permit with two owners: its amount counts against both.
    #[must_use]
    pub fn hold_for(&self, owners: [Option<K>; 2]) -> Permit<K, S> {
        Permit {
            budget: self.clone(),
            owners,
            is_privileged: false,
            amount: 0,
        }
    }

    /// Takes one place, until the permit is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`].
    pub fn take(&self, owner: Option<K>) -> Result<Permit<K, S>, LimitExceeded> {
        let mut permit = self.hold(owner);
        permit.grow(1)?;
        Ok(permit)
    }

    /// The amount that all owners hold together.
    #[must_use]
    pub fn held(&self) -> usize {
        self.used.lock().all
    }

    /// The number of owners that hold something.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.used.lock().each.len()
    }
}

/// An amount of a budget, returned when the permit is dropped.
pub struct Permit<K: Holder, S = ()> {
    budget: KeyedBudget<K, S>,
    owners: [Option<K>; 2],
    /// Whether the permit has no share limit and may use the whole reserve.
    is_privileged: bool,
    amount: usize,
}

impl<K: Holder, S> fmt::Debug for Permit<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} {})", self.amount, self.budget.resource)
    }
}

impl<K: Holder, S> Permit<K, S> {
    /// Removes the share limit and opens the whole reserve, for the server's own work.
    #[must_use]
    pub const fn privileged(mut self) -> Self {
        self.is_privileged = true;
        self
    }

    #[must_use]
    pub const fn amount(&self) -> usize {
        self.amount
    }

    #[must_use]
    pub fn owner(&self) -> Option<&K> {
        self.owners.iter().flatten().next()
    }

    /// Changes the amount, if the limits allow it.
    ///
    /// # Errors
    /// [`LimitExceeded`]; the amount is unchanged. Counts the refusal.
    pub fn resize(&mut self, amount: usize) -> Result<(), LimitExceeded> {
        let refused = {
            let mut used = self.budget.used.lock();
            let refused = self.refusal(&used, amount);
            if refused.is_none() {
                Self::set(&mut used, &self.owners, self.amount, amount);
            }
            refused
        };
        match refused {
            None => {
                self.amount = amount;
                Ok(())
            }
            Some((reason, owner)) => {
                refusals().count(self.budget.resource, reason, owner);
                Err(reason)
            }
        }
    }

    /// Adds to the amount.
    ///
    /// # Errors
    /// As [`Self::resize`].
    pub fn grow(&mut self, amount: usize) -> Result<(), LimitExceeded> {
        self.resize(self.amount.saturating_add(amount))
    }

    /// Changes the amount regardless of the limits, for work that the server can no longer refuse.
    pub fn insist(&mut self, amount: usize) {
        let mut used = self.budget.used.lock();
        Self::set(&mut used, &self.owners, self.amount, amount);
        drop(used);
        self.amount = amount;
    }

    /// Moves the amount to other owners, regardless of their limits.
    pub fn give_to(&mut self, owners: [Option<K>; 2]) {
        let mut used = self.budget.used.lock();
        Self::set(&mut used, &self.owners, self.amount, 0);
        Self::set(&mut used, &owners, 0, self.amount);
        drop(used);
        self.owners = owners;
    }

    /// Why the permit cannot hold `amount`, and which owner has reached its share.
    fn refusal(&self, used: &Used<K, S>, amount: usize) -> Option<(LimitExceeded, Option<&K>)> {
        if amount <= self.amount {
            return None;
        }
        let bounds = &self.budget.bounds;
        let held = |owner: &K| used.each.get(owner).map_or(0, |entry| entry.amount);
        let is_only = self.owner().is_some_and(|first| held(first) == self.amount);
        let reserve = if self.is_privileged || (is_only && amount <= bounds.small) {
            bounds.reserve
        } else {
            0
        };
        let fits = |held: usize, max: usize, reserve: usize| {
            (bounds.takes_oversized && held == 0)
                || (held - self.amount).saturating_add(amount) <= max.saturating_add(reserve)
        };
        // An address with many identities may use one share of the reserve at most.
        let is_full =
            |owner: &&K| !self.is_privileged && !fits(held(owner), bounds.per_key, share(reserve));
        if let Some(owner) = self.owners.iter().flatten().find(is_full) {
            return Some((LimitExceeded::PerKey, Some(owner)));
        }
        (!fits(used.all, bounds.global, reserve)).then(|| (LimitExceeded::Global, self.owner()))
    }

    fn set(used: &mut Used<K, S>, owners: &[Option<K>; 2], before: usize, amount: usize) {
        for owner in owners.iter().flatten() {
            let entry = used.each.entry(owner.clone()).or_insert(Entry {
                amount: 0,
                shared: None,
            });
            entry.amount = entry.amount - before + amount;
            if entry.amount == 0 {
                used.each.remove(owner);
            }
        }
        used.all = used.all - before + amount;
    }
}

impl<K: Holder, S: Default> Permit<K, S> {
    /// The value that each owner's permits share. A permit that holds nothing has none.
    pub fn shared(&self) -> impl Iterator<Item = Arc<S>> + use<K, S> {
        let mut used = self.budget.used.lock();
        let shared = self.owners.each_ref().map(|owner| {
            let entry = used.each.get_mut(owner.as_ref()?)?;
            Some(Arc::clone(entry.shared.get_or_insert_default()))
        });
        drop(used);
        shared.into_iter().flatten()
    }
}

impl<K: Holder, S> Drop for Permit<K, S> {
    fn drop(&mut self) {
        self.insist(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Option<&str> = None;

    #[test]
    fn each_has_its_places_and_all_have_theirs() {
        let places: KeyedBudget<&str> = KeyedBudget::of_places(2, 3);
        let first = places.take(Some("a")).unwrap();
        let second = places.take(Some("a")).unwrap();
        assert_eq!(places.take(Some("a")).err(), Some(LimitExceeded::PerKey));
        let third = places.take(Some("b")).unwrap();
        assert_eq!(places.take(Some("c")).err(), Some(LimitExceeded::Global));
        drop(third);
        let unnamed = places.take(NOBODY).unwrap();
        assert_eq!(places.take(NOBODY).err(), Some(LimitExceeded::Global));
        drop(first);
        let again = places.take(Some("a")).unwrap();
        drop((second, unnamed, again));
        assert_eq!((places.held(), places.owners()), (0, 0));
    }

    #[test]
    fn none_allowed_is_none_given() {
        let none: KeyedBudget<&str> = KeyedBudget::of_places(0, 9);
        assert_eq!(none.take(Some("a")).err(), Some(LimitExceeded::PerKey));
        let none: KeyedBudget<&str> = KeyedBudget::of_shared_places(0, 1);
        assert!(none.take(Some("a")).is_err() && none.take(NOBODY).is_err());
    }

    #[test]
    fn each_has_a_share_of_the_bytes_and_all_have_a_bound() {
        let memory: KeyedBudget<&str> = KeyedBudget::of_shared_bytes(160);
        let [mut first, mut second] = ["a", "a"].map(|owner| memory.hold(Some(owner)));
        first.grow(6).unwrap();
        assert_eq!(second.grow(5), Err(LimitExceeded::PerKey));
        second.grow(4).unwrap();
        let mut unnamed = memory.hold(NOBODY);
        assert_eq!(unnamed.grow(151), Err(LimitExceeded::Global));
        unnamed.grow(150).unwrap();
        assert_eq!(memory.hold(NOBODY).grow(1), Err(LimitExceeded::Global));
        // An owner that holds nothing gets a little from the reserve.
        let mut late = memory.hold(Some("c"));
        late.grow(10).unwrap();
        assert_eq!(memory.hold(Some("d")).grow(1), Err(LimitExceeded::Global));
        drop(late);
        first.resize(1).unwrap();
        memory.hold(NOBODY).grow(5).unwrap();
        assert_eq!(memory.held(), 155);
        drop((first, second, unnamed));
        assert_eq!((memory.held(), memory.owners()), (0, 0));
    }

    #[test]
    fn one_alone_may_be_larger_than_the_bounds() {
        let memory: KeyedBudget<&str> = KeyedBudget::of_shared_bytes(10);
        let mut large = memory.hold(Some("a"));
        large.resize(50).unwrap();
        assert_eq!(large.grow(1), Err(LimitExceeded::PerKey));
        assert_eq!(memory.hold(Some("b")).grow(2), Err(LimitExceeded::Global));
        drop(large);
        memory.hold(Some("b")).grow(1).unwrap();
    }

    #[test]
    fn what_one_identity_does_counts_for_its_address_too() {
        let places: KeyedBudget<&str> = KeyedBudget::of_shared_places(160, 1);
        let take = |identity, address| {
            let mut permit = places.hold_for([Some(identity), Some(address)]);
            permit.grow(2).map(|()| permit)
        };
        let flood = ["a", "b"].map(|identity| {
            let taken: Vec<_> = (0..9).map_while(|_| take(identity, "x").ok()).collect();
            taken
        });
        // Two identities at one address get what one alone could get.
        assert_eq!(flood.each_ref().map(Vec::len), [5, 0]);
        assert!(take("c", "y").is_ok());
        // The share of an identity counts at every address.
        assert_eq!(take("a", "y").err(), Some(LimitExceeded::PerKey));
    }

    #[test]
    fn what_is_given_to_others_counts_for_them() {
        let memory: KeyedBudget<&str> = KeyedBudget::of_shared_bytes(160);
        let mut first = memory.hold(Some("x"));
        first.grow(10).unwrap();
        first.give_to([Some("a"), Some("x")]);
        let mut elsewhere = memory.hold_for([Some("a"), Some("y")]);
        assert_eq!(elsewhere.grow(1), Err(LimitExceeded::PerKey));
        first.give_to([Some("b"), Some("x")]);
        elsewhere.grow(1).unwrap();
        drop((first, elsewhere));
        assert_eq!((memory.held(), memory.owners()), (0, 0));
    }

    #[test]
    fn an_identity_that_holds_nothing_adds_a_little_where_its_address_is_full() {
        let places: KeyedBudget<&str> = KeyedBudget::of_shared_places(160, 1);
        let mut full = places.hold_for([Some("a"), Some("x")]);
        full.grow(10).unwrap();
        let take = |identity| {
            let mut permit = places.hold_for([Some(identity), Some("x")]);
            permit.grow(1).map(|()| permit)
        };
        assert!(take("a").is_err());
        let names = ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
        let few: Vec<_> = names
            .into_iter()
            .map_while(|name| take(name).ok())
            .collect();
        // An address gets one share of the reserve at most.
        assert_eq!(few.len(), 10);
        assert!(places.take(Some("n")).is_ok());
    }

    #[test]
    fn the_server_itself_has_no_share_and_all_of_the_reserve() {
        let places: KeyedBudget<&str> = KeyedBudget::of_shared_places(16, 1);
        let mut server = places.hold(Some("server")).privileged();
        server.grow(20).unwrap();
        assert!(places.take(NOBODY).is_err() && places.take(Some("a")).is_ok());
        server.grow(12).unwrap();
        assert_eq!(server.grow(1), Err(LimitExceeded::Global));
    }

    #[test]
    fn what_cannot_be_refused_is_counted_all_the_same() {
        let places: KeyedBudget<&str> = KeyedBudget::of_shared_places(16, 1);
        let mut permit = places.hold(Some("a"));
        permit.insist(40);
        assert_eq!((places.held(), places.take(Some("a")).is_err()), (40, true));
        drop(permit);
        assert_eq!((places.held(), places.owners()), (0, 0));
    }

    #[test]
    fn permits_of_one_owner_share_something() {
        let places: KeyedBudget<&str, Mutex<u8>> = KeyedBudget::of_places(9, 9);
        let [first, second, other] = ["a", "a", "b"].map(|owner| places.take(Some(owner)).unwrap());
        let value = |permit: &Permit<&'static str, Mutex<u8>>| permit.shared().next().unwrap();
        *value(&first).lock() = 7;
        drop(first);
        assert_eq!((*value(&second).lock(), *value(&other).lock()), (7, 0));
        assert!(places.hold(Some("c")).shared().next().is_none());
    }
}
