//! The keys that a budget counts by.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use crate::ids::IdentityKey;

/// A key of a [`super::KeyedBudget`].
pub trait Holder: Eq + Hash + Clone {
    /// The key's name in logs. It shortens identities.
    fn label(&self) -> String;

    /// The address, if the key is one.
    fn address(&self) -> Option<AddressKey> {
        None
    }
}

/// An IPv4 address, or a /64 network of IPv6, which is what a provider gives to one customer.
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
    /// The key that this address counts for.
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

/// An owner of permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A client that has authenticated with this key.
    Identity(IdentityKey),
    /// All clients at this address.
    Address(AddressKey),
    /// All unauthenticated clients together.
    Unauthenticated,
    Server,
}

impl Owner {
    /// The owners of an identity's work from this address. The identity comes first: while it holds nothing, it may
    /// take a little even if its address has used its share.
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
            Self::Unauthenticated => "an unauthenticated client".to_owned(),
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
