//! The memory of lists: reserved before a message is read, and released when the client has taken the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, LimitExceeded, Owner, Permit, share};

use super::held::held;

/// Lists up to this size are not counted, so that a nearly empty box can always be listed. A connection takes more memory
/// than that anyway.
const FREE: usize = 4 * 1024;

/// Bytes that a list may take beside its messages: their envelope, and memory that is reserved in steps.
const SLACK: usize = 2 * 1024 * 1024;

/// The budget of all lists, by caller and address. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::http) struct ListMemory(KeyedBudget<Owner>);

impl ListMemory {
    /// `max_bytes` for all lists. One identity and one address may have a sixteenth, or one list of the largest size.
    pub(in crate::http) fn new(max_bytes: usize, largest_list: usize) -> Self {
        let each = share(max_bytes).max(largest_list.saturating_add(SLACK));
        Self(KeyedBudget::of_bytes(each, max_bytes).named("answer_bytes"))
    }

    /// The memory of one request, by `caller` and from `address`.
    pub(in crate::http) fn of_request(
        &self,
        caller: IdentityKey,
        address: Option<AddressKey>,
    ) -> RequestMemory {
        RequestMemory {
            memory: self.clone(),
            owners: Owner::both(caller, address),
            was_full: Arc::default(),
        }
    }

    /// Bytes of all lists.
    #[cfg(test)]
    pub(in crate::http) fn held(&self) -> usize {
        self.0.held()
    }
}

/// The memory of one request. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::http) struct RequestMemory {
    memory: ListMemory,
    owners: [Option<Owner>; 2],
    was_full: Arc<AtomicBool>,
}

impl RequestMemory {
    /// A permit for a list that is about to be read. It holds nothing yet.
    pub(in crate::http) fn permit(&self) -> ListPermit {
        ListPermit {
            permit: self.memory.0.hold_for(self.owners),
            was_full: Arc::clone(&self.was_full),
        }
    }

    /// Whether the budget of all lists refused memory to this request.
    pub(in crate::http) fn was_full(&self) -> bool {
        self.was_full.load(Ordering::Relaxed)
    }
}

/// The memory of one list.
#[derive(Debug)]
pub(in crate::http) struct ListPermit {
    permit: Permit<Owner>,
    was_full: Arc<AtomicBool>,
}

impl ListPermit {
    /// Ties the permit to the bytes of the list: it is released with their last copy.
    pub(in crate::http) fn tie_to(self, list: Vec<u8>) -> Bytes {
        held(list, self)
    }

    /// Holds this many bytes from now on. On an error it holds what it held before.
    pub(in crate::http) fn resize(&mut self, bytes: usize) -> Result<(), LimitExceeded> {
        let counted = if bytes <= FREE { 0 } else { bytes };
        let resized = self.permit.resize(counted);
        if resized == Err(LimitExceeded::Global) {
            self.was_full.store(true, Ordering::Relaxed);
        }
        resized
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    const MIB: usize = 1024 * 1024;

    fn address(last: u8) -> AddressKey {
        AddressKey::of([192, 0, 2, last].into())
    }

    fn caller() -> IdentityKey {
        Identity::random().identity_key()
    }

    #[test]
    fn identities_of_one_address_share_a_sixteenth() {
        let memory = ListMemory::new(160 * MIB, 5 * MIB);
        let request = memory.of_request(caller(), Some(address(1)));
        let mut first = request.permit();
        first.resize(6 * MIB).unwrap();
        let mut second = memory.of_request(caller(), Some(address(1))).permit();
        assert_eq!(second.resize(5 * MIB), Err(LimitExceeded::PerKey));
        assert_eq!(memory.held(), 6 * MIB);
        second.resize(4 * MIB).unwrap();
        // It is full for its address, and for nobody else.
        assert!(!request.was_full());
        let mut other = memory.of_request(caller(), Some(address(2))).permit();
        other.resize(9 * MIB).unwrap();
        // One identity has no more from many addresses.
        let who = caller();
        let mut own = [3, 4].map(|last| memory.of_request(who, Some(address(last))).permit());
        own[0].resize(6 * MIB).unwrap();
        assert_eq!(own[1].resize(5 * MIB), Err(LimitExceeded::PerKey));
        drop((first, second, other, own));
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn little_is_never_refused() {
        let memory = ListMemory::new(8 * MIB, MIB);
        let mut all = memory.of_request(caller(), None).permit();
        all.resize(9 * MIB).unwrap();
        let large = memory.of_request(caller(), Some(address(1)));
        assert_eq!(large.permit().resize(MIB), Err(LimitExceeded::Global));
        assert!(large.was_full());
        let little = memory.of_request(caller(), Some(address(2)));
        let mut little: Vec<_> = (0..999).map(|_| little.permit()).collect();
        assert!(little.iter_mut().all(|list| list.resize(FREE).is_ok()));
    }
}
