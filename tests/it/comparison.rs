//! Every route and every way in which a request to it can fail, one by one: status, code and body, as the document
//! that the server serves says. What is documented and not seen here fails the test, and so does the opposite.

mod admins;
mod storage;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use messagebox::auth::{Identity, message_nonce, sha256};
use messagebox::config::{Secret, Settings};
use messagebox::ids::IdentityKey;
use messagebox::limits::Networks;
use messagebox::model::IdentityList;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::documents::Documents;
use crate::support::payer::{Payment, anyone, envelope, header};
use crate::support::polling;
use crate::support::raw_http;
use crate::support::remote::Remote;
use crate::support::server::{TestServer, free_address};
use crate::support::within;

/// A key that nobody has.
const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

/// How requests of those are refused whom the operator does not serve.
const UNSERVED: [&str; 2] = ["ERR_IDENTITY_BLOCKED", "ERR_IDENTITY_NOT_ALLOWED"];

/// A server, and two who use it.
struct Stage {
    server: TestServer,
    alice: Brc104,
    bob: Brc104,
}

impl Stage {
    async fn set(change: impl FnOnce(&mut Settings)) -> Self {
        let server = TestServer::with(change);
        let base = server.http("");
        Self {
            alice: Brc104::connect(&base).await,
            bob: Brc104::connect(&base).await,
            server,
        }
    }

    fn bob(&self) -> IdentityKey {
        self.bob.identity.identity_key()
    }

    /// Has the operator's lists refuse Alice with this code.
    async fn refuse_alice(&self, code: &str) {
        let alice = self.alice.identity.identity_key();
        let is_block = code == UNSERVED[0];
        for (list, identity, listed) in [
            (IdentityList::Block, alice, is_block),
            (IdentityList::Allow, self.bob(), !is_block),
        ] {
            let set = self.server.db.set_listed(list, identity, listed);
            set.await.unwrap();
        }
        self.server.db.refresh_identity_lists().await.unwrap();
    }

    async fn allow(&self, message_box: &str, fee: i64) {
        let body = json!({"messageBox": message_box, "recipientFee": fee});
        let set = self.bob.post("/permissions/set", body.to_string()).await;
        assert_eq!(set.status, 200);
    }
}

fn whole_message(recipient: &str) -> Value {
    json!({"messageBox": "inbox", "body": "x", "recipient": recipient, "messageId": "1"})
}

/// A request that is right, for each authenticated route.
fn right(recipient: &str) -> Vec<(&'static str, String, Value)> {
    vec![
        (
            "POST",
            "/sendMessage".into(),
            json!({"message": whole_message(recipient)}),
        ),
        (
            "POST",
            "/listMessages".into(),
            json!({"messageBox": "inbox"}),
        ),
        (
            "POST",
            "/acknowledgeMessage".into(),
            json!({"messageIds": ["1"]}),
        ),
        (
            "POST",
            "/registerDevice".into(),
            json!({"fcmToken": "token of a device", "platform": "ios"}),
        ),
        ("GET", "/devices".into(), Value::Null),
        (
            "POST",
            "/permissions/set".into(),
            json!({"messageBox": "inbox", "recipientFee": 0}),
        ),
        (
            "GET",
            "/permissions/get?messageBox=inbox".into(),
            Value::Null,
        ),
        ("GET", "/permissions/list".into(), Value::Null),
        (
            "GET",
            format!("/permissions/quote?messageBox=inbox&recipient={recipient}"),
            Value::Null,
        ),
    ]
}

fn request(client: &Brc104, method: &str, target: &str, body: &Value) -> Request {
    let body = match body {
        Value::Null => String::new(),
        Value::String(raw) => raw.clone(),
        json => json.to_string(),
    };
    client.request(method, target, body)
}

async fn ask(client: &Brc104, method: &str, target: &str, body: &Value) -> Answer {
    let answer = client.send(&request(client, method, target, body)).await;
    assert!(answer.signed, "{method} {target}: {}", answer.json);
    answer
}

/// Failures of requests that were not verified, or that another node may still serve: the server signs nothing for them.
const UNVERIFIED: [&str; 2] = ["ERR_BODY_TOO_LARGE", "ERR_REPLAY_UNCHECKED"];

/// Asks, and expects this failure, in the words that are documented unless others are given.
struct Failing<'a> {
    documents: &'a mut Documents,
    client: &'a Brc104,
}

impl Failing<'_> {
    async fn ask(
        &mut self,
        method: &str,
        target: &str,
        body: &Value,
        status: u16,
        code: &str,
    ) -> Answer {
        let answer = self
            .client
            .send(&request(self.client, method, target, body))
            .await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (status, code, !UNVERIFIED.contains(&code)),
            "{method} {target} {body}: {}",
            answer.json
        );
        self.documents.hold(method, target, &answer);
        answer
    }

    async fn says(&mut self, method: &str, target: &str, body: &Value, status: u16, code: &str) {
        let answer = self.ask(method, target, body, status, code).await;
        let path = target.split('?').next().unwrap();
        let documented = self.documents.description(method, path, status, code);
        assert_eq!(
            answer.json["description"], documented,
            "{method} {target} {body}"
        );
        assert_eq!(answer.json["status"], "error");
    }
}

