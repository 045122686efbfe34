//! Persistence: the `DbExecutor` actor, its handle and the store functions.
//!
//! Writes are grouped: while one transaction runs, those that arrive collect, and the next one commits them
//! together. A reply is given only after the commit that made its write durable.

mod clock;
mod connection;
mod error;
mod executor;
mod handle;
mod message;
mod message_store;
mod queue;
mod schema;

pub use connection::{DatabaseUrl, DbSettings};
pub use error::DbError;
pub use handle::{DbHandle, DbStatus};
pub use message::{
    Committed, MessageBody, MessagesStored, NewMessage, StoreOutcome, StoredMessage,
};
