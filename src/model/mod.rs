//! Plain values that layers exchange: messages, payments, prices, pages. They are independent of the database.

mod device;
mod identity_list;
mod message;
mod payment;
mod permission;
mod quota;
mod session;
#[cfg(feature = "server")]
mod size;
mod submission;
mod waiting;

pub use device::Device;
pub use identity_list::{IdentityList, ListChange, ListedIdentity, NotServed};
pub use message::{
    CatchUpPage, ListBound, ListOrder, ListSink, MessageBody, MessageHead, NewMessage, NoMemory,
    OversizedMessage, Page, PageEnd, StoreOutcome, StoredMessage, WholeMessage,
};
pub use payment::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
    SpentPart,
};
pub use permission::{FeeQuote, Permission, PermissionPage};
pub use quota::{Quota, QuotaExceeded, QuotaResource, Quotas, Role, StoredTotal};
pub use session::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim, SessionRow};
#[cfg(feature = "server")]
pub use size::StoredSize;
pub use submission::{Paid, Submission, SubmitOutcome};
pub use waiting::{IdentityTotal, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};

#[cfg(test)]
pub(crate) mod tests;
