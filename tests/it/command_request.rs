//! `messagebox request`, and the id of a failed request.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use crate::support::command::User;
use crate::support::server::TestServer;

#[test]
fn a_request_is_signed_and_its_answer_printed() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    alice.send(&bob, "hello", &["--id", "1"]);
    let list = [
        "request",
        "POST",
        "/listMessages",
        r#"{"messageBox":"inbox"}"#,
    ];
    let listed = bob.run(&list).json();
    assert_eq!(listed["messages"][0]["messageId"], "1");
    let piped = ["request", "post", "/listMessages", "-"];
    let fed = bob.feed(&piped, br#"{"messageBox":"inbox"}"#);
    assert_eq!(fed.json(), listed);
    let set = [
        "request",
        "POST",
        "/permissions/set",
        r#"{"messageBox":"inbox","recipientFee":5}"#,
    ];
    assert_eq!(bob.run(&set).code, 0);
    let arguments = ["request", "GET", "/permissions/get?messageBox=inbox"];
    let got = bob.run(&arguments).json();
    assert_eq!(got["permission"]["recipientFee"], 5);
    let human = bob.run(&[&arguments[..], &["--human"]].concat());
    assert!(
        human.human().contains("\n  \"permission\": {\n"),
        "{}",
        human.out
    );
}

#[test]
fn a_refusal_is_printed_and_fails() {
    let server = TestServer::start();
    let user = User::of(&server.http(""));
    let refused = user.run(&["request", "POST", "/listMessages", "{}"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let body: serde_json::Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(body["code"], "ERR_MESSAGEBOX_REQUIRED");
    assert!(
        refused.err.contains("the server answered 400"),
        "{}",
        refused.err
    );
    assert_eq!(user.run(&["request", "GET", "/nothing"]).code, 1);
    for wrong in [
        &["request", "/listMessages"][..],
        &["request", "FETCH", "/listMessages"],
        &["request", "GET", "listMessages"],
        &["request", "GET", "http://localhost/listMessages"],
    ] {
        assert_eq!(user.run(wrong).code, 2, "{wrong:?}");
    }
    let stranger = User::without_key(&server.http(""));
    assert_eq!(stranger.run(&["request", "GET", "/devices"]).code, 4);
}

#[test]
fn answers_of_a_server_cannot_steer_a_terminal() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let text = "a\u{9b}2J\u{202e}\n\u{1b}]0;title\u{7}";
    alice.send(&bob, text, &["--plain"]);
    let list = [
        "request",
        "POST",
        "/listMessages",
        r#"{"messageBox":"inbox"}"#,
    ];
    for form in ["--json", "--human"] {
        let result = bob.run(&[&list[..], &[form]].concat());
        let steers = ['\u{9b}', '\u{202e}', '\u{1b}', '\u{7}'];
        assert!(!result.out.contains(steers), "{form}: {}", result.out);
        let body = &result.json()["messages"][0]["body"];
        let body: serde_json::Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
        assert_eq!(body, json!({ "message": text }), "{form}");
    }
}

/// A server that answers every request with these bytes.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 16 * 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn the_id_of_a_failed_request_is_printed() {
    const ANSWER: &str = "HTTP/1.1 500 Oops\r\nx-request-id: 01J9ZK-a\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 53\r\n\r\n{\"code\":\"ERR_INTERNAL_ERROR\",\"description\":\"not now\"}";
    let user = User::of(&answering(ANSWER));
    let to = user.key().to_hex();
    for command in [
        &["list"][..],
        &["send", &to, "hello"],
        &["send", &to, "hello", "--live"],
        &["listen"],
        &["listen", "--transport", "polling"],
        &["ack", "1"],
        &["ack", "--all"],
        &["request", "GET", "/devices"],
        &["quote", &to],
        &["status"],
    ] {
        let result = user.run(command);
        assert_ne!(result.code, 0, "{command:?}");
        let expected = "not now (request 01J9ZK-a)";
        assert!(result.err.contains(expected), "{command:?}: {}", result.err);
    }
    let doctor = user.run(&["doctor", "--human"]);
    assert!(doctor.out.contains("(request 01J9ZK-a)"), "{}", doctor.out);
}

#[test]
fn a_request_id_with_escape_sequences_is_not_printed() {
    const ANSWER: &str = "HTTP/1.1 500 Oops\r\nx-request-id: \u{9b}2J\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    let result = User::of(&answering(ANSWER)).run(&["list"]);
    assert!(result.err.contains("answered 500"), "{}", result.err);
    assert!(!result.err.contains("request"), "{}", result.err);
}
