//! `messagebox listen`: every message once, over any number of connections.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use messagebox::client::{Connector, MessageBoxClient, TransportKind};
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::command::{Running, User};
use crate::support::server::{ServerProcess, TestServer, free_address};

#[test]
fn queued_messages_come_before_live_ones() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    for transport in ["websocket", "polling"] {
        let stored = alice.send(&bob, transport, &["--box", transport]);
        let arguments = ["listen", "--box", transport, "--transport", transport];
        let listener = Running::start(bob.command(&arguments));
        let first = listener.json();
        assert_eq!(
            [&first["body"], &first["messageId"]],
            [&json!(transport), &json!(stored)]
        );
        listener.wait_for("listening");
        alice.send(&bob, "over HTTP", &["--box", transport, "--new-id"]);
        alice.send(
            &bob,
            "live",
            &["--box", transport, "--live", "--plain", "--new-id"],
        );
        let (second, third) = (listener.json(), listener.json());
        assert_eq!(
            [&second["body"], &second["encrypted"]],
            [&json!("over HTTP"), &json!(true)]
        );
        assert_eq!(
            [&third["body"], &third["encrypted"]],
            [&json!("live"), &json!(false)]
        );
        assert_eq!(third["sender"], alice.key().to_hex());
        assert!(third["createdAt"].as_str().unwrap().ends_with('Z'));
        assert_eq!(listener.stop("INT"), (Some(0), Vec::new()));
        // The command acknowledged nothing.
        let listed = bob.run(&["list", "--box", transport]).json();
        assert_eq!(listed["messages"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn human_output_is_in_words() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    alice.send(&bob, "hello", &[]);
    let listener = Running::start(bob.command(&["listen", "--human"]));
    let lines: Vec<String> = (0..5).map(|_| listener.line()).collect();
    assert_eq!(lines[0], format!("from  {}", alice.key()));
    assert_eq!(lines[4], "| hello");
    assert_eq!(listener.stop("TERM").0, Some(0));
}

#[test]
fn a_listener_survives_its_server_and_prints_nothing_twice() {
    let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
    let server = ServerProcess::start(address, folder.path());
    let url = format!("http://{address}");
    let (alice, bob) = (User::of(&url), User::of(&url));
    alice.send(&bob, "one", &[]);
    let listener = Running::start(bob.command(&["listen"]));
    assert_eq!(listener.json()["body"], "one");
    listener.wait_for("listening");
    alice.send(&bob, "two", &[]);
    assert_eq!(listener.json()["body"], "two");
    server.kill();
    listener.wait_for("reconnecting");
    let server = ServerProcess::start(address, folder.path());
    alice.send(&bob, "three", &[]);
    assert_eq!(listener.json()["body"], "three");
    alice.send(&bob, "four", &[]);
    assert_eq!(listener.json()["body"], "four");
    assert_eq!(listener.stop("INT"), (Some(0), Vec::new()));
    server.kill();
}

#[test]
fn only_printed_messages_are_acknowledged() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    alice.send(&bob, "stored", &[]);
    alice.send(&bob, r#"{"encryptedMessage":"AAAA"}"#, &["--plain"]);
    let listener = Running::start(bob.command(&["listen", "--ack"]));
    assert_eq!(listener.json()["body"], "stored");
    assert_eq!(listener.json()["body"], json!(null));
    listener.wait_for("listening");
    alice.send(&bob, "live", &[]);
    assert_eq!(listener.json()["body"], "live");
    // The next message is listed after the one before was acknowledged.
    alice.send(&bob, "last", &[]);
    assert_eq!(listener.json()["body"], "last");
    let left = || {
        let listed = bob.run(&["list"]).json();
        let left = listed["messages"].as_array().unwrap().iter();
        left.map(|it| it["body"].clone()).collect::<Vec<_>>()
    };
    let is_acknowledged = || !left().contains(&json!("last"));
    let began = Instant::now();
    while !is_acknowledged() {
        assert!(began.elapsed() < PATIENCE);
    }
    assert_eq!(left(), [json!(null)], "unreadable messages stay");
    assert_eq!(listener.stop("INT"), (Some(0), Vec::new()));
}

#[test]
fn what_could_not_be_printed_is_not_acknowledged() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    alice.send(&bob, "kept", &[]);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = bob.command(&["listen", "--ack", "--json"]);
    let mut child = command.stdout(Stdio::from(full)).spawn().unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!(status.code(), Some(1));
    assert_eq!(bob.run(&["list"]).json()["messages"][0]["body"], "kept");
}

#[test]
fn a_first_connection_that_fails_ends_it() {
    let absent = format!("http://{}", free_address());
    let unreachable = User::of(&absent).run(&["listen"]);
    assert_eq!(unreachable.code, 3, "{}", unreachable.err);
    let server = TestServer::with(|settings| settings.socket.enabled = false);
    let refused = User::of(&server.http("")).run(&["listen"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
}

/// Some messages are listed, some come live, and those stored between the join and the list come both ways.
#[actix_web::test]
async fn messages_that_arrive_during_the_start_are_printed_once() {
    let server = TestServer::start();
    let bob = User::of(&server.http(""));
    let connector = Connector::new(server.http("").parse().unwrap(), TransportKind::Websocket);
    let alice = MessageBoxClient::new(connector, Arc::new(Identity::random()));
    let to = bob.key();
    let listener = Running::start(bob.command(&["listen"]));
    let mut sent = Vec::new();
    let mut last = None;
    while last != Some(sent.len()) {
        let id = sent.len().to_string();
        alice.send(to, "inbox", &id, "pouring").await.unwrap();
        sent.push(id);
        if last.is_none() && listener.has_said("listening") {
            last = Some(sent.len() + 10);
        }
        assert!(sent.len() < 20_000, "the command does not start");
    }
    let printed: Vec<_> = sent.iter().map(|_| listener.json()).collect();
    let ids = printed.iter().map(|it| it["messageId"].as_str().unwrap());
    assert!(ids.eq(sent.iter().map(String::as_str)));
    assert_eq!(listener.stop("INT"), (Some(0), Vec::new()));
}
