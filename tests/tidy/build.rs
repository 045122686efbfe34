//! The crates of each build, and the reversal of migrations.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Crates that need more than a C compiler, or contain a second implementation of TLS. The features `mysql` and `postgres`
/// use OpenSSL for their client libraries.
const NOT_BUILT: [&str; 5] = [
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "aws-lc-rs",
    "cmake",
];

/// Crates that the server needs and its clients do not.
const NOT_IN_CLIENTS: [&str; 7] = [
    "actix",
    "actix-http",
    "actix-web",
    "diesel",
    "libsqlite3-sys",
    "prometheus",
    "redis",
];

/// The crates that a build with these arguments of `cargo tree` has.
fn built(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn has(built: &[String], name: &str) -> bool {
    built.iter().any(|known| known == name)
}

#[test]
fn the_default_features_and_their_tests_need_no_openssl() {
    let built = built(&["--edges", "normal,build,dev"]);
    assert!(has(&built, "rustls") && has(&built, "ring"));
    for name in NOT_BUILT {
        assert!(!has(&built, name), "{name} is built");
    }
}

#[test]
fn clients_build_without_the_server() {
    let client = ["--no-default-features", "--features", "client"];
    let built = built(&[&client[..], &["--edges", "normal,build"]].concat());
    assert!(has(&built, "reqwest") && has(&built, "tokio-tungstenite"));
    for name in NOT_IN_CLIENTS {
        assert!(!has(&built, name), "{name} is built for the clients");
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
                for file in ["up.sql", "down.sql"] {
                    let has_file = migration.join(file).is_file();
                    assert!(has_file, "{} has no {file}", migration.display());
                }
            }
        }
    }
    assert!(count > 0, "there are no migrations");
}