#[actix_web::test]
async fn every_route_answers_as_its_document_says() {
    let mut stage = Stage::set(|_| {}).await;
    let mut documents = Documents::of(&stage.server.http("")).await;
    successes(&mut documents, &stage).await;
    wrong_bodies_of_messages(&mut documents, &stage).await;
    wrong_bodies_of_others(&mut documents, &stage).await;
    wrong_queries(&mut documents, &stage).await;
    unauthenticated(&mut documents, &stage).await;
    encoded_bodies(&mut documents, &stage).await;
    wrong_handshakes(&mut documents, &stage).await;
    stage = Stage::set(|settings| settings.server.max_body_bytes = 2_000).await;
    too_large(&mut documents, &stage).await;
    stage = Stage::set(|settings| settings.server.request_timeout = Duration::from_secs(1)).await;
    too_slow(&mut documents, &stage).await;
    large_heads(&mut documents).await;
    deep_json(&mut documents).await;
    fees(&mut documents).await;
    prices(&mut documents).await;
    replayed_payments(&mut documents).await;
    failing_stores(&mut documents).await;
    storage::all(&mut documents).await;
    missing_certificates(&mut documents).await;
    too_often(&mut documents).await;
    identity_lists(&mut documents).await;
    unchecked_replays(&mut documents).await;
    migrations(&mut documents).await;
    health(&mut documents).await;
    admins::all(&mut documents).await;
    let documented = documents.documented();
    let unseen: Vec<_> = documented.difference(&documents.seen).collect();
    assert!(unseen.is_empty(), "documented and never seen: {unseen:#?}");
}

