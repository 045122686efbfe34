//! What MySQL and PostgreSQL servers do to us: they are killed, they encrypt, and they hold what another server left.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

#[expect(dead_code, reason = "tests/it uses the rest of it")]
#[path = "it/support/mod.rs"]
mod support;

#[path = "database_servers/adoption.rs"]
mod adoption;
#[path = "database_servers/archive.rs"]
mod archive;
#[path = "database_servers/backups.rs"]
mod backups;
#[path = "database_servers/encryption.rs"]
mod encryption;
#[path = "database_servers/large_messages.rs"]
mod large_messages;
#[path = "database_servers/own_server.rs"]
mod own_server;
#[path = "database_servers/redis_network.rs"]
mod redis_network;
#[path = "database_servers/restarts.rs"]
mod restarts;
#[path = "database_servers/round_robin.rs"]
mod round_robin;
#[path = "database_servers/three_nodes.rs"]
mod three_nodes;
#[path = "database_servers/traffic.rs"]
mod traffic;
