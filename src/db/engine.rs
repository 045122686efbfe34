//! The differences between database engines: connecting, migrating, and SQL dialects.

pub(super) mod any_connection;
pub(super) mod clock;
pub(super) mod connect;
pub(super) mod dialect;
pub(super) mod error;
pub(super) mod migrations;
#[cfg(feature = "mysql")]
pub(super) mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
pub(super) mod schema;
pub(super) mod sqlite;
pub(super) mod statement;
pub(super) mod transaction;