async fn successes(documents: &mut Documents, stage: &Stage) {
    let recipient = stage.bob().to_hex();
    for (method, target, body) in right(&recipient) {
        // What is acknowledged must be the caller's.
        let client = if target == "/acknowledgeMessage" {
            &stage.bob
        } else {
            &stage.alice
        };
        let answer = ask(client, method, &target, &body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.json);
        documents.hold(method, &target, &answer);
    }
    // Routes with more than one kind of reply.
    let many = format!("/permissions/quote?messageBox=inbox&recipient={KEY}&recipient={recipient}");
    let page = json!({"messageBox": "inbox", "limit": 1});
    let found = "/permissions/get?messageBox=inbox";
    for (method, target, body) in [
        ("GET", many.as_str(), Value::Null),
        ("POST", "/listMessages", page),
        ("GET", found, Value::Null),
        ("GET", "/devices", Value::Null),
    ] {
        let answer = ask(&stage.alice, method, target, &body).await;
        assert_eq!(answer.status, 200);
        documents.hold(method, target, &answer);
    }
    for (schema, body) in [
        ("SendMessageRequest", json!({"message": whole_message(KEY)})),
        (
            "SetPermissionRequest",
            json!({"messageBox": "b", "recipientFee": -1, "sender": KEY}),
        ),
    ] {
        assert!(documents.is_valid(schema, &body), "{schema}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn wrong_bodies_of_messages(documents: &mut Documents, stage: &Stage) {
    let with = |field: &str, value: Value| {
        let mut message = whole_message(KEY);
        message[field] = value;
        json!({ "message": message })
    };
    let without = |fields: &[&str]| {
        let mut message = whole_message(KEY);
        for field in fields {
            message.as_object_mut().unwrap().remove(*field);
        }
        json!({ "message": message })
    };
    let long = "x".repeat(257);
    let keys = vec![KEY; 1_001];
    let ids: Vec<String> = (0..1_001).map(|id| id.to_string()).collect();
    let cases = [
        (json!({}), "ERR_MESSAGE_REQUIRED"),
        (json!([]), "ERR_MESSAGE_REQUIRED"),
        (json!({"message": null}), "ERR_MESSAGE_REQUIRED"),
        (json!({"message": "text"}), "ERR_INVALID_MESSAGEBOX"),
        (
            without(&["messageBox", "body", "recipient"]),
            "ERR_INVALID_MESSAGEBOX",
        ),
        (with("messageBox", json!(7)), "ERR_INVALID_MESSAGEBOX"),
        (with("messageBox", json!("  ")), "ERR_INVALID_MESSAGEBOX"),
        (with("messageBox", json!(long)), "ERR_INVALID_MESSAGEBOX"),
        (
            without(&["body", "recipient", "messageId"]),
            "ERR_INVALID_MESSAGE_BODY",
        ),
        (with("body", json!("")), "ERR_INVALID_MESSAGE_BODY"),
        (with("body", json!(7)), "ERR_INVALID_MESSAGE_BODY"),
        (with("body", json!(null)), "ERR_INVALID_MESSAGE_BODY"),
        (
            without(&["recipient", "messageId"]),
            "ERR_RECIPIENT_REQUIRED",
        ),
        (with("recipient", json!(null)), "ERR_RECIPIENT_REQUIRED"),
        (without(&["messageId"]), "ERR_MESSAGEID_REQUIRED"),
        (with("messageId", json!(null)), "ERR_MESSAGEID_REQUIRED"),
        (with("messageId", json!(7)), "ERR_INVALID_MESSAGEID"),
        (with("messageId", json!([""])), "ERR_INVALID_MESSAGEID"),
        (with("expiresAt", json!("soon")), "ERR_INVALID_EXPIRY"),
        (with("expiresAt", json!(1)), "ERR_INVALID_EXPIRY"),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (body, code) in cases {
        failing.says("POST", "/sendMessage", &body, 400, code).await;
    }
    let says = [
        (
            with("messageId", json!(long)),
            "ERR_INVALID_MESSAGEID",
            "Each messageId must be at most 256 bytes.",
        ),
        (
            json!({"message": {"messageBox": "b", "body": "x", "recipients": keys, "messageId": ids}}),
            "ERR_TOO_MANY_RECIPIENTS",
            "A message may have at most 1000 recipients.",
        ),
        (
            with("recipient", json!([KEY, KEY])),
            "ERR_MESSAGEID_COUNT_MISMATCH",
            "Provided 1 messageId for 2 recipients. Provide one messageId per recipient (same order).",
        ),
        (
            with("messageId", json!(["1", "2"])),
            "ERR_MESSAGEID_COUNT_MISMATCH",
            "Recipients (1) and messageId count (2) must match.",
        ),
        (
            with("recipient", json!("not a key")),
            "ERR_INVALID_RECIPIENT_KEY",
            "Invalid recipient key: not a key",
        ),
        (
            with("recipient", json!({})),
            "ERR_INVALID_RECIPIENT_KEY",
            "Invalid recipient key: {}",
        ),
    ];
    for (body, code, description) in says {
        let answer = failing.ask("POST", "/sendMessage", &body, 400, code).await;
        assert_eq!(answer.json["description"], description);
    }
    // Another sender has used the id.
    let recipient = stage.bob().to_hex();
    let mut message = whole_message(&recipient);
    message["messageId"] = json!("taken");
    let body = json!({ "message": message });
    assert_eq!(
        ask(&stage.alice, "POST", "/sendMessage", &body)
            .await
            .status,
        200
    );
    let mut failing = Failing {
        client: &stage.bob,
        ..failing
    };
    failing
        .says("POST", "/sendMessage", &body, 400, "ERR_DUPLICATE_MESSAGE")
        .await;
    let small = Stage::set(|settings| settings.messages.max_message_bytes = 1_000).await;
    let mut large = whole_message(&recipient);
    large["body"] = json!("x".repeat(1_000));
    failing.client = &small.alice;
    let (body, code) = (json!({ "message": large }), "ERR_MESSAGE_BODY_TOO_LARGE");
    failing.ask("POST", "/sendMessage", &body, 413, code).await;
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn wrong_bodies_of_others(documents: &mut Documents, stage: &Stage) {
    let cases = [
        ("/listMessages", json!({}), "ERR_MESSAGEBOX_REQUIRED"),
        (
            "/listMessages",
            json!({"messageBox": ""}),
            "ERR_MESSAGEBOX_REQUIRED",
        ),
        (
            "/listMessages",
            json!({"messageBox": 7}),
            "ERR_INVALID_MESSAGEBOX",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "limit": 0}),
            "ERR_INVALID_LIMIT",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "limit": 1001}),
            "ERR_INVALID_LIMIT",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "offset": -1}),
            "ERR_INVALID_OFFSET",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "cursor": "x"}),
            "ERR_INVALID_CURSOR",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "order": "up"}),
            "ERR_INVALID_ORDER",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "messageId": 7}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        ("/acknowledgeMessage", json!({}), "ERR_MESSAGE_ID_REQUIRED"),
        (
            "/acknowledgeMessage",
            json!({"messageIds": []}),
            "ERR_MESSAGE_ID_REQUIRED",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": "1"}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": [1]}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": ["unknown"]}),
            "ERR_INVALID_ACKNOWLEDGMENT",
        ),
        ("/registerDevice", json!({}), "ERR_INVALID_FCM_TOKEN"),
        (
            "/registerDevice",
            json!({"fcmToken": " "}),
            "ERR_INVALID_FCM_TOKEN",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": 7}),
            "ERR_INVALID_FCM_TOKEN",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": "t", "platform": "vms"}),
            "ERR_INVALID_PLATFORM",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": "t", "deviceId": 7}),
            "ERR_INVALID_DEVICE_ID",
        ),
        ("/permissions/set", json!({}), "ERR_INVALID_REQUEST"),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": "1"}),
            "ERR_INVALID_REQUEST",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": 1, "sender": "x"}),
            "ERR_INVALID_PUBLIC_KEY",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": 1.5}),
            "ERR_INVALID_FEE_VALUE",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": -2}),
            "ERR_INVALID_FEE_VALUE",
        ),
        (
            "/permissions/set",
            json!({"messageBox": " ", "recipientFee": 1}),
            "ERR_INVALID_MESSAGE_BOX",
        ),
        (
            "/permissions/set",
            json!({"messageBox": 7, "recipientFee": 1}),
            "ERR_INVALID_MESSAGE_BOX",
        ),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (target, body, code) in cases {
        failing.says("POST", target, &body, 400, code).await;
    }
    let long = json!({"fcmToken": "x".repeat(501)});
    let code = "ERR_INVALID_FCM_TOKEN";
    let answer = failing
        .ask("POST", "/registerDevice", &long, 400, code)
        .await;
    assert_eq!(
        answer.json["description"],
        "fcmToken is too long: it may have at most 500 bytes."
    );
    // What belongs to somebody else is not there.
    let theirs = json!({"messageIds": ["taken"]});
    failing
        .says(
            "POST",
            "/acknowledgeMessage",
            &theirs,
            400,
            "ERR_INVALID_ACKNOWLEDGMENT",
        )
        .await;
    let posts: Vec<_> = right(KEY)
        .into_iter()
        .filter(|(method, ..)| *method == "POST")
        .collect();
    for (method, target, _) in posts {
        for raw in ["", "{", "\u{0}", "{\"a\":}"] {
            failing
                .says(method, &target, &json!(raw), 400, "ERR_INVALID_JSON")
                .await;
        }
    }
    let mut failing = Failing {
        documents,
        client: &stage.bob,
    };
    let device = json!({"fcmToken": "token of a device"});
    let code = "ERR_DEVICE_TOKEN_ALREADY_REGISTERED";
    failing
        .says("POST", "/registerDevice", &device, 409, code)
        .await;
}

