//! What a server can be degraded by: one word for each, the same wherever it is said.

/// Redis does not answer, or does not take writes, or another node does not hear this one.
pub const REDIS: &str = "redis";
/// The wallet that takes payments.
pub const WALLET: &str = "wallet";
/// The block headers service that payments are checked with.
pub const HEADERS: &str = "headers";
/// Firebase Cloud Messaging.
pub const FCM: &str = "fcm";
/// The disk of the database's file is full, or nearly.
pub const DISK: &str = "disk";
/// This machine's clock differs from those of the others.
pub const CLOCK: &str = "clock";
/// The database was copied without its log of writes.
pub const DATABASE_LOG: &str = "database_log";

/// All of them.
pub const CAUSES: [&str; 7] = [REDIS, WALLET, HEADERS, FCM, DISK, CLOCK, DATABASE_LOG];
