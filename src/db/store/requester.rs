//! The requester of database work. Each requester has its own turn and its own share of the queues.

use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, Owner, Permit};

/// The requester of a read or a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requester {
    pub(crate) owner: Owner,
    /// The client's address; none if addresses are not limited.
    address: Option<AddressKey>,
}

impl Requester {
    /// Work of the server itself never counts for an address.
    pub(crate) fn new(owner: Owner, address: Option<AddressKey>) -> Self {
        let address = address.filter(|_| owner != Owner::Server);
        Self { owner, address }
    }

    /// The requester for an identity, or for the server itself.
    pub(crate) fn of(identity: Option<IdentityKey>, address: Option<AddressKey>) -> Self {
        Self::new(identity.map_or(Owner::Server, Owner::Identity), address)
    }

    /// The outer queue: all identities of one address share a turn.
    pub(crate) fn outer(&self) -> Owner {
        self.address.map_or(self.owner, Owner::Address)
    }

    /// An empty permit for this requester. The server's own work is refused last, because a claimed payment must be
    /// settled.
    pub(crate) fn hold<S>(&self, budget: &KeyedBudget<Owner, S>) -> Permit<Owner, S> {
        let permit = budget.hold_for([Some(self.owner), self.address.map(Owner::Address)]);
        if self.owner == Owner::Server {
            permit.privileged()
        } else {
            permit
        }
    }
}
