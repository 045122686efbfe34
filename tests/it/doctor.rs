//! `messagebox doctor`: a result for each check, and an exit code.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::command::{Finished, User};
use crate::support::remote::Remote;
use crate::support::server::{TestServer, free_address};

/// The results by name, in order.
fn verdicts(result: &Finished) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&result.out).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks
        .map(|check| {
            let advised = check["advice"].is_string();
            assert_eq!(advised, check["verdict"] != "ok", "{check}");
            (text(&check["name"]), text(&check["verdict"]))
        })
        .collect()
}

fn last(result: &Finished) -> (String, String) {
    verdicts(result).pop().unwrap()
}

#[test]
fn a_healthy_server_passes_every_check() {
    let server = TestServer::start();
    let user = User::of(&server.http(""));
    let result = user.run(&["doctor", "--requests", "5"]);
    let report = result.json();
    assert_eq!(report["verdict"], "ok", "{}", result.out);
    assert_eq!(report["identityKey"], server.identity_key.to_hex());
    assert_eq!(report["info"]["version"], env!("CARGO_PKG_VERSION"));
    let checks = verdicts(&result);
    assert!(
        checks.iter().all(|(_, verdict)| verdict == "ok"),
        "{checks:?}"
    );
    let names: Vec<&str> = checks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "command",
            "name",
            "connection",
            "HTTP",
            "health",
            "readiness",
            "clock",
            "version",
            "limits",
            "handshake",
            "requests",
            "polling",
            "websocket",
            "upgrade"
        ]
    );
    assert_eq!(report["latency"]["count"], 5);
    let (p50, max) = (&report["latency"]["p50Ms"], &report["latency"]["maxMs"]);
    assert!(p50.as_f64().unwrap() > 0.0 && max.as_f64() >= p50.as_f64());
    // It needs no key and leaves no file.
    let stranger = User::without_key(&server.http(""));
    let human = stranger.run(&["doctor", "--human"]);
    assert!(
        human.human().contains("a key generated for this check"),
        "{}",
        human.out
    );
    assert!(
        human.out.ends_with("all is well\n") && human.out.contains("ok       upgrade "),
        "{}",
        human.out
    );
    assert!(!stranger.key_file().exists());
}

#[test]
fn a_dead_port_is_unreachable() {
    let result = User::of(&format!("http://{}", free_address())).run(&["doctor"]);
    assert_eq!(result.code, 3);
    assert_eq!(last(&result), ("connection".into(), "failed".into()));
    let result = User::of("http://no-such-host.invalid").run(&["doctor", "--human"]);
    assert_eq!(result.code, 3);
    assert!(
        result.out.contains("failed   name") && result.out.ends_with("it does not work\n"),
        "{}",
        result.out
    );
}

#[test]
fn a_server_without_sockets_is_a_warning() {
    let server = TestServer::with(|settings| settings.socket.enabled = false);
    let result = User::of(&server.http("")).run(&["doctor"]);
    assert_eq!(result.code, 0, "{}", result.out);
    assert_eq!(result.json()["verdict"], "warning");
    assert_eq!(last(&result), ("sockets".into(), "warning".into()));
}

#[test]
fn another_kind_of_server_is_recognized() {
    for status in [200, 404] {
        let other = Remote::start(move |_| (status, json!("hello")).into());
        let result = User::of(&other.url).run(&["doctor"]);
        assert_eq!(result.code, 5, "{}", result.out);
        assert_eq!(last(&result), ("handshake".into(), "failed".into()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"SSH-2.0-something\r\n");
        }
    });
    let result = User::of(&format!("http://{address}")).run(&["doctor"]);
    assert_eq!(result.code, 5, "{}", result.out);
    assert_eq!(last(&result), ("HTTP".into(), "failed".into()));
    let result = User::of(&format!("https://{address}")).run(&["doctor"]);
    assert_eq!(result.code, 3, "{}", result.out);
    assert_eq!(last(&result), ("TLS".into(), "failed".into()));
}

#[test]
fn a_server_that_is_not_ready_fails_the_check() {
    let sick = Remote::start(|request| match request.path.as_str() {
        "/readyz" => (503, json!({"database": "down"})).into(),
        _ => (200, json!("fine")).into(),
    });
    let result = User::of(&sick.url).run(&["doctor"]);
    // The first failure sets the exit code.
    assert_eq!(result.code, 1, "{}", result.out);
    assert!(verdicts(&result).contains(&("readiness".into(), "failed".into())));
    assert!(result.out.contains("database"), "{}", result.out);
}
