//! The operator's lists: the server refuses blocked identities, and all that a non-empty allow list lacks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::ids::IdentityKey;
use crate::model::{IdentityList, ListChange, NotServed};

/// A copy of the lists in the database.
#[derive(Debug, Default)]
pub struct IdentityLists {
    lists: RwLock<Lists>,
    /// Whether any list has an entry. Every request asks, and nearly always there is none.
    has_any: AtomicBool,
}

#[derive(Debug, Default)]
struct Lists {
    revision: i64,
    blocked: HashSet<IdentityKey>,
    allowed: HashSet<IdentityKey>,
}

impl Lists {
    fn apply(&mut self, change: &ListChange) {
        let list = match change.list {
            IdentityList::Block => &mut self.blocked,
            IdentityList::Allow => &mut self.allowed,
        };
        if change.listed {
            list.insert(change.identity);
        } else {
            list.remove(&change.identity);
        }
    }
}

impl IdentityLists {
    /// Whether this identity is served.
    ///
    /// # Errors
    /// [`NotServed`].
    pub fn check(&self, identity: &IdentityKey) -> Result<(), NotServed> {
        if !self.has_any.load(Ordering::Acquire) {
            return Ok(());
        }
        let lists = self.lists.read();
        if lists.blocked.contains(identity) {
            Err(NotServed::Blocked)
        } else if lists.allowed.is_empty() || lists.allowed.contains(identity) {
            Ok(())
        } else {
            Err(NotServed::NotAllowed)
        }
    }

    /// The revision of the last change in this copy.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.lists.read().revision
    }

    #[must_use]
    pub fn count(&self, list: IdentityList) -> usize {
        let lists = self.lists.read();
        match list {
            IdentityList::Block => lists.blocked.len(),
            IdentityList::Allow => lists.allowed.len(),
        }
    }

    #[must_use]
    pub fn has(&self, list: IdentityList, identity: &IdentityKey) -> bool {
        let lists = self.lists.read();
        match list {
            IdentityList::Block => lists.blocked.contains(identity),
            IdentityList::Allow => lists.allowed.contains(identity),
        }
    }

    /// Applies changes up to this revision.
    pub fn apply(&self, changes: &[ListChange], revision: i64) {
        self.change(|lists| {
            for change in changes {
                lists.apply(change);
            }
            lists.revision = revision;
        });
    }

    /// Rebuilds the copy from all changes ever made.
    pub fn replace(&self, changes: &[ListChange], revision: i64) {
        let mut fresh = Lists {
            revision,
            ..Lists::default()
        };
        for change in changes {
            fresh.apply(change);
        }
        self.change(|lists| *lists = fresh);
    }

    fn change(&self, change: impl FnOnce(&mut Lists)) {
        let mut lists = self.lists.write();
        change(&mut lists);
        let has_any = !lists.blocked.is_empty() || !lists.allowed.is_empty();
        self.has_any.store(has_any, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdentityKey {
        crate::auth::Identity::random().identity_key()
    }

    fn change(list: IdentityList, identity: IdentityKey, listed: bool) -> ListChange {
        ListChange {
            list,
            identity,
            listed,
        }
    }

    #[test]
    fn a_block_goes_before_an_allowance_and_an_empty_list_allows_everybody() {
        use IdentityList::{Allow, Block};
        let (alice, bob, carol) = (key(), key(), key());
        let lists = IdentityLists::default();
        assert_eq!(lists.check(&alice), Ok(()));
        lists.apply(&[change(Block, alice, true)], 1);
        assert_eq!(lists.check(&alice), Err(NotServed::Blocked));
        assert_eq!(lists.check(&bob), Ok(()));
        lists.apply(&[change(Allow, alice, true), change(Allow, bob, true)], 3);
        assert_eq!(lists.check(&alice), Err(NotServed::Blocked));
        assert_eq!(lists.check(&bob), Ok(()));
        assert_eq!(lists.check(&carol), Err(NotServed::NotAllowed));
        lists.apply(&[change(Block, alice, false)], 4);
        assert_eq!(lists.check(&alice), Ok(()));
        assert_eq!(
            (lists.revision(), lists.count(Allow), lists.count(Block)),
            (4, 2, 0)
        );
        lists.apply(&[change(Allow, alice, false), change(Allow, bob, false)], 6);
        assert_eq!(lists.check(&carol), Ok(()));
        assert!(!lists.has_any.load(Ordering::Relaxed));
        lists.replace(&[change(Block, carol, true)], 2);
        assert_eq!(
            (lists.revision(), lists.check(&carol)),
            (2, Err(NotServed::Blocked))
        );
        assert!(lists.has(Block, &carol) && !lists.has(Block, &alice));
    }
}
