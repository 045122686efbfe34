//! Each outside library has its place.

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
        // Clients are made in `outbound/http.rs`; any other would trust no certificate.
        ("reqwest::Client::", &[]),
        ("reqwest::Client;", &[]),
        (
            "rustls",
            &[
                "src/outbound/tls.rs",
                // Reads PEM.
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
                "src/admin/history.rs",
                "src/admin/rooms.rs",
                "src/admin/status.rs",
                "src/admin/neighbours.rs",
                "src/admin/storage.rs",
            ],
        ),
        ("actix_web_actors", &["src/http/websocket.rs"]),
        // A word of a browser's policy has it too.
        (
            "unsafe",
            &[
                "src/auth/keys/signing.rs",
                "src/http/pages.rs",
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
                // What was applied is noted in a table of its name.
                "tests/database_servers/adoption.rs",
            ],
        ),
        (
            "bsv::",
            &[
                "src/auth/",
                "src/payments/",
                // A wallet is asked.
                "src/outbound/wallet.rs",
                // Outputs are read.
                "src/overlay/",
                "tests/auth_differential.rs",
                // The published Rust client takes a wallet of it.
                "tests/clients/rust/",
                "tests/it/certificates.rs",
                "tests/it/support/minting.rs",
                "tests/it/support/payer.rs",
            ],
        ),
    ];
    for (word, allowed) in places {
        for source in sources(&["src", "tests", "examples"]) {
            let here = allowed.iter().any(|place| source.path.starts_with(place));
            let used = source.code().contains(word);
            assert!(
                here || !used || source.path.starts_with("tests/tidy/"),
                "{} uses {word}",
                source.path
            );
        }
    }
}
