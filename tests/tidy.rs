//! Holds the rules of the layers and of the files, which no compiler checks.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines before `mod tests` that a file may have.
const MAX_LINES: usize = 400;

/// Where there is code; `fuzz/` also has what is built there.
const PLACES: [&str; 6] = [
    "src",
    "tests",
    "examples",
    "benches",
    "fuzz/src",
    "fuzz/fuzz_targets",
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The code without its unit tests and without comments.
    fn code(&self) -> String {
        let own = self.text.split("\n#[cfg(test)]").next().unwrap_or_default();
        own.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn is_in(&self, layer: &str) -> bool {
        self.path.starts_with(&format!("src/{layer}/")) || self.path == format!("src/{layer}.rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // The clients of others are packages of their own.
            if !path.ends_with("node_modules") && !path.ends_with("tests/clients") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files);
    }
    let read = |file: PathBuf| Source {
        path: file
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        text: fs::read_to_string(&file).unwrap(),
    };
    files.into_iter().map(read).collect()
}

/// Every place where a file of `layer` uses one of `words`.
fn uses(layer: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        if !source.is_in(layer) || source.is_test() {
            continue;
        }
        let code = source.code();
        for word in words {
            if code.contains(word) {
                found.push(format!("{} uses {word}", source.path));
            }
        }
    }
    found
}

const NO_WORDS: [String; 0] = [];

#[test]
fn pure_layers_know_no_runtime_and_no_clock() {
    let impure = [
        "actix",
        "tokio",
        "diesel",
        "Instant::now",
        "SystemTime::now",
        "async fn",
        "std::net::Tcp",
        "std::fs",
    ];
    for layer in [
        "engineio",
        "socketio",
        "auth",
        "events",
        "model",
        "rooms/membership",
        "rooms/interest",
        "rooms/seen",
        "rooms/topic",
        "cluster/channel",
        "cluster/envelope",
        "cluster/subscriptions",
        "outbound/clock_offset",
        "overlay/advertisement",
        "overlay/answer",
        "overlay/host",
        "overlay/locking",
        "overlay/service_token",
        "backoff",
        "ids",
        "js_trim",
        "json_depth",
        "json_text",
        "json_unicode",
    ] {
        assert_eq!(uses(layer, &impure), NO_WORDS, "{layer}");
    }
}

/// What each layer must not know, beside the shell and the composition root.
const ABOVE: &[(&str, &[&str])] = &[
    ("ids", &["crate::"]),
    ("js_trim", &["crate::"]),
    ("json_depth", &["crate::"]),
    ("live", &["crate::"]),
    ("json_text", &["crate::"]),
    ("json_unicode", &["crate::"]),
    ("panics", &["crate::"]),
    ("documents", &["crate::", "actix", "tokio"]),
    ("metrics", &["crate::", "actix", "tokio"]),
    ("telemetry", &["crate::"]),
    ("admin/guard", &["actix", "tokio", "Instant::now"]),
    (
        "admin/rates",
        &["crate::", "actix", "tokio", "Instant::now"],
    ),
    (
        "health",
        &[
            "crate::socket",
            "crate::auth",
            "crate::rooms",
            "crate::db",
            "crate::delivery",
            "diesel",
        ],
    ),
    (
        "limits",
        &[
            "crate::engineio",
            "crate::socketio",
            "crate::auth",
            "crate::events",
            "crate::rooms",
            "crate::db",
            "crate::delivery",
            "crate::socket:",
            "actix",
            "tokio",
            "Instant::now",
        ],
    ),
    ("json_object", &["crate::"]),
    (
        "engineio",
        &[
            "crate::socketio",
            "crate::auth",
            "crate::events",
            "crate::socket:",
        ],
    ),
    (
        "socketio",
        &[
            "crate::engineio",
            "crate::auth",
            "crate::events",
            "crate::socket:",
        ],
    ),
    (
        "auth",
        &[
            "crate::engineio",
            "crate::socketio",
            "crate::events",
            "crate::rooms",
            "crate::db",
        ],
    ),
    (
        "events",
        &[
            "crate::engineio",
            "crate::socketio",
            "crate::rooms",
            "crate::db",
            "crate::socket:",
        ],
    ),
    (
        "cluster",
        &[
            "crate::socket:",
            "crate::socketio",
            "crate::engineio",
            "crate::authsocket",
            "crate::delivery",
            "crate::payments",
            "diesel",
        ],
    ),
    (
        "rooms",
        &[
            "crate::db",
            "crate::cluster",
            "crate::delivery",
            "crate::socket:",
            "crate::authsocket",
        ],
    ),
    (
        "db",
        &[
            "crate::rooms",
            "crate::events",
            "crate::delivery",
            "crate::socket:",
            "crate::auth",
        ],
    ),
    (
        "db/engine",
        &[
            "db::store",
            "db::writer",
            "db::archive",
            "db::handle",
            "super::super",
        ],
    ),
    (
        "db/store",
        &["db::writer", "db::archive", "db::handle", "super::super"],
    ),
    ("db/writer", &["db::archive", "db::handle"]),
    ("db/archive", &["db::writer", "db::handle", "super::super"]),
    (
        "push",
        &[
            "crate::socket",
            "crate::engineio",
            "crate::auth",
            "crate::events",
            "crate::rooms",
            "crate::delivery",
            "crate::payments",
        ],
    ),
    ("outbound", &["crate::", "actix", "diesel"]),
    (
        "payments",
        &[
            "crate::socket",
            "crate::engineio",
            "crate::events",
            "crate::rooms",
            "crate::delivery",
            "crate::authsocket",
            "crate::db",
            "diesel",
        ],
    ),
    (
        "overlay",
        &[
            "crate::socket",
            "crate::engineio",
            "crate::events",
            "crate::rooms",
            "crate::db",
            "crate::delivery",
            "crate::authsocket",
            "crate::client",
            "actix",
            "reqwest",
            "rustls",
        ],
    ),
    ("backoff", &["crate::", "actix", "tokio"]),
    (
        "delivery",
        &[
            "crate::socket:",
            "crate::socketio",
            "crate::engineio",
            "crate::authsocket",
        ],
    ),
    (
        "socket",
        &[
            "crate::socketio",
            "crate::auth",
            "crate::events",
            "crate::rooms",
            "crate::db",
        ],
    ),
    (
        "client",
        &[
            "crate::authsocket",
            "crate::config",
            "crate::db",
            "crate::delivery",
            "crate::payments",
            "crate::push",
            "crate::rooms",
            "crate::socket:",
            "actix",
        ],
    ),
];

