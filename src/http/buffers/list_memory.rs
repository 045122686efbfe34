//! The memory of lists: it is reserved before a message is read, and given back when the client has taken the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::heavy::let_go;
use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, LimitExceeded, Owner, Permit, share};

/// Lists up to this size count for nobody, so that a box with little in it can always be listed. A connection takes more
/// than that anyway.
const FREE: usize = 4 * 1024;

/// Bytes that a list may take beside its messages: their envelope, and memory that is reserved in steps.
const SLACK: usize = 2 * 1024 * 1024;

/// The memory of all lists, by who asked and from where. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::http) struct AnswerMemory(KeyedBudget<Owner>);

impl AnswerMemory {
    /// So many bytes for all. One identity and one address may have a sixteenth, or one list of the largest size.
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
            caller,
            address,
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
pub(super) struct RequestMemory {
    memory: AnswerMemory,
    caller: IdentityKey,
    /// None for an address without limits.
    address: Option<AddressKey>,
    was_full: Arc<AtomicBool>,
}

impl RequestMemory {
    /// A list that is about to be read; it holds nothing yet.
    pub(in crate::http) fn hold(&self) -> AnswerPermit {
        let owners = Owner::both(self.caller, self.address);
        AnswerPermit {
            permit: self.memory.0.hold_for(owners),
            was_full: Arc::clone(&self.was_full),
        }
    }

    /// Whether a list was refused memory because all lists together had as much as they may have.
    pub(in crate::http) fn was_full(&self) -> bool {
        self.was_full.load(Ordering::Relaxed)
    }
}

/// The memory of one list.
#[derive(Debug)]
pub(in crate::http) struct AnswerPermit {
    permit: Permit<Owner>,
    was_full: Arc<AtomicBool>,
}

/// The bytes of an answer, which count until nobody has them any more.
struct Held {
    bytes: Vec<u8>,
    _permit: AnswerPermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        let_go(std::mem::take(&mut self.bytes));
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerPermit {
    /// Bytes of which every copy counts in this permit.
    pub(in crate::http) fn held_by(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _permit: self,
        })
    }

    /// Holds so many bytes from now on.
    ///
    /// # Errors
    /// [`LimitExceeded`]: then it holds what it held before.
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
        let memory = AnswerMemory::new(160 * MIB, 5 * MIB);
        let request = memory.of_request(caller(), Some(address(1)));
        let mut first = request.hold();
        first.resize(6 * MIB).unwrap();
        let mut second = memory.of_request(caller(), Some(address(1))).hold();
        assert_eq!(second.resize(5 * MIB), Err(LimitExceeded::PerKey));
        assert_eq!(memory.held(), 6 * MIB);
        second.resize(4 * MIB).unwrap();
        // It is full for its address, and for nobody else.
        assert!(!request.was_full());
        let mut other = memory.of_request(caller(), Some(address(2))).hold();
        other.resize(9 * MIB).unwrap();
        // One identity has no more from many addresses.
        let who = caller();
        let mut own = [3, 4].map(|last| memory.of_request(who, Some(address(last))).hold());
        own[0].resize(6 * MIB).unwrap();
        assert_eq!(own[1].resize(5 * MIB), Err(LimitExceeded::PerKey));
        drop((first, second, other, own));
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn little_is_never_refused() {
        let memory = AnswerMemory::new(8 * MIB, MIB);
        let mut all = memory.of_request(caller(), None).hold();
        all.resize(9 * MIB).unwrap();
        let large = memory.of_request(caller(), Some(address(1)));
        assert_eq!(large.hold().resize(MIB), Err(LimitExceeded::Global));
        assert!(large.was_full());
        let little = memory.of_request(caller(), Some(address(2)));
        let mut little: Vec<_> = (0..999).map(|_| little.hold()).collect();
        assert!(little.iter_mut().all(|list| list.resize(FREE).is_ok()));
    }
}
