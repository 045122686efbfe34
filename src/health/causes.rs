//! What can degrade a server: one word for each cause, the same in every place.

/// Redis does not respond or accepts no writes, or another node does not receive from this one.
pub const REDIS: &str = "redis";
/// The wallet that accepts payments.
pub const WALLET: &str = "wallet";
/// The block headers service that verifies payments.
pub const HEADERS: &str = "headers";
/// Firebase Cloud Messaging, which push notifications need.
pub const FCM: &str = "fcm";
/// The disk of the database file is full or nearly full.
pub const DISK: &str = "disk";
/// The clock of this machine differs from the others.
pub const CLOCK: &str = "clock";
/// The database file was copied without its write-ahead log.
pub const DATABASE_LOG: &str = "database_log";

pub const CAUSES: [&str; 7] = [REDIS, WALLET, HEADERS, FCM, DISK, CLOCK, DATABASE_LOG];
