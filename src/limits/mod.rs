//! Limits for addresses, identities and sockets: counts, rates, and the addresses behind proxies.
//!
//! This room knows no protocol. The caller refuses a request that exceeds a limit. It also holds the operator's block
//! and allow lists.

mod addresses;
mod budget;
mod identity_lists;
mod networks;
mod outbound;
mod owner;
mod rates;
mod refusals;
mod shares;
mod token_bucket;

pub use addresses::{AddressLimits, AddressSettings};
pub use budget::{KeyedBudget, Permit, SHARE, SMALL, share};
pub use identity_lists::IdentityLists;
pub use networks::{NetworkError, Networks, is_loopback_host};
pub use outbound::OutboundMemory;
pub use owner::{AddressKey, Holder, Owner};
pub use rates::KeyedRates;
pub use refusals::{LimitExceeded, Refusals, refusals};
pub use shares::{IdentityShares, Share};
pub use token_bucket::{BucketRates, Cost, Rate, TokenBucket};
