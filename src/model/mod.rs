//! Plain values that the layers hand to each other: messages, payments, prices, pages. They know no database.

mod device;
mod identity_list;
mod message;
mod missed;
mod payment;
mod permission;
mod quota;
mod quote;
mod request_claim;
mod session;
mod size;
mod submission;
mod waiting;

pub use device::Device;
pub use identity_list::{IdentityList, ListChange, ListedIdentity, NotServed};
#[cfg(test)]
pub(crate) use message::MESSAGE_OVERHEAD;
pub use message::{
    ListBound, ListSink, Listed, MessageBody, MessagePage, NewMessage, NoMemory, Order,
    OversizedMessage, Page, StoreOutcome, StoredMessage,
};
pub use missed::{MessageHead, MissedPage, WholeMessage};
pub use payment::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
    SpentPart,
};
pub use permission::{Permission, PermissionPage};
pub use quota::{Quota, QuotaExceeded, QuotaResource, Quotas, Role, StoredTotal};
pub use quote::Quote;
pub use request_claim::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim};
pub use session::SessionRow;
pub use size::StoredSize;
pub use submission::{Paid, Submission, SubmitOutcome};
pub use waiting::{IdentityTotal, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};
