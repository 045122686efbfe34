//! Tests that need more than a build: other programs, root, or running database servers.
//!
//! The harness ignores a test with a missing need and prints that need. With `REQUIRE_ALL=1` the test fails instead.
//! Register each function with `test!`: the attribute `#[test]` has no effect in this target.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

#[expect(dead_code, reason = "tests/it uses the rest of it")]
#[path = "../it/support/mod.rs"]
mod support;

#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../support/delaying_proxy.rs"]
mod delaying_proxy;
mod need;
mod redis_server;
mod test;

mod clients;
mod clock_steps;
mod cluster;
mod confinement;
mod databases;
mod dead_peers;
mod interop;
mod loadtest;
mod logs;
mod nonces;
mod redis_accounts;
mod redis_cluster;
mod redis_failover;
mod redis_tls;
mod storage_faults;

#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/adoption.rs"]
mod adoption;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/archive.rs"]
mod archive;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/backups.rs"]
mod backups;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/cutting_proxy.rs"]
mod cutting_proxy;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/encryption.rs"]
mod encryption;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/failover.rs"]
mod failover;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/imposed_settings.rs"]
mod imposed_settings;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/killed_connections.rs"]
mod killed_connections;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/large_messages.rs"]
mod large_messages;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/own_server.rs"]
mod own_server;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/poolers.rs"]
mod poolers;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/redis_network.rs"]
mod redis_network;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/restarts.rs"]
mod restarts;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/rolling_upgrade.rs"]
mod rolling_upgrade;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/round_robin.rs"]
mod round_robin;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/round_trips.rs"]
mod round_trips;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/silence.rs"]
mod silence;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/similar_ids.rs"]
mod similar_ids;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/three_nodes.rs"]
mod three_nodes;
#[cfg(all(feature = "mysql", feature = "postgres"))]
#[path = "../database_servers/traffic.rs"]
mod traffic;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let tests = [
        clock_steps::tests(),
        cluster::tests(),
        confinement::tests(),
        dead_peers::tests(),
        loadtest::tests(),
        logs::tests(),
        nonces::tests(),
        redis_accounts::tests(),
        redis_cluster::tests(),
        redis_failover::tests(),
        redis_tls::tests(),
        storage_faults::tests(),
        databases::tests(),
        interop::tests(),
        clients::tests(),
    ];
    let trials = tests.into_iter().flatten();
    let trials = trials.map(test::Test::into_trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
