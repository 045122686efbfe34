//! `messagebox doctor`: a verdict for each check, and an exit code.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::command::{Said, User};
use crate::support::remote::Remote;
use crate::support::server::{TestServer, free_address};

/// The verdicts by name, in their order.
fn verdicts(said: &Said) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&said.out).unwrap();
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

fn last(said: &Said) -> (String, String) {
    verdicts(said).pop().unwrap()
}

#[test]
fn a_healthy_server_is_well() {
    let server = TestServer::start();
    let user = User::of(&server.http(""));
    let said = user.run(&["doctor", "--requests", "5"]);
    let report = said.json();
    assert_eq!(report["verdict"], "ok", "{}", said.out);
    assert_eq!(report["identityKey"], server.identity_key.to_hex());
    assert_eq!(report["info"]["version"], env!("CARGO_PKG_VERSION"));
    let checks = verdicts(&said);
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
    // It needs no key, and leaves nothing behind.
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
    let said = User::of(&format!("http://{}", free_address())).run(&["doctor"]);
    assert_eq!(said.code, 3);
    assert_eq!(last(&said), ("connection".into(), "failed".into()));
    let said = User::of("http://no-such-host.invalid").run(&["doctor", "--human"]);
    assert_eq!(said.code, 3);
    assert!(
        said.out.contains("failed   name") && said.out.ends_with("it does not work\n"),
        "{}",
        said.out
    );
}

#[test]
fn a_server_without_sockets_is_a_warning() {
    let server = TestServer::with(|settings| settings.socket.enabled = false);
    let said = User::of(&server.http("")).run(&["doctor"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert_eq!(said.json()["verdict"], "warning");
    assert_eq!(last(&said), ("sockets".into(), "warning".into()));
}

#[test]
fn what_is_no_messagebox_server_is_told_as_such() {
    for status in [200, 404] {
        let other = Remote::start(move |_| (status, json!("hello")).into());
        let said = User::of(&other.url).run(&["doctor"]);
        assert_eq!(said.code, 5, "{}", said.out);
        assert_eq!(last(&said), ("handshake".into(), "failed".into()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"SSH-2.0-something\r\n");
        }
    });
    let said = User::of(&format!("http://{address}")).run(&["doctor"]);
    assert_eq!(said.code, 5, "{}", said.out);
    assert_eq!(last(&said), ("HTTP".into(), "failed".into()));
    let said = User::of(&format!("https://{address}")).run(&["doctor"]);
    assert_eq!(said.code, 3, "{}", said.out);
    assert_eq!(last(&said), ("TLS".into(), "failed".into()));
}

#[test]
fn a_server_that_says_it_is_not_ready_is_believed() {
    let sick = Remote::start(|asked| match asked.path.as_str() {
        "/readyz" => (503, json!({"database": "down"})).into(),
        _ => (200, json!("fine")).into(),
    });
    let said = User::of(&sick.url).run(&["doctor"]);
    // What fails first decides.
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(verdicts(&said).contains(&("readiness".into(), "failed".into())));
    assert!(said.out.contains("database"), "{}", said.out);
}
