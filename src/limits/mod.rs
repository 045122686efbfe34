//! How much one address, one identity and one socket may ask for: counts, rates, and who is behind a proxy.
//!
//! Knows no protocol and decides no answer: who is over a limit is told so by whoever asked. Also whom the operator serves at all.

mod addresses;
mod budget;
mod flow;
mod identity_lists;
mod networks;
mod outbound;
mod owner;
mod pace;
mod rates;
mod refusals;
mod shares;

pub use addresses::{AddressKey, AddressLimits, AddressSettings};
pub use budget::{KeyedBudget, LimitExceeded, Permit, SHARE, SMALL, share};
pub use flow::{Amount, Flow, FlowRates, Rate};
pub use identity_lists::{IdentityLists, NotServed};
pub use networks::{NetworkError, Networks, is_loopback_host};
pub use outbound::OutboundMemory;
pub use owner::{Holder, Owner};
pub use pace::{Pace, PaceError, PaceWindow};
pub use rates::KeyedRates;
pub use refusals::{Refusals, refusals};
pub use shares::{IdentityShares, Share};
