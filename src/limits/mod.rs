//! How much one address, one identity and one socket may ask for: counts, rates, and who is behind a proxy.
//!
//! Knows no protocol and decides no answer: who is over a limit is told so by whoever asked. Also whom the operator serves at all.

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
