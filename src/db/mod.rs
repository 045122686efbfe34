//! Persistence: the `DbExecutor` actor, its handle and the store functions.
//!
//! Writes are grouped: while one transaction runs, those that arrive collect, and the next one commits them
//! together. A reply is given only after the commit that made its write durable.

mod clock;
mod command;
mod connection;
mod device_store;
mod error;
mod executor;
mod expiry;
mod fees;
mod handle;
mod message;
mod message_store;
mod payment;
mod payment_store;
mod permission_store;
mod queue;
mod schema;
mod submission;

pub use connection::{DatabaseUrl, DbSettings};
pub use device_store::Device;
pub use error::DbError;
pub use fees::Quote;
pub use handle::{DbHandle, DbStatus};
pub use message::{
    Committed, MessageBody, MessagePage, MessagesStored, NewMessage, Order, Page, StoreOutcome,
    StoredMessage,
};
pub use payment::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
};
pub use permission_store::{Permission, PermissionPage};
pub use submission::{Paid, Submission, SubmitOutcome};