#[test]
fn the_server_knows_no_client() {
    for source in sources(&["src"]) {
        let is_other_end = source.is_in("client") || source.path.starts_with("src/bin/");
        // Reading without verifying is for those who only measure.
        for word in ["crate::client", "unverified_payload"] {
            let own = source.path.starts_with("src/auth/") && word == "unverified_payload";
            assert!(
                is_other_end || own || !source.code().contains(word),
                "{} uses {word}",
                source.path
            );
        }
    }
}

#[test]
fn tools_know_the_server_only_from_outside() {
    let bins = sources(&["src/bin"]);
    assert!(!bins.is_empty());
    for source in bins {
        for layer in [
            "authsocket",
            "config",
            "db",
            "delivery",
            "http",
            "payments",
            "push",
            "rooms",
            "server",
            "socket",
        ] {
            let word = format!("messagebox::{layer}::");
            assert!(
                !source.code().contains(&word),
                "{} uses {word}",
                source.path
            );
        }
    }
}

/// What of the library the command may use: a client needs no more, and no web or database library either.
#[test]
fn the_command_is_a_client_and_nothing_else() {
    let files = sources(&["src/bin/messagebox"]);
    assert!(!files.is_empty());
    for source in files {
        let code = source.code();
        for found in code.split("messagebox::").skip(1) {
            let layer = found.split("::").next().unwrap_or_default();
            assert!(
                ["auth", "client", "documents", "ids", "overlay"].contains(&layer),
                "{} uses messagebox::{layer}",
                source.path
            );
        }
        for library in [
            "actix",
            "diesel",
            "secp256k1",
            "tokio_tungstenite",
            "env_logger",
        ] {
            assert!(!code.contains(library), "{} uses {library}", source.path);
        }
        // What others wrote reaches a terminal through `output.rs` only.
        let writes = ["stdout()", "println!", "print!("];
        let is_output = source.path.ends_with("/output.rs");
        assert!(
            is_output || !writes.iter().any(|word| code.contains(word)),
            "{} writes by itself",
            source.path
        );
    }
}

#[test]
fn layers_know_only_what_is_below_them() {
    for (layer, words) in ABOVE {
        let words = [*words, &["crate::http", "crate::server"]].concat();
        assert_eq!(uses(layer, &words), NO_WORDS, "{layer}");
    }
}

#[test]
fn plain_values_have_only_ids_from_elsewhere() {
    for source in sources(&["src/model"]) {
        let code = source.code().replace("crate::ids", "");
        assert!(
            !code.contains("crate::"),
            "{} uses another layer",
            source.path
        );
    }
}

/// Where a secret is held against what somebody sent, in the same time whatever that is. Signatures need none of it: what
/// they are checked with is public. Session nonces and session ids are looked up, by the hash of what nobody can guess.
const COMPARISONS: [&str; 4] = [
    "src/admin/guard.rs",
    "src/auth/identity.rs",
    "src/cluster/envelope.rs",
    "src/http/migrate.rs",
];

