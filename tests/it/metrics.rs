//! `/metrics` against the text format, and the files in `deploy/` against `/metrics`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::admin::ask_with;
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::eventually_async;
use crate::support::exposition::{self, Family};
use crate::support::server::TestServer;

/// The text once every actor has answered in time. On a busy machine some are late.
async fn text(server: &TestServer) -> String {
    let mut text = String::new();
    eventually_async("an answer of every actor", async || {
        let (status, answer) = ask_with(server, "GET", "/metrics", &[]).await;
        text = answer;
        let is_up = |actor| text.contains(&format!("messagebox_actor_up{{actor=\"{actor}\"}} 1"));
        // The stored totals are counted in the background.
        let is_counted = text.contains("messagebox_over_quota_identities");
        status == 200 && is_counted && ["rooms", "database", "health"].into_iter().all(is_up)
    })
    .await;
    text
}

async fn families(server: &TestServer) -> std::collections::BTreeMap<String, Family> {
    exposition::read(&text(server).await)
}

/// A server on which every counted event has happened once.
async fn busy() -> (TestServer, AuthSocketClient) {
    let server = TestServer::start();
    let alice = Brc104::connect(&server.http("")).await;
    assert_eq!(alice.post("/sendMessage", "{").await.status, 400);
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let room = bob.room("inbox");
    bob.send_message(&room, "1", "x").await;
    for _ in 0..2 {
        bob.event().await;
    }
    bob.send_message(&room, "", "x").await;
    bob.event().await;
    (server, bob)
}

#[actix_web::test]
async fn the_text_follows_the_format_and_has_the_counts() {
    let (server, bob) = busy().await;
    let text = text(&server).await;
    let families = exposition::read(&text);
    let value = |name: &str, label: (&str, &str)| {
        let samples = &families[name].samples;
        let found = samples.iter().find(|(_, labels, _)| {
            label.0.is_empty() || labels.get(label.0).is_some_and(|value| value == label.1)
        });
        found.unwrap_or_else(|| panic!("{name} {label:?}")).2
    };
    for (name, label, expected) in [
        ("messagebox_sockets", ("state", "proven"), 1.0),
        (
            "messagebox_socket_transports",
            ("transport", "polling"),
            0.0,
        ),
        ("messagebox_deliveries_total", ("", ""), 1.0),
        ("messagebox_messages_acknowledged_total", ("", ""), 1.0),
        (
            "messagebox_messages_refused_total",
            ("reason", "message_id"),
            1.0,
        ),
        ("messagebox_messages_stored_total", ("", ""), 1.0),
        (
            "messagebox_http_failures_total",
            ("code", "ERR_INVALID_JSON"),
            1.0,
        ),
        ("messagebox_handshakes_total", ("transport", "socket"), 1.0),
        ("messagebox_actor_up", ("actor", "rooms"), 1.0),
        ("messagebox_ready", ("check", "database"), 1.0),
        ("messagebox_degraded", ("cause", "wallet"), 0.0),
        (
            "messagebox_build_info",
            ("version", env!("CARGO_PKG_VERSION")),
            1.0,
        ),
    ] {
        assert!((value(name, label) - expected).abs() < 1e-9, "{name}");
    }
    let commits = &families["messagebox_database_commit_seconds"];
    let sum = commits
        .samples
        .iter()
        .find(|(name, ..)| name.ends_with("_sum"))
        .unwrap()
        .2;
    assert!(sum > 0.0 && sum < 60.0, "in seconds: {sum}");
    assert!(families.contains_key("process_resident_memory_bytes"));
    // Label values are words of the program.
    let key = bob.key().to_hex();
    assert!(
        !text.contains(key.get(..10).unwrap()) && !text.contains("127.0.0.1"),
        "{text}"
    );
    let labels: BTreeSet<&str> = families
        .values()
        .flat_map(|family| &family.samples)
        .flat_map(|(_, labels, _)| labels.keys().map(String::as_str))
        .collect();
    let known = [
        "actor",
        "cause",
        "check",
        "code",
        "event",
        "kind",
        "le",
        "outcome",
        "reason",
        "resource",
        "role",
        "route",
        "state",
        "status",
        "transport",
        "version",
    ];
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), known);
    for (name, family) in &families {
        let units = ["_milliseconds", "_micros", "_kilobytes", "_percent"];
        assert!(!units.iter().any(|unit| name.contains(unit)), "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
    }
}

#[actix_web::test]
async fn what_strangers_send_makes_no_new_series() {
    let (server, _bob) = busy().await;
    let mut count = 0;
    for round in 0..3 {
        for n in 0..20 {
            ask_with(&server, "GET", &format!("/{round}/{n}"), &[]).await;
        }
        // Waits until short-lived counts are back at zero.
        actix_web::rt::time::sleep(std::time::Duration::from_secs(1)).await;
        let now = families(&server)
            .await
            .values()
            .map(|family| family.samples.len())
            .sum();
        assert!(round < 2 || now == count, "{now} series, {count} before");
        count = now;
    }
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("messagebox_") || word.starts_with("process_"))
        .map(|word| {
            let bare = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| word.strip_suffix(suffix));
            bare.unwrap_or(word).to_owned()
        })
        .collect()
}

#[actix_web::test]
async fn the_dashboard_and_the_alerts_name_existing_metrics() {
    let (server, _bob) = busy().await;
    let known: BTreeSet<String> = families(&server).await.into_keys().collect();
    // Metrics of servers with push notifications, or of several servers.
    let elsewhere = [
        "messagebox_cluster_connected",
        "messagebox_cluster_nonces_total",
        "messagebox_push_pending",
        "messagebox_push_notifications_total",
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let dashboard = std::fs::read_to_string(root.join("grafana/messagebox.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(expressions.len() >= 10 && dashboard["uid"] == json!("messagebox"));
    let alerts = std::fs::read_to_string(root.join("prometheus/alerts.yml")).unwrap();
    let alerts: Value = serde_norway::from_str(&alerts).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 5);
    for rule in rules {
        assert!(
            rule["alert"].is_string() && rule["labels"]["severity"].is_string(),
            "{rule}"
        );
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
        expressions.push(rule["expr"].as_str().unwrap().to_owned());
    }
    for expression in expressions {
        let named = names(&expression);
        assert!(!named.is_empty(), "{expression} names no metric");
        for name in named {
            assert!(
                known.contains(&name) || elsewhere.contains(&name.as_str()),
                "{name}: {expression}"
            );
        }
    }
}
