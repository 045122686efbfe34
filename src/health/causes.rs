//! The words for what can degrade a server, the same in every place.

/// Redis does not answer, refuses writes, or does not pass events on to another node.
pub const REDIS: &str = "redis";
/// The wallet that takes payments.
pub const WALLET: &str = "wallet";
/// The block headers service for payment checks.
pub const HEADERS: &str = "headers";
/// Firebase Cloud Messaging, for push notifications.
pub const FCM: &str = "fcm";
/// The disk of the database file is full, or nearly full.
pub const DISK: &str = "disk";
/// This machine's clock differs from those of other machines.
pub const CLOCK: &str = "clock";
/// The database was copied without its write-ahead log.
pub const DATABASE_LOG: &str = "database_log";

pub const CAUSES: [&str; 7] = [REDIS, WALLET, HEADERS, FCM, DISK, CLOCK, DATABASE_LOG];
