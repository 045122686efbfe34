//! Pure rooms know no runtime, no clock and no I/O. Other rooms lack single libraries.

use crate::assert_none;
use crate::sources::sources;

const IMPURE: [&str; 8] = [
    "actix",
    "tokio",
    "diesel",
    "Instant::now",
    "SystemTime::now",
    "async fn",
    "std::net::Tcp",
    "std::fs",
];

/// Rooms and single files that are pure: time and chance are arguments.
const PURE: [&str; 27] = [
    "auth",
    "backoff",
    "beef_layout",
    "bounded_list",
    "cluster/channel",
    "cluster/envelope",
    "cluster/inbound/subscriptions",
    "engineio",
    "events",
    "ids",
    "js_trim",
    "json_depth",
    "json_object",
    "json_text",
    "json_unicode",
    "model",
    "outbound/clock_offset",
    "overlay/advertisement",
    "overlay/answer",
    "overlay/host",
    "overlay/locking",
    "overlay/service_token",
    "rooms/membership",
    "rooms/dedup_window",
    "rooms/topic",
    "socketio",
    "throttle",
];

/// Words that a room or a file must not use.
const ABSENT: [(&str, &[&str]); 12] = [
    ("admin/guard", &["actix", "tokio", "Instant::now"]),
    (
        "admin/rates",
        &["crate::", "actix", "tokio", "Instant::now"],
    ),
    (
        "bin/messagebox",
        &[
            "actix",
            "diesel",
            "secp256k1",
            "tokio_tungstenite",
            "env_logger",
        ],
    ),
    ("client", &["actix"]),
    ("cluster", &["diesel"]),
    ("documents", &["actix", "tokio"]),
    ("health", &["diesel"]),
    ("limits", &["actix", "tokio", "Instant::now"]),
    ("metrics", &["actix", "tokio"]),
    ("outbound", &["actix", "diesel"]),
    ("overlay", &["actix", "reqwest", "rustls"]),
    ("payments", &["diesel"]),
];

#[test]
fn rooms_use_no_words_that_they_must_not() {
    let pure = PURE.map(|room| (room, &IMPURE[..]));
    let mut breaks = Vec::new();
    let sources = sources(&["src"]);
    for (room, words) in pure.into_iter().chain(ABSENT) {
        let own: Vec<_> = sources.iter().filter(|source| source.is_in(room)).collect();
        if own.is_empty() {
            breaks.push(format!("{room} has no files: name what it is called now"));
        }
        for source in own.into_iter().filter(|source| !source.is_test()) {
            let code = source.code();
            let used = words.iter().filter(|word| code.contains(*word));
            breaks.extend(used.map(|word| format!("{}: {room} must not use {word}", source.path)));
        }
    }
    assert_none(&breaks);
}

/// Text from other people reaches a terminal through `output.rs` only.
#[test]
fn the_command_writes_in_one_file() {
    let writes = ["stdout()", "println!", "print!("];
    for source in sources(&["src/bin/messagebox"]) {
        let code = source.code();
        let is_output = source.path.ends_with("/output.rs");
        assert!(
            is_output || !writes.iter().any(|word| code.contains(word)),
            "{} writes by itself",
            source.path
        );
    }
}
