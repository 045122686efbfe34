//! Attacks on signed requests: the server routes what was signed or refuses it, and reveals nothing about others.

mod framing;
mod other_parties;

use std::time::Duration;

use serde_json::json;

use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::raw_http::{ask, bytes, head};
use crate::support::server::TestServer;

const LIST: &str = r#"{"messageBox":"inbox"}"#;

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

fn key(party: &Brc104) -> String {
    party.identity.identity_key().to_hex()
}

fn message(recipient: &str, id: &str, body: &str) -> String {
    json!({"message": {"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": body}})
        .to_string()
}

/// The same request with another target and the old signature.
fn retargeted(request: Request, target: &str) -> Request {
    Request {
        target: target.to_owned(),
        ..request
    }
}

#[actix_web::test]
async fn a_target_is_routed_as_it_was_signed_or_refused() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    // The status when the client signs this spelling.
    let spellings = [
        ("/listMessages", 200),
        ("//listMessages", 200),
        ("/listMessages/", 200),
        ("/listMessages?", 200),
        ("/listMessages?x", 200),
        ("/./listMessages", 404),
        ("/x/../listMessages", 404),
        ("/%6cistMessages", 404),
        ("/%2flistMessages", 404),
        ("/listMessages%00", 404),
        ("/listMessages%3f", 404),
        ("/listMessages;x", 404),
        ("/LISTMESSAGES", 404),
        ("/listMessages/x", 404),
    ];
    for (target, status) in spellings {
        let request = alice.request("POST", target, LIST);
        let answer = ask(server.address, &bytes(&request)).await;
        assert_eq!((answer.status, answer.signed), (status, true), "{target}");
        // A proxy rewrites `/listMessages` to this. Only an empty query leaves the request the same.
        let moved = retargeted(alice.request("POST", "/listMessages", LIST), target);
        let answer = ask(server.address, &bytes(&moved)).await;
        let same = matches!(target, "/listMessages" | "/listMessages?");
        let status = if same { 200 } else { 401 };
        assert_eq!((answer.status, answer.signed), (status, same), "{target}");
        // A proxy rewrites this to the plain form.
        let plain = retargeted(alice.request("POST", target, LIST), "/listMessages");
        let answer = ask(server.address, &bytes(&plain)).await;
        assert_eq!((answer.status, answer.signed), (status, same), "{target}");
    }
    // Other forms of the same target in HTTP. A fragment is no part of it.
    for target in ["http://elsewhere/listMessages", "/listMessages#x"] {
        let same = retargeted(alice.request("POST", "/listMessages", LIST), target);
        let answer = ask(server.address, &bytes(&same)).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{target}");
    }
    for target in [
        "elsewhere:80",
        "listMessages",
        "*",
        "/list Messages",
        "/\\x\x01",
    ] {
        let odd = retargeted(alice.request("POST", "/listMessages", LIST), target);
        let answer = ask(server.address, &bytes(&odd)).await;
        let refused = matches!(answer.status, 400 | 401) && !answer.signed;
        assert!(refused, "{target}: {answer:?}");
    }
}

/// A proxy can put another body behind the head of a request. If the server signed its answer to that, the client would
/// believe that its own request was refused. The attacker could still send it.
#[actix_web::test]
async fn nothing_is_signed_for_what_has_not_been_verified() {
    let server = TestServer::with(|settings| {
        settings.server.max_body_bytes = 100_000;
        settings.server.max_buffered_bytes = 200_000;
        settings.server.request_timeout = Duration::from_millis(300);
    });
    let alice = connect(&server).await;
    let cases = [
        ("content-length: 1000\r\n", "[".repeat(1_000), 401),
        ("content-length: 100001\r\n", "{".to_owned(), 413),
        ("content-length: 100\r\n", "{".to_owned(), 408),
        ("transfer-encoding: chunked\r\n", "zz\r\n".to_owned(), 400),
        ("content-length: 10\r\n", "0123456789".to_owned(), 503),
    ];
    for (length, body, status) in cases {
        let mut full = server.state.bodies.hold(None);
        if status == 503 {
            // Including the memory reserved for small bodies.
            full.insist(300_000);
        }
        let request = alice.request("POST", "/listMessages", LIST);
        let forged = head(&request.method, &request.target, &request.headers, length) + &body;
        let answer = ask(server.address, forged.as_bytes()).await;
        assert_eq!((answer.status, answer.signed), (status, false), "{length}");
        drop(full);
        let answer = alice.send(&request).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{length}");
    }
}

#[actix_web::test]
async fn a_price_is_asked_for_however_the_route_is_written() {
    let server = TestServer::with(|settings| {
        settings.prices.routes.insert("/listMessages".into(), 7);
    });
    let alice = connect(&server).await;
    for target in [
        "/listMessages",
        "//listMessages",
        "/listMessages/",
        "/listMessages?x",
    ] {
        let answer = alice.post(target, LIST).await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (402, "ERR_PAYMENT_REQUIRED", true),
            "{target}"
        );
    }
}