#[test]
fn secrets_are_compared_in_constant_time() {
    for source in sources(&["src"]) {
        let code = source.code();
        let is_known = COMPARISONS.contains(&source.path.as_str());
        let compares = code.contains(".ct_eq(");
        assert_eq!(compares, is_known, "{} compares a secret", source.path);
        // Who makes an HMAC has to compare it, so nobody else makes one.
        let makes = code.contains("hmac::");
        let allowed = [
            "src/auth/keys/signing.rs",
            "src/auth/keys.rs",
            "src/cluster/envelope.rs",
        ];
        let may = allowed.contains(&source.path.as_str());
        assert!(may || !makes, "{} makes an HMAC", source.path);
    }
}

/// What is put into a statement is bound: none is put together from texts.
#[test]
fn statements_are_not_put_together_from_texts() {
    // What sets a session cannot be bound, and is numbers of the operator's; what migrates is written in files.
    let exempt = ["sqlite", "mysql", "postgres", "migrations"];
    for source in sources(&["src"]) {
        let code = source.code();
        // The size of a body, an expression that depends on the database and on nothing else.
        let sizes = [
            "src/db/store/message_list.rs",
            "src/db/store/missed.rs",
            "src/db/archive/rows.rs",
        ];
        let is_expression = sizes.contains(&source.path.as_str()) && !code.contains("format!");
        let has_expression = code.contains("dsl::sql");
        assert!(
            is_expression || !has_expression,
            "{} writes SQL",
            source.path
        );
        let is_exempt = exempt.map(|name| format!("src/db/engine/{name}.rs"));
        if source.is_test() || is_exempt.contains(&source.path) {
            continue;
        }
        for call in ["sql_query(", "batch_execute("] {
            for argument in code.split(call).skip(1) {
                let is_literal = argument.trim_start().starts_with('"');
                assert!(is_literal, "{} puts a statement together", source.path);
            }
        }
    }
}

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
                here || !used || source.path == "tests/tidy.rs",
                "{} uses {word}",
                source.path
            );
        }
    }
}

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    for source in sources(&PLACES) {
        assert!(
            source.text.starts_with("//! "),
            "{} begins without `//!`",
            source.path
        );
        let lines = source
            .text
            .split("\n#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .lines()
            .count();
        let is_code = source.path.starts_with("src/") && !source.is_test();
        assert!(
            !is_code || lines <= MAX_LINES,
            "{} has {lines} lines",
            source.path
        );
    }
}

/// Tests that run programs of others belong in `tests/needs`, which ignores them where a program is missing.
#[test]
fn what_needs_more_than_a_build_says_so() {
    for source in sources(&["src", "tests/it"]) {
        for word in [
            "\"redis-server\"",
            "\"node\"",
            "\"unshare\"",
            "\"nsenter\"",
            "\"kill\"",
        ] {
            // The server with a mount of its own is started for tests of `tests/needs` only.
            let is_start = source.path == "tests/it/support/server.rs" && word == "\"unshare\"";
            let spawns = source.text.contains(&format!("Command::new({word})"));
            assert!(is_start || !spawns, "{} runs {word}", source.path);
        }
    }
    // The attribute compiles to nothing without Rust's own harness.
    for source in sources(&["tests/needs", "tests/database_servers"]) {
        let is_ignored = source.code().contains("test]\n");
        assert!(!is_ignored, "{}: #[test] runs nothing", source.path);
    }
}

#[test]
fn files_are_named_for_what_they_hold() {
    for source in sources(&PLACES) {
        for name in [
            "utils", "util", "helpers", "common", "manager", "types", "misc",
        ] {
            assert!(
                !source.path.ends_with(&format!("/{name}.rs")),
                "{}",
                source.path
            );
            assert!(
                !source.path.contains(&format!("/{name}/")),
                "{}",
                source.path
            );
        }
    }
}

#[test]
fn every_migration_can_be_undone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut count = 0;
    for backend in fs::read_dir(root).unwrap() {
        let backend = backend.unwrap().path();
        if !backend.is_dir() {
            continue;
        }
        for migration in fs::read_dir(backend).unwrap() {
            let migration = migration.unwrap().path();
            if migration.is_dir() {
                count += 1;
                assert!(
                    migration.join("up.sql").is_file(),
                    "{}",
                    migration.display()
                );
                assert!(
                    migration.join("down.sql").is_file(),
                    "{}",
                    migration.display()
                );
            }
        }
    }
    assert!(count > 0, "there are no migrations");
}

/// Crates that need more than a C compiler, or a second implementation of TLS. The features `mysql` and `postgres` have
/// OpenSSL, for their client libraries.
const NOT_BUILT: [&str; 5] = [
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "aws-lc-rs",
    "cmake",
];

#[test]
fn the_default_features_and_their_tests_need_no_openssl() {
    let edges = "normal,build,dev";
    let said = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let tree = String::from_utf8(said.stdout).unwrap();
    let built: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(built.contains(&"rustls") && built.contains(&"ring"));
    for name in NOT_BUILT {
        assert!(!built.contains(&name), "{name} is built");
    }
}
