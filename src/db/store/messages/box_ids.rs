//! What the writer remembers of boxes: their ids, and how long their messages live.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::db::engine::clock::{Now, Timestamp};
use crate::ids::IdentityKey;

/// Ids of known boxes, for the writer. It is cleared when it grows too large, and after every failed transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoxIds {
    by_owner: HashMap<IdentityKey, HashMap<String, i64>>,
    count: usize,
}

const MAX_KNOWN_BOXES: usize = 50_000;

impl BoxIds {
    pub(crate) fn forget(&mut self) {
        self.by_owner.clear();
        self.count = 0;
    }

    pub(crate) fn get(&self, owner: &IdentityKey, name: &str) -> Option<i64> {
        self.by_owner.get(owner)?.get(name).copied()
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn insert(&mut self, owner: &IdentityKey, name: &str, id: i64) {
        if self.count >= MAX_KNOWN_BOXES {
            self.forget();
        }
        let own = self.by_owner.entry(*owner).or_default();
        if own.insert(name.to_owned(), id).is_none() {
            self.count += 1;
        }
    }
}

/// How long messages live in single boxes, by box name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retention(Arc<BTreeMap<String, Duration>>);

impl Retention {
    pub(crate) fn new(boxes: BTreeMap<String, Duration>) -> Self {
        Self(Arc::new(boxes))
    }

    pub(super) fn until(&self, message_box: &str, now: &Now) -> Option<Timestamp> {
        self.0
            .get(message_box)
            .and_then(|duration| now.later(*duration))
    }
}