#[actix_web::test]
async fn a_query_is_read_as_it_was_signed_or_refused() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let quote = |query: &str| format!("/permissions/quote?{query}");
    let key = key(&alice);
    let boxes = |answer: &Answer| answer.json["quotesByRecipient"][0]["messageBox"].clone();
    // With two recipients, the answer names the box that was read.
    let to = format!("recipient={key}&recipient={key}");
    let cases = [
        ("messageBox=a+b", json!("a b")),
        ("messageBox=a%20b", json!("a b")),
        ("messageBox=a%2Bb", json!("a+b")),
        ("messageBox=a&messageBox=b", json!("a")),
        ("messageBox=b&messageBox=a", json!("b")),
        ("message_box=b&messageBox=a", json!("a")),
        ("messageBox=a;messageBox=b", json!("a;messageBox=b")),
        ("messageBox=a%26messageBox=b", json!("a&messageBox=b")),
    ];
    for (query, expected) in &cases {
        let query = format!("{to}&{query}");
        let answer = alice.send(&alice.request("GET", &quote(&query), "")).await;
        assert_eq!(
            (answer.status, boxes(&answer)),
            (200, expected.clone()),
            "{query}"
        );
        for (other, _) in &cases {
            let other = format!("{to}&{other}");
            let moved = retargeted(alice.request("GET", &quote(&query), ""), &quote(&other));
            let status = if other == query { 200 } else { 401 };
            assert_eq!(
                alice.send(&moved).await.status,
                status,
                "{query} as {other}"
            );
        }
    }
}

#[actix_web::test]
async fn headers_count_once_or_the_request_is_refused() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let fresh = || {
        let request = alice.request("POST", "/listMessages", LIST);
        let with = request
            .set("x-bsv-note", "signed")
            .set("authorization", "Bearer x");
        alice.sign(with)
    };
    let status = async |request: &Request| {
        let answer = ask(server.address, &bytes(request)).await;
        assert_eq!(answer.signed, answer.status == 200, "{answer:?}");
        answer.status
    };
    let names: Vec<String> = fresh()
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(names.len(), 9);
    for name in &names {
        // The same value twice means the same as once.
        let mut same = fresh();
        same.headers.push((name.clone(), same.get(name)));
        assert_eq!(status(&same).await, 200, "{name}");
        for first in [true, false] {
            let mut other = fresh();
            let at = if first { 0 } else { other.headers.len() };
            other.headers.insert(at, (name.clone(), "other".into()));
            assert_eq!(status(&other).await, 401, "{name} {first}");
        }
        let mut joined = fresh();
        let twice = format!("{0}, {0}", joined.get(name));
        joined = joined.set(name, twice);
        assert_eq!(status(&joined).await, 401, "{name}");
        assert_eq!(status(&fresh().without(name)).await, 401, "{name}");
        let mut shouted = fresh();
        let value = shouted.get(name);
        shouted = shouted.without(name);
        shouted.headers.push((name.to_uppercase(), value));
        assert_eq!(status(&shouted).await, 200, "{name}");
        // Some proxies treat these as one name. The server treats them as two.
        let mut underscored = fresh();
        underscored
            .headers
            .push((name.replace('-', "_"), "other".into()));
        let is_other = name.contains('-');
        assert_eq!(
            status(&underscored).await,
            if is_other { 200 } else { 401 },
            "{name}"
        );
    }
    for (name, value) in [
        ("x-bsv-added", "1"),
        ("X-BSV-Payment", "{}"),
        ("x-bsv-", ""),
    ] {
        let mut added = fresh();
        added.headers.push((name.into(), value.into()));
        assert_eq!(status(&added).await, 401, "{name}");
    }
    // Headers that no client signs have no effect.
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/sendMessage"),
        ("x-rewrite-url", "/sendMessage"),
        ("x-forwarded-prefix", "/api"),
        ("content-encoding", "identity"),
        ("x-bsv-auth-other", "1"),
        ("x-bsv-authority", "1"),
        ("cookie", "session=1"),
    ] {
        let mut added = fresh();
        added.headers.push((name.into(), value.into()));
        assert_eq!(status(&added).await, 200, "{name}");
    }
    // The server decodes no signed body.
    let encoded = fresh().set("content-encoding", "gzip");
    assert_eq!(status(&encoded).await, 415);
}

#[actix_web::test]
async fn header_lines_that_are_no_header_lines_are_refused() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    for line in [
        "x-note: a\r\n folded: b\r\n",
        "x-note: a\r\n\tfolded\r\n",
        " x-note: a\r\n",
        "x-note : a\r\n",
        "x note: a\r\n",
        "x-note\r\n",
        ": a\r\n",
        "x-note: a\0b\r\n",
        "x-n\u{f6}te: a\r\n",
        "x-note: a\rx-bsv-auth-nonce: b\r\n",
    ] {
        let request = alice.request("POST", "/listMessages", LIST);
        let length = format!("{line}content-length: {}\r\n", request.body.len());
        let head = head("POST", "/listMessages", &request.headers, &length);
        let answer = ask(server.address, format!("{head}{LIST}").as_bytes()).await;
        assert_eq!((answer.status, answer.signed), (400, false), "{line:?}");
    }
    // Without its `\r` a line still ends, and the rest is an ordinary header.
    let request = alice.request("POST", "/listMessages", LIST);
    let length = format!(
        "x-note: a\nx-bsv-auth-nonce: b\r\ncontent-length: {}\r\n",
        LIST.len()
    );
    let head = head("POST", "/listMessages", &request.headers, &length);
    let answer = ask(server.address, format!("{head}{LIST}").as_bytes()).await;
    assert_eq!((answer.status, answer.signed), (401, false));
}
