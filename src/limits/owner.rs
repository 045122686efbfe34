//! Who holds a part of a bounded resource.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use crate::ids::IdentityKey;

/// A key under which a [`super::KeyedBudget`] counts.
pub trait Holder: Eq + Hash + Clone {
    /// Its name in the log; identities are shortened.
    fn label(&self) -> String;

    /// The address, if the key is one.
    fn address(&self) -> Option<AddressKey> {
        None
    }
}

/// An address of IPv4, or a network of 64 bits of IPv6: as much as one customer of a provider has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = if self.0.is_ipv6() { "/64" } else { "" };
        write!(f, "{}{network}", self.0)
    }
}

impl Holder for AddressKey {
    fn label(&self) -> String {
        format!("address {self}")
    }

    fn address(&self) -> Option<AddressKey> {
        Some(*self)
    }
}

impl AddressKey {
    /// The key under which this address counts.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(Ipv6Addr::from(network).into())
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
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
