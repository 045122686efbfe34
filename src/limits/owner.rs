//! Who holds a part of a bounded resource.

use std::hash::Hash;

use crate::ids::IdentityKey;

use super::addresses::AddressKey;

/// A key under which a [`super::KeyedBudget`] counts.
pub trait Holder: Eq + Hash + Clone {
    /// Its name in the log; identities are shortened.
    fn label(&self) -> String;

    /// The address, if the key is one.
    fn address(&self) -> Option<AddressKey> {
        None
    }
}

/// Who holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A client that has proven this key.
    Identity(IdentityKey),
    /// All clients at this address.
    Address(AddressKey),
    /// All clients that have proven no key.
    Strangers,
    /// The server itself.
    Server,
}

impl Owner {
    /// The owners of what this identity does from this address. The identity comes first: where it holds nothing, it may
    /// take a little although its address has used its share.
    #[must_use]
    pub fn both(identity: IdentityKey, address: Option<AddressKey>) -> [Option<Self>; 2] {
        [Some(Self::Identity(identity)), address.map(Self::Address)]
    }
}

impl Holder for Owner {
    fn label(&self) -> String {
        match self {
            Self::Identity(identity) => identity.label(),
            Self::Address(address) => address.label(),
            Self::Strangers => "a client without a proven key".to_owned(),
            Self::Server => "the server itself".to_owned(),
        }
    }

    fn address(&self) -> Option<AddressKey> {
        match self {
            Self::Address(address) => Some(*address),
            _ => None,
        }
    }
}

impl Holder for IdentityKey {
    fn label(&self) -> String {
        format!("identity {}", self.shortened())
    }
}

#[cfg(test)]
impl Holder for &'static str {
    fn label(&self) -> String {
        (*self).to_owned()
    }
}
