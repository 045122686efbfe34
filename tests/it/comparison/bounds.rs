//! Requests that are too large, too deep, too slow or too many.

use std::fmt::Write as _;

use futures_util::future::join_all;
use messagebox::config::Secret;
use messagebox::limits::Networks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::brc104::{Answer, Request};
use crate::support::documents::Documents;
use crate::support::raw_http;
use crate::support::within;

use super::{Failing, KEY, Stage, ask, plain, request, right};

/// Sends the head of a request without its body, and reads the answer.
async fn stall(stage: &Stage, request: &Request) -> Answer {
    let mut stream = tokio::net::TcpStream::connect(stage.server.address)
        .await
        .unwrap();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n",
        request.method, request.target
    );
    for (name, value) in &request.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("connection: close\r\n\r\n{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    within("an answer to half a request", stream.read_to_end(&mut text))
        .await
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        json: serde_json::from_str(body).unwrap(),
        signed: head.contains("\r\nx-bsv-auth-signature: "),
        headers: Vec::new(),
    }
}

pub async fn too_large(documents: &mut Documents, stage: &Stage) {
    let large = json!("x".repeat(2_001));
    for (method, target, _) in right(KEY) {
        if method != "POST" {
            continue;
        }
        let mut failing = Failing {
            documents,
            client: &stage.alice,
        };
        let answer = failing
            .ask(method, &target, &large, 413, "ERR_BODY_TOO_LARGE")
            .await;
        assert_eq!(
            answer.json["description"],
            "The request is larger than 2000 bytes."
        );
    }
}

/// At the same time, because each takes its time limit.
pub async fn too_slow(documents: &mut Documents, stage: &Stage) {
    let posts = right(KEY)
        .into_iter()
        .filter(|(method, ..)| *method == "POST");
    let half = |(method, target, body): (&str, String, Value)| {
        request(&stage.alice, method, &target, &body)
    };
    let mut halves: Vec<_> = posts.map(half).collect();
    let handshake = Request {
        method: "POST".to_owned(),
        target: "/.well-known/auth".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    halves.push(handshake);
    let slow = halves.iter().map(|half| stall(stage, half));
    for (slow, half) in join_all(slow).await.iter().zip(&halves) {
        assert_eq!(
            (slow.status, slow.code(), slow.signed),
            (408, "ERR_REQUEST_TIMEOUT", false)
        );
        documents.hold("POST", &half.target, slow);
    }
}

pub async fn large_heads(documents: &mut Documents) {
    let stage = Stage::set(|settings| {
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
    })
    .await;
    let many = "x: y\r\n".repeat(91);
    // The limit counts the optional space before a value. With it these headers are too large, while the head is not.
    let large = format!("x:{}\r\n", "y".repeat(1_484)).repeat(87);
    let large = format!("{large}x:{}\r\n", "y".repeat(1_504));
    for (path, method) in documents.routes() {
        for (query, lines) in [
            ("x".repeat(61_440), ""),
            (String::new(), &many),
            (String::new(), &large),
        ] {
            let head = raw_http::head(&method, &format!("{path}?{query}"), &[], lines);
            let answer = raw_http::ask(stage.server.address, head.as_bytes()).await;
            let answer = Answer {
                status: answer.status,
                json: serde_json::from_str(&answer.body).unwrap(),
                signed: answer.signed,
                headers: Vec::new(),
            };
            assert!(
                [414, 431].contains(&answer.status),
                "{method} {path}: {}",
                answer.json
            );
            let documented = documents.description(&method, &path, answer.status, answer.code());
            assert_eq!(answer.json["description"], documented);
            documents.hold(&method, &path, &answer);
        }
    }
}

pub async fn deep_json(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    for (method, target, _) in right(KEY) {
        if method == "POST" {
            let mut failing = Failing {
                documents,
                client: &stage.alice,
            };
            let body = Value::from(deep.as_str());
            failing
                .says(method, &target, &body, 400, "ERR_JSON_TOO_DEEP")
                .await;
        }
    }
    let path = "/.well-known/auth";
    let answer = plain(&stage, path, &[], &deep).await;
    assert_eq!((answer.status, answer.code()), (400, "ERR_JSON_TOO_DEEP"));
    documents.hold("POST", path, &answer);
}

pub async fn too_often(documents: &mut Documents) {
    let stage = Stage::set(|settings| settings.limits.requests_per_identity = 1).await;
    for (method, target, body) in right(KEY) {
        // Each gets a burst.
        loop {
            let answer = ask(&stage.alice, method, &target, &body).await;
            if answer.status == 429 {
                assert!(answer.header("retry-after").is_some());
                documents.hold(method, &target, &answer);
                break;
            }
        }
    }
    let stage = Stage::set(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.handshakes_per_address = 1;
    })
    .await;
    loop {
        let answer = plain(&stage, "/.well-known/auth", &[], "{}").await;
        if answer.status == 429 {
            documents.hold("POST", "/.well-known/auth", &answer);
            break;
        }
        assert_eq!(answer.status, 400);
    }
}
