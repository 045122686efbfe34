//! For whom the database works: each has a share and a turn, however much others ask.

use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, Owner, Permit};

/// For whom something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Lane {
    pub(in crate::db) owner: Owner,
    /// Where its client is; none where addresses have no limits.
    address: Option<AddressKey>,
}

impl Lane {
    /// The server works for itself only, wherever the reason came from.
    pub(in crate::db) fn new(owner: Owner, address: Option<AddressKey>) -> Self {
        let address = address.filter(|_| owner != Owner::Server);
        Self { owner, address }
    }

    /// For an identity, or for the server itself.
    pub(in crate::db) fn of(identity: Option<IdentityKey>, address: Option<AddressKey>) -> Self {
        Self::new(identity.map_or(Owner::Server, Owner::Identity), address)
    }

    /// Whose turn it is among all: identities of one address share theirs.
    pub(in crate::db) fn outer(&self) -> Owner {
        self.address.map_or(self.owner, Owner::Address)
    }

    /// Nothing yet. What the server does for itself is refused last: a payment that was taken has to be settled.
    pub(in crate::db) fn hold<S>(&self, budget: &KeyedBudget<Owner, S>) -> Permit<Owner, S> {
        let permit = budget.hold_for([Some(self.owner), self.address.map(Owner::Address)]);
        if self.owner == Owner::Server {
            permit.privileged()
        } else {
            permit
        }
    }
}
