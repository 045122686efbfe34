//! The files that may use a library.

use crate::sources::sources;

#[test]
fn each_outside_library_has_its_place() {
    let places: [(&str, &[&str]); 17] = [
        ("prometheus::", &["src/admin/"]),
        ("env_logger", &["src/telemetry/", "examples/"]),
        ("env_filter", &["src/telemetry/"]),
        ("governor::", &["src/limits/"]),
        (
            "redis::",
            &[
                "src/cluster/link.rs",
                "src/cluster/link/",
                "tests/needs/",
                "tests/database_servers/redis_network.rs",
                "tests/it/outbound.rs",
            ],
        ),
        ("ipnet::", &["src/limits/"]),
        ("reqwest", &["src/outbound/", "src/push/", "src/client/"]),
        // Only `outbound/http.rs` creates clients; any other client would trust no certificate.
        ("reqwest::Client::", &[]),
        ("reqwest::Client;", &[]),
        (
            "rustls",
            &[
                "src/outbound/tls.rs",
                // Parses PEM.
                "src/push/service_account.rs",
                "src/client/transport/websocket.rs",
                "tests/it/support/",
            ],
        ),
        ("jsonwebtoken", &["tests/it/push.rs"]),
        ("use ring::", &["src/push/"]),
        (
            "utoipa",
            &[
                "src/http/",
                // The status shows the counts of each room as they are.
                "src/admin/",
                "src/metrics/",
                "src/authsocket/counts.rs",
                "src/cluster/counters.rs",
                "src/cluster/peers.rs",
                "src/db/engine/sqlite/disk.rs",
                "src/db/handle/",
                "src/db/store/totals/recount.rs",
                "src/delivery/payment_gate.rs",
                "src/model/size.rs",
                "src/push/worker.rs",
                "src/rooms/commands.rs",
                "src/rooms/registry/inspection.rs",
            ],
        ),
        ("actix_web_actors", &["src/http/transport/websocket.rs"]),
        // A browser policy contains the word, too.
        (
            "unsafe",
            &[
                "src/auth/keys/signing.rs",
                "src/http/public/pages.rs",
                "tests/it/home.rs",
            ],
        ),
        (
            "diesel",
            &[
                "src/db/",
                "tests/it/support/database.rs",
                "tests/it/support/database_file.rs",
                "tests/database_servers/own_server.rs",
                // diesel's table of applied migrations has its name.
                "tests/database_servers/adoption.rs",
            ],
        ),
        (
            "bsv::",
            &[
                "src/auth/",
                "src/payments/",
                // The client of a wallet.
                "src/outbound/wallet.rs",
                // Parses outputs.
                "src/overlay/",
                "tests/auth_differential.rs",
                // The published Rust client needs one of its wallets.
                "tests/clients/rust/",
                "tests/it/certificates.rs",
                "tests/it/support/minting.rs",
                "tests/it/support/payer.rs",
            ],
        ),
    ];
    for source in sources(&["src", "tests", "examples"]) {
        if source.path.starts_with("tests/tidy/") {
            continue;
        }
        let code = source.code();
        for (word, allowed) in places {
            let is_allowed = allowed.iter().any(|place| source.path.starts_with(place));
            assert!(
                is_allowed || !code.contains(word),
                "{} uses {word}",
                source.path
            );
        }
    }
}
