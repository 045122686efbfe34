//! Plain values that layers exchange: messages, payments, prices, pages. They are independent of the database.

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
pub use identity_list::{IdentityList, ListChange, ListedIdentity};
#[cfg(test)]
pub(crate) use message::MESSAGE_OVERHEAD;
pub use message::{
    ListBound, ListOrder, ListSink, MessageBody, MessagePage, NewMessage, NoMemory,
    OversizedMessage, Page, PageEnd, StoreOutcome, StoredMessage,
};
pub use missed::{CatchUpPage, MessageHead, WholeMessage};
pub use payment::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
    SpentPart,
};
pub use permission::{Permission, PermissionPage};
pub use quota::{Quota, QuotaExceeded, QuotaResource, Quotas, Role, StoredTotal};
pub use quote::FeeQuote;
pub use request_claim::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim};
pub use session::SessionRow;
pub use size::StoredSize;
pub use submission::{Paid, Submission, SubmitOutcome};
pub use waiting::{IdentityTotal, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};