async fn wrong_queries(documents: &mut Documents, stage: &Stage) {
    let wrong = format!("/permissions/quote?messageBox=b&recipient=x&recipient={KEY}&recipient=y");
    let name = "x".repeat(129);
    let long = format!("/permissions/quote?messageBox={name}&recipient={KEY}");
    let cases = [
        ("/permissions/get", "ERR_MISSING_PARAMETERS"),
        ("/permissions/get?messageBox=", "ERR_MISSING_PARAMETERS"),
        (
            "/permissions/get?messageBox=b&sender=x",
            "ERR_INVALID_PUBLIC_KEY",
        ),
        ("/devices?limit=0", "ERR_INVALID_LIMIT"),
        ("/devices?offset=-1", "ERR_INVALID_OFFSET"),
        ("/permissions/list?limit=0", "ERR_INVALID_LIMIT"),
        ("/permissions/list?limit=1001", "ERR_INVALID_LIMIT"),
        ("/permissions/list?limit=x", "ERR_INVALID_LIMIT"),
        ("/permissions/list?offset=-1", "ERR_INVALID_OFFSET"),
        ("/permissions/quote", "ERR_MISSING_PARAMETERS"),
        ("/permissions/quote?recipient=x", "ERR_MISSING_PARAMETERS"),
        ("/permissions/quote?messageBox=b", "ERR_MISSING_PARAMETERS"),
        (wrong.as_str(), "ERR_INVALID_PUBLIC_KEY"),
        (long.as_str(), "ERR_INVALID_MESSAGE_BOX"),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (target, code) in cases {
        failing.says("GET", target, &Value::Null, 400, code).await;
    }
    // As many as a limit of 1,000 forbids fit into no URI.
    let small = Stage::set(|settings| {
        settings.messages.max_recipients = std::num::NonZeroUsize::new(3).unwrap();
    })
    .await;
    let many = format!(
        "/permissions/quote?messageBox=b{}",
        format!("&recipient={KEY}").repeat(4)
    );
    failing.client = &small.alice;
    let answer = failing
        .ask("GET", &many, &Value::Null, 400, "ERR_TOO_MANY_RECIPIENTS")
        .await;
    assert_eq!(
        answer.json["description"],
        "A message may have at most 3 recipients."
    );
    // Paths and methods that are not there; they are in no document.
    for (method, target, status, code) in [
        ("GET", "/sendMessage", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("POST", "/devices", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("DELETE", "/permissions/list", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("GET", "/nothing", 404, "ERR_NOT_FOUND"),
        ("POST", "/permissions", 404, "ERR_NOT_FOUND"),
        ("POST", "/admin/migrate", 404, "ERR_NOT_FOUND"),
    ] {
        let answer = ask(&stage.alice, method, target, &json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{method} {target}"
        );
    }
}

async fn unauthenticated(documents: &mut Documents, stage: &Stage) {
    let strip = |mut request: Request| {
        request
            .headers
            .retain(|(name, _)| !name.starts_with("x-bsv-auth"));
        request
    };
    for (method, target, body) in right(KEY) {
        let good = request(&stage.alice, method, &target, &body);
        let forged = good.clone().set("x-bsv-auth-nonce", "bm9uY2U=");
        for (wrong, code) in [(strip(good), "UNAUTHORIZED"), (forged, "ERR_AUTH_FAILED")] {
            let answer = stage.alice.send(&wrong).await;
            assert_eq!(
                (answer.status, answer.code(), answer.signed),
                (401, code, false),
                "{target}"
            );
            documents.hold(method, &target, &answer);
            let path = target.split('?').next().unwrap();
            let documented = documents.description(method, path, 401, code);
            assert_eq!(answer.json["description"], documented);
        }
    }
}

async fn plain(stage: &Stage, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = Request {
        method: "POST".to_owned(),
        target: target.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    };
    stage.alice.send(&request).await
}

async fn wrong_handshakes(documents: &mut Documents, stage: &Stage) {
    let path = "/.well-known/auth";
    let nonce = Identity::random().create_nonce(rand::random()).unwrap();
    let good = json!({
        "version": "0.1", "messageType": "initialRequest", "identityKey": KEY, "initialNonce": nonce,
    });
    let answer = plain(stage, path, &[], &good.to_string()).await;
    assert_eq!(
        (answer.status, &answer.json["messageType"]),
        (200, &json!("initialResponse"))
    );
    documents.hold("POST", path, &answer);
    let with = |field: &str, value: Value| {
        let mut message = good.clone();
        message[field] = value;
        message.to_string()
    };
    for body in [
        String::new(),
        "[]".to_owned(),
        with("version", json!("1.0")),
        with("messageType", json!("hello")),
        with("identityKey", json!("x")),
        with("identityKey", json!(7)),
        with("initialNonce", json!("")),
        with("initialNonce", Value::Null),
    ] {
        let answer = plain(stage, path, &[], &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "ERR_INVALID_AUTH_MESSAGE"),
            "{body}"
        );
        documents.hold("POST", path, &answer);
    }
    let large = plain(stage, path, &[], &"x".repeat(65_537)).await;
    assert_eq!((large.status, large.code()), (413, "ERR_BODY_TOO_LARGE"));
    documents.hold("POST", path, &large);
}

/// Sends the head of a request and no body, and reads what comes.
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

async fn too_large(documents: &mut Documents, stage: &Stage) {
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

/// All at once, as each takes its time.
async fn too_slow(documents: &mut Documents, stage: &Stage) {
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

/// Of every route: nobody gets past it.
async fn large_heads(documents: &mut Documents) {
    let stage = Stage::set(|settings| {
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
    })
    .await;
    let many = "x: y\r\n".repeat(91);
    // They count with the space that may stand before a value, so that they are too large where the head is not yet.
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

async fn deep_json(documents: &mut Documents) {
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

async fn fees(documents: &mut Documents) {
    let wallet = Remote::start(|_| (500, json!({})).into());
    let headers = Remote::start(|_| (500, json!({})).into());
    let (wallet_url, headers_url) = (wallet.url.clone(), headers.url.clone());
    let stage = Stage::set(move |settings| {
        settings.wallet.url = Some(Secret::new(wallet_url));
        settings.fees.boxes.insert("served".to_owned(), 10);
    })
    .await;
    let checked =
        Stage::set(move |settings| settings.wallet.headers_url = Some(Secret::new(headers_url)))
            .await;
    stage.allow("blocked", -1).await;
    stage.allow("asks", 5).await;
    checked.allow("asks", 5).await;
    let server = stage.server.identity_key;
    let to = |stage: &Stage, message_box: &str, id: &str, payment: Value| {
        let recipient = stage.bob().to_hex();
        let message = json!({"messageBox": message_box, "body": "x", "recipient": recipient, "messageId": id});
        json!({"message": message, "payment": payment})
    };
    let pay = |satoshis: u64| {
        Payment::default()
            .to(&anyone(), stage.bob(), satoshis)
            .json()
    };
    let mut tagged = pay(5);
    tagged["outputs"][0]["customInstructions"] = json!({ "recipientIdentityKey": KEY });
    let mut empty = pay(5);
    empty["outputs"] = json!([]);
    let mut broken = pay(5);
    broken["tx"] = json!([1, 1, 1, 1]);
    let for_server = Payment::default()
        .to(&stage.alice.identity, server, 10)
        .json();
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    let cases = [
        ("blocked", Value::Null, 403, "ERR_DELIVERY_BLOCKED"),
        ("asks", Value::Null, 400, "ERR_MISSING_PAYMENT_TX"),
        ("served", Value::Null, 400, "ERR_MISSING_PAYMENT_TX"),
        ("served", empty.clone(), 400, "ERR_MISSING_DELIVERY_OUTPUT"),
        ("asks", empty, 400, "ERR_INSUFFICIENT_OUTPUTS"),
        ("asks", tagged, 400, "ERR_MISSING_RECIPIENT_OUTPUTS"),
        ("asks", broken, 400, "ERR_INVALID_PAYMENT"),
        ("asks", pay(4), 400, "ERR_INSUFFICIENT_PAYMENT"),
        ("served", for_server, 500, "ERR_INTERNALIZE_FAILED"),
    ];
    for (message_box, payment, status, code) in cases {
        let body = to(&stage, message_box, "1", payment);
        let answer = failing
            .ask("POST", "/sendMessage", &body, status, code)
            .await;
        let blocked = &answer.json["blockedRecipients"];
        assert_eq!(blocked.is_array(), code == "ERR_DELIVERY_BLOCKED");
    }
    let payment = pay(5);
    let first = ask(
        &stage.alice,
        "POST",
        "/sendMessage",
        &to(&stage, "asks", "1", payment.clone()),
    )
    .await;
    assert_eq!(first.status, 200);
    let again = to(&stage, "asks", "2", payment);
    failing
        .ask("POST", "/sendMessage", &again, 400, "ERR_PAYMENT_REUSED")
        .await;
    let payment = Payment::default().to(&anyone(), checked.bob(), 5).json();
    let body = to(&checked, "asks", "1", payment);
    let mut failing = Failing {
        documents,
        client: &checked.alice,
    };
    failing
        .ask("POST", "/sendMessage", &body, 500, "ERR_PAYMENT_UNVERIFIED")
        .await;
}

async fn prices(documents: &mut Documents) {
    let wallet = Arc::new(AtomicUsize::new(0));
    let remote = {
        let wallet = Arc::clone(&wallet);
        Remote::start(move |_| match wallet.load(Ordering::SeqCst) {
            0 => (500, json!({})).into(),
            accepted => (200, json!({ "accepted": accepted == 2 })).into(),
        })
    };
    let url = remote.url.clone();
    let stage = Stage::set(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.prices.request = 10;
    })
    .await;
    let (alice, server) = (&stage.alice, stage.server.identity_key);
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let list = json!({"messageBox": "inbox"});
    let asked = ask(alice, "POST", "/listMessages", &list).await;
    let prefix = asked.header("x-bsv-payment-derivation-prefix").unwrap();
    let used = header(&alice.identity, server, prefix, 10);
    wallet.store(2, Ordering::SeqCst);
    let mut paid = request(alice, "POST", "/listMessages", &list);
    paid.headers
        .push(("x-bsv-payment".to_owned(), used.clone()));
    assert_eq!(alice.send(&alice.sign(paid)).await.status, 200);
    for (method, target, body) in right(&stage.bob().to_hex()) {
        let mut failing = Failing {
            documents,
            client: alice,
        };
        let asked = failing
            .ask(method, &target, &body, 402, "ERR_PAYMENT_REQUIRED")
            .await;
        assert_eq!(asked.json["satoshisRequired"], 10);
        let prefix = asked.header("x-bsv-payment-derivation-prefix").unwrap();
        let pays = header(&alice.identity, server, prefix, 10);
        let cases = [
            (0, "{}".to_owned(), 400, "ERR_MALFORMED_PAYMENT"),
            (
                0,
                header(&alice.identity, server, "AAAA", 10),
                400,
                "ERR_INVALID_DERIVATION_PREFIX",
            ),
            (
                0,
                header(&alice.identity, server, prefix, 9),
                400,
                "ERR_INVALID_PAYMENT",
            ),
            (0, pays.clone(), 503, "ERR_PAYMENT_UNAVAILABLE"),
            (1, pays, 400, "ERR_PAYMENT_FAILED"),
            (2, used.clone(), 409, "ERR_PAYMENT_REPLAYED"),
        ];
        for (says, value, status, code) in cases {
            wallet.store(says, Ordering::SeqCst);
            let mut paid = request(alice, method, &target, &body);
            paid.headers.push(("x-bsv-payment".to_owned(), value));
            let answer = alice.send(&alice.sign(paid)).await;
            assert!(answer.signed);
            assert_eq!((answer.status, answer.code()), (status, code), "{target}");
            documents.hold(method, &target, &answer);
        }
        let (content_type, form) = envelope(&large, None);
        let paid = alice.request(method, &target, form);
        let paid = paid.set("content-type", content_type);
        let answer = alice.send(&alice.sign(paid)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (413, "ERR_MALFORMED_PAYMENT")
        );
        documents.hold(method, &target, &answer);
    }
}

/// Of every route with a body: what came is what is signed, so it may not be encoded.
async fn encoded_bodies(documents: &mut Documents, stage: &Stage) {
    for (method, target, body) in right(KEY) {
        if method == "POST" {
            let encoded = request(&stage.alice, method, &target, &body);
            let answer = stage
                .alice
                .send(&encoded.set("content-encoding", "gzip"))
                .await;
            assert_eq!((answer.status, answer.code()), (415, "ERR_AUTH_BODY"));
            documents.hold(method, &target, &answer);
        }
    }
}

/// A payment that has paid pays for nothing else.
async fn replayed_payments(documents: &mut Documents) {
    let stage = Stage::set(|settings| settings.prices.request = 10).await;
    for (method, target, body) in right(&stage.bob().to_hex()) {
        // What is acknowledged must be the caller's.
        let client = if target == "/acknowledgeMessage" {
            &stage.bob
        } else {
            &stage.alice
        };
        let asked = client.send(&request(client, method, &target, &body)).await;
        let prefix = asked.header("x-bsv-payment-derivation-prefix").unwrap();
        let payment = header(&client.identity, stage.server.identity_key, prefix, 10);
        for (status, code) in [(200, ""), (409, "ERR_PAYMENT_REPLAYED")] {
            let mut paid = request(client, method, &target, &body);
            paid.headers
                .push(("x-bsv-payment".to_owned(), payment.clone()));
            let answer = client.send(&client.sign(paid)).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{target}");
            documents.hold(method, &target, &answer);
        }
    }
}

async fn failing_stores(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    stage.server.database.take_tables();
    let overloaded = Stage::set(|settings| {
        settings.database.max_queued_writes = 0;
        settings.database.max_queued_reads = 0;
    })
    .await;
    for (method, target, body) in right(&stage.bob().to_hex()) {
        let code = match target.split('?').next().unwrap() {
            "/listMessages" | "/acknowledgeMessage" => "ERR_INTERNAL_ERROR",
            "/registerDevice" | "/devices" => "ERR_DATABASE_ERROR",
            "/permissions/list" => "ERR_LIST_PERMISSIONS_FAILED",
            _ => "ERR_INTERNAL",
        };
        let mut failing = Failing {
            documents,
            client: &stage.alice,
        };
        failing.says(method, &target, &body, 500, code).await;
        failing.client = &overloaded.alice;
        failing
            .says(method, &target, &body, 503, "ERR_OVERLOADED")
            .await;
    }
}

/// Certificates that nobody has.
fn require_certificates(settings: &mut Settings) {
    let required = &mut settings.auth.certificates;
    required.certifiers.push(KEY.to_owned());
    let certificate_type = STANDARD.encode([7; 32]);
    required
        .types
        .insert(certificate_type, vec!["name".to_owned()]);
    required.timeout = Duration::from_millis(50);
}

/// Signed, and nothing that could be a certificate.
async fn bring_a_wrong_certificate(stage: &Stage) {
    let (session, nonce) = (&stage.alice.session, message_nonce());
    let certificates = "[{}]";
    let signature = session.sign(&nonce, &sha256(certificates.as_bytes()));
    let response = json!({
        "version": "0.1", "messageType": "certificateResponse",
        "identityKey": stage.alice.identity.identity_key().to_hex(), "nonce": nonce,
        "initialNonce": session.own_nonce(), "yourNonce": session.peer_nonce(),
        "certificates": [{}], "signature": signature.unwrap().to_vec(),
    });
    let refused = plain(stage, "/.well-known/auth", &[], &response.to_string()).await;
    assert_eq!((refused.status, refused.code()), (401, "ERR_AUTH_FAILED"));
}

async fn missing_certificates(documents: &mut Documents) {
    let stage = Stage::set(require_certificates).await;
    for (method, target, body) in right(KEY) {
        let answer = stage
            .alice
            .send(&request(&stage.alice, method, &target, &body))
            .await;
        assert_eq!((answer.status, answer.signed), (408, false), "{target}");
        assert_eq!(answer.code(), "CERTIFICATE_TIMEOUT");
        assert_eq!(answer.json["message"], answer.json["description"]);
        documents.hold(method, &target, &answer);
    }
    let path = "/.well-known/auth";
    let session = &stage.alice.session;
    let nonce = message_nonce();
    let signature = session.sign(&nonce, &sha256(b"[]")).unwrap();
    let response = json!({
        "version": "0.1", "messageType": "certificateResponse",
        "identityKey": stage.alice.identity.identity_key().to_hex(), "nonce": nonce,
        "initialNonce": session.own_nonce(), "yourNonce": session.peer_nonce(),
        "certificates": [], "signature": signature.to_vec(),
    });
    let mut forged = response.clone();
    forged["nonce"] = json!(message_nonce());
    let nothing = plain(&stage, path, &[], &response.to_string()).await;
    assert_eq!(
        (nothing.status, &nothing.json),
        (400, &json!({"status": "No certificates provided"}))
    );
    documents.hold("POST", path, &nothing);
    bring_a_wrong_certificate(&stage).await;
    for (method, target, body) in right(KEY) {
        let request = request(&stage.alice, method, &target, &body);
        let answer = stage.alice.send(&request).await;
        assert_eq!((answer.status, answer.signed), (403, true), "{target}");
        assert_eq!(answer.code(), "ERR_CERTIFICATE_REFUSED");
        assert_eq!(answer.json["message"], answer.json["description"]);
        documents.hold(method, &target, &answer);
    }
    let refused = plain(&stage, path, &[], &forged.to_string()).await;
    assert_eq!((refused.status, refused.code()), (401, "ERR_AUTH_FAILED"));
    documents.hold("POST", path, &refused);
}

/// Redis is where nobody listens.
fn require_nonces(settings: &mut Settings) {
    let nowhere = format!("redis://{}", free_address());
    settings.cluster.redis_url = Some(Secret::new(nowhere));
    settings.cluster.require_nonces = true;
}

async fn unchecked_replays(documents: &mut Documents) {
    let stage = Stage::set(require_nonces).await;
    for (method, target, body) in right(KEY) {
        let mut failing = Failing {
            documents,
            client: &stage.alice,
        };
        let code = "ERR_REPLAY_UNCHECKED";
        failing.says(method, &target, &body, 503, code).await;
    }
}

async fn too_often(documents: &mut Documents) {
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

async fn identity_lists(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    for code in UNSERVED {
        stage.refuse_alice(code).await;
        for (method, target, body) in right(KEY) {
            let mut failing = Failing {
                documents,
                client: &stage.alice,
            };
            failing.says(method, &target, &body, 403, code).await;
        }
    }
}

async fn migrations(documents: &mut Documents) {
    let path = "/admin/migrate";
    let stage = Stage::set(|settings| {
        settings.database.migrate_on_start = false;
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
    })
    .await;
    let bearer = [("authorization", "Bearer a key of the operator")];
    for wrong in [
        &[][..],
        &[("authorization", "Bearer a key")],
        &[("authorization", "a key of the operator")],
    ] {
        let answer = plain(&stage, path, wrong, "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "ERR_INVALID_MIGRATE_KEY")
        );
        documents.hold("POST", path, &answer);
    }
    let eager = Stage::set(|settings| {
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.handshakes_per_address = 2;
    })
    .await;
    let limited = loop {
        let answer = plain(&eager, path, &[("authorization", "Bearer a guess")], "").await;
        if answer.status != 401 {
            break answer;
        }
    };
    assert_eq!((limited.status, limited.code()), (429, "ERR_RATE_LIMITED"));
    documents.hold("POST", path, &limited);
    // A table is in the way.
    let database = &stage.server.database;
    database.run(r#"CREATE TABLE "payments" ("x" TEXT)"#);
    let failed = plain(&stage, path, &bearer, "").await;
    assert_eq!(
        (failed.status, failed.code()),
        (500, "ERR_MIGRATION_FAILED")
    );
    documents.hold("POST", path, &failed);
    database.run(r#"DROP TABLE "payments""#);
    let applied = plain(&stage, path, &bearer, "").await;
    assert_eq!(applied.status, 200, "{:?}", applied.json);
    let names = applied.json["applied"].as_array().unwrap();
    assert!(!names.is_empty(), "{:?}", applied.json);
    documents.hold("POST", path, &applied);
    let nothing = plain(&stage, path, &bearer, "").await;
    assert_eq!(nothing.json, json!({"status": "success", "applied": []}));
    // From now on the server serves.
    let listed = ask(
        &stage.alice,
        "POST",
        "/listMessages",
        &json!({"messageBox": "b"}),
    )
    .await;
    assert_eq!(listed.status, 200);
}

/// Asks without any authentication.
async fn open(stage: &Stage, path: &str) -> Answer {
    let (status, body) = polling::get(&stage.server.http(path)).await;
    Answer {
        status,
        json: serde_json::from_str(&body).unwrap(),
        signed: false,
        headers: Vec::new(),
    }
}

async fn health(documents: &mut Documents) {
    let stage = Stage::set(|settings| "/api".clone_into(&mut settings.server.routing_prefix)).await;
    for prefix in ["", "/api"] {
        for path in ["/healthz", "/health", "/readyz", "/ready", "/info"] {
            let answer = open(&stage, &format!("{prefix}{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.json);
            documents.hold("GET", path, &answer);
        }
    }
    assert_eq!(open(&stage, "/readyz").await.json["ready"][0], "database");
    let broken = Stage::set(|_| {}).await;
    broken.server.database.take_tables();
    let answer = open(&broken, "/ready").await;
    documents.hold("GET", "/ready", &answer);
    let answer = open(&broken, "/readyz").await;
    documents.hold("GET", "/readyz", &answer);
    assert_eq!(answer.code(), "ERR_NOT_READY");
    assert_eq!(answer.json["notReady"], json!(["database"]));
    assert_eq!(
        answer.json["description"],
        documents.description("GET", "/readyz", 503, "ERR_NOT_READY")
    );
    assert_eq!(open(&broken, "/healthz").await.status, 200);
}
