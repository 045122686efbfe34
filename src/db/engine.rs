//! The differences between database engines: connecting, migrating, and SQL dialects.

pub(super) mod any_connection;
pub(super) mod clock;
pub(super) mod compact;
pub(super) mod connection;
pub(super) mod dialect;
pub(super) mod disk;
pub(super) mod error;
pub(super) mod file;
pub(super) mod largest_message;
pub(super) mod log_mark;
pub(super) mod migrations;
#[cfg(feature = "mysql")]
pub(super) mod mysql;
pub(super) mod pool;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
pub(super) mod schema;
pub(super) mod sqlite;
pub(super) mod statement;
pub(super) mod timestamp;
pub(super) mod url;
pub(super) mod version;
