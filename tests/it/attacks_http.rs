//! Attacks on signed requests: what is signed is what is routed, or it is refused; and nobody learns of others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::eventually;
use crate::support::raw_http::{ask, bytes, exchange, head, lines};
use crate::support::server::TestServer;

/// What the sender of a message is told whose id is in use.
const DUPLICATE: &str = "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId.";

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

/// The same request with another target, not signed anew.
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
    // What comes of a target that is signed as it is written.
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
        // What somebody on the way makes of `/listMessages`: only an empty query is the same request.
        let moved = retargeted(alice.request("POST", "/listMessages", LIST), target);
        let answer = ask(server.address, &bytes(&moved)).await;
        let same = matches!(target, "/listMessages" | "/listMessages?");
        let status = if same { 200 } else { 401 };
        assert_eq!((answer.status, answer.signed), (status, same), "{target}");
        // And what he makes of this one when he puts it into its plain form.
        let plain = retargeted(alice.request("POST", target, LIST), "/listMessages");
        let answer = ask(server.address, &bytes(&plain)).await;
        assert_eq!((answer.status, answer.signed), (status, same), "{target}");
    }
    // HTTP's other ways to write the same target; a fragment is no part of it.
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

/// Whoever is in between can put another body behind the head of a request. If the server signed what it says of that, the
/// client would believe that its own request was refused, and the attacker could send it all the same.
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
            // With what is kept for small ones.
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
    // Asked for twice, so that the answer says which box was read.
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
        // The same twice says nothing else than once.
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
        // To some proxies these are one name; to us they are two.
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
    // What nobody signs does nothing.
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
    // Nothing decodes what somebody has signed.
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
    // Without its `\r` a line ends all the same, and what follows is a header like any other.
    let request = alice.request("POST", "/listMessages", LIST);
    let length = format!(
        "x-note: a\nx-bsv-auth-nonce: b\r\ncontent-length: {}\r\n",
        LIST.len()
    );
    let head = head("POST", "/listMessages", &request.headers, &length);
    let answer = ask(server.address, format!("{head}{LIST}").as_bytes()).await;
    assert_eq!((answer.status, answer.signed), (401, false));
}

/// Requests whose end two readers could see in two places. A second request stands where one of them would read on.
#[actix_web::test]
async fn a_body_has_one_end_or_the_connection_has() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let length = LIST.len();
    let whole = format!("content-length: {length}\r\n");
    let chunks = format!("{length:x}\r\n{LIST}\r\n0\r\n\r\n");
    // Answered with 401, and only where the first one has ended exactly.
    let smuggled = "GET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // What the headers say, what comes as the body, and the statuses that are given.
    let cases: Vec<(&str, String, String, &[u16])> = vec![
        ("length", whole.clone(), LIST.into(), &[200, 401]),
        (
            "chunks",
            "transfer-encoding: chunked\r\n".into(),
            chunks.clone(),
            &[200, 401],
        ),
        (
            "chunks in capitals",
            "Transfer-Encoding: CHUNKED\r\n".into(),
            chunks.clone(),
            &[200, 401],
        ),
        (
            "length and chunks",
            format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            chunks.clone(),
            &[400],
        ),
        (
            "chunks and length",
            format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
            chunks.clone(),
            &[400],
        ),
        (
            "length twice",
            format!("{whole}{whole}"),
            LIST.into(),
            &[400],
        ),
        (
            "two lengths",
            format!("{whole}content-length: 0\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "lengths in a list",
            format!("content-length: {length}, {length}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "length with a sign",
            format!("content-length: +{length}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "length below zero",
            "content-length: -1\r\n".into(),
            LIST.into(),
            &[400],
        ),
        (
            "length in hexadecimal",
            format!("content-length: {length:#x}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "encoding twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "encodings",
            "transfer-encoding: chunked, identity\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "unknown encoding",
            "transfer-encoding: xchunked\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "size that is no number",
            "transfer-encoding: chunked\r\n".into(),
            format!("x{chunks}"),
            &[400],
        ),
        (
            "size without an end",
            "transfer-encoding: chunked\r\n".into(),
            format!("{}\r\n{LIST}", "f".repeat(20)),
            &[400],
        ),
        (
            "trailers",
            "transfer-encoding: chunked\r\n".into(),
            format!("{length:x}\r\n{LIST}\r\n0\r\nx-bsv-payment: {{}}\r\n\r\n"),
            // They are passed over: no header comes after the head.
            &[200, 401],
        ),
    ];
    for (what, says, body, expected) in cases {
        let request = alice.request("POST", "/listMessages", LIST);
        let head = head("POST", "/listMessages", &request.headers, &says);
        let sent = format!("{head}{body}{smuggled}");
        let answers = exchange(server.address, sent.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, expected, "{what}: {answers:?}");
    }
    // HTTP/1.0 knows no chunks.
    let request = alice.request("POST", "/listMessages", LIST);
    let old = format!(
        "POST /listMessages HTTP/1.0\r\n{}transfer-encoding: chunked\r\n\r\n{chunks}",
        lines(&request.headers)
    );
    let answer = ask(server.address, old.as_bytes()).await;
    assert_eq!((answer.status, answer.signed), (400, false));
    let old = format!(
        "POST /listMessages HTTP/1.0\r\n{}{whole}\r\n{LIST}",
        lines(&request.headers)
    );
    let answers = exchange(server.address, old.as_bytes()).await;
    assert!(answers.len() <= 1, "{answers:?}");
}

/// actix has constants for these: 96 headers, heads of 128 KiB, targets of 64 KiB.
#[actix_web::test]
async fn a_head_is_bounded() {
    let server = TestServer::with(|settings| {
        settings.server.max_url_bytes = 65_534.try_into().unwrap();
        settings.server.max_headers = 96.try_into().unwrap();
        settings.server.max_header_bytes = 131_072.try_into().unwrap();
    });
    let line = |count: usize| "x-note: a\r\n".repeat(count);
    let long = |length: usize| format!("x-note: {}\r\n", "a".repeat(length));
    let path = |length: usize| format!("/{}", "a".repeat(length));
    let cases = [
        ("/", line(90), true),
        ("/", line(95), false),
        ("/", line(100_000), false),
        ("/", long(100_000), true),
        ("/", long(200_000), false),
        (&*path(60_000), String::new(), true),
        (&*path(70_000), String::new(), false),
        (&*path(200_000), String::new(), false),
    ];
    for (target, lines, taken) in cases {
        let text = head("GET", target, &[], &lines);
        let what = format!("{} and {}", target.len(), lines.len());
        let answers = exchange(server.address, text.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // A connection that is reset before its answer is read shows none.
        let is_refused = matches!(statuses[..], [] | [400 | 431]);
        assert_eq!(statuses == [401], taken, "{what}: {statuses:?}");
        assert!(taken || is_refused, "{what}: {statuses:?}");
    }
}

/// As much of a head as actix takes, by default, in one header or in many: a payment comes in one.
#[actix_web::test]
async fn a_head_of_128_kib_is_taken_by_default() {
    const ALL: usize = 131_072;
    let server = TestServer::start();
    for (count, bytes, taken) in [
        (1, ALL - 1, true),
        (80, ALL - 1, true),
        (1, ALL + 1_024, false),
        (80, ALL + 1_024, false),
    ] {
        let around = head("GET", "/", &[], "").len();
        let each = (bytes - around) / count;
        let line = |length: usize| format!("x-note: {}\r\n", "a".repeat(length - 10));
        let rest = bytes - around - each * (count - 1);
        let lines = format!("{}{}", line(each).repeat(count - 1), line(rest));
        let text = head("GET", "/", &[], &lines);
        assert_eq!(text.len(), bytes);
        let answers = exchange(server.address, text.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // A connection that is reset before its answer is read shows none.
        let is_refused = matches!(statuses[..], [] | [400 | 431]);
        assert_eq!(statuses == [401], taken, "{count} {bytes}: {statuses:?}");
        assert!(taken || is_refused, "{count} {bytes}: {statuses:?}");
    }
}

#[actix_web::test]
async fn an_id_of_another_is_not_stored_over_nor_told_of() {
    let server = TestServer::start();
    let (alice, bob, carol, mallory) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    let (to_bob, to_carol) = (key(&bob), key(&carol));
    let sent = async |party: &Brc104, message: String| {
        let answer = party.post("/sendMessage", message).await;
        answer.status
    };
    let listed = async |party: &Brc104| {
        let list = party.post("/listMessages", LIST).await.json;
        let items = list["messages"].as_array().unwrap();
        let item = |item: &Value| (item["messageId"].clone(), item["body"].clone());
        items.iter().map(item).collect::<Vec<_>>()
    };
    let of_alice = vec![(json!("1"), json!(r#"{"message":"of alice"}"#))];
    assert_eq!(sent(&alice, message(&to_bob, "1", "of alice")).await, 200);
    // Who uses it after her is told that it is taken, and by nothing else: not by whom, nor for what.
    let taken = mallory
        .post("/sendMessage", message(&to_bob, "1", "of mallory"))
        .await;
    assert_eq!(
        (taken.status, taken.json),
        (
            400,
            json!({"status": "error", "code": "ERR_DUPLICATE_MESSAGE", "description": DUPLICATE})
        )
    );
    // Nothing of a message to several is stored where one of them cannot be.
    let several = json!({"message": {
        "recipients": [to_carol, to_bob], "messageId": ["9", "1"], "messageBox": "inbox", "body": "of mallory",
    }});
    assert_eq!(sent(&mallory, several.to_string()).await, 400);
    assert_eq!(
        (listed(&bob).await, listed(&carol).await),
        (of_alice.clone(), vec![])
    );
    // An id is taken for its recipient only, in any of its boxes.
    assert_eq!(sent(&mallory, message(&to_carol, "1", "x")).await, 200);
    let elsewhere = message(&to_bob, "1", "of mallory").replace("inbox", "outbox");
    assert_eq!(sent(&mallory, elsewhere).await, 400);
    // What is not one's own cannot be acknowledged, and cannot be told from what does not exist.
    for ids in [
        json!(["1"]),
        json!(["no such id"]),
        json!(["1", "no such id"]),
    ] {
        let body = json!({ "messageIds": ids }).to_string();
        let answer = alice.post("/acknowledgeMessage", body).await;
        assert_eq!(
            (answer.status, answer.json),
            (
                400,
                json!({"status": "error", "code": "ERR_INVALID_ACKNOWLEDGMENT", "description": "Message not found!"})
            )
        );
    }
    assert_eq!(listed(&bob).await, of_alice);
    // One who came first with her next id does not silence her: she is told at once, and any other id will do.
    assert_eq!(sent(&mallory, message(&to_bob, "2", "x")).await, 200);
    let told = alice
        .post("/sendMessage", message(&to_bob, "2", "of alice"))
        .await;
    assert_eq!(
        (told.status, told.code(), told.signed),
        (400, "ERR_DUPLICATE_MESSAGE", true)
    );
    assert_eq!(sent(&alice, message(&to_bob, "3", "of alice")).await, 200);
    assert_eq!(listed(&bob).await.len(), 3);
}

/// Everything that a caller can ask about another, of one that has all there is and of one that has never been here.
#[actix_web::test]
async fn no_answer_and_no_work_tells_who_is_known() {
    let server = TestServer::start();
    let (alice, friend, carol) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    let mut member = AuthSocketClient::authenticated(server.address).await;
    let known = Brc104::connect_as(&server.http(""), member.identity.clone()).await;
    let blocks = json!({"messageBox": "inbox", "sender": key(&carol), "recipientFee": -1});
    assert_eq!(
        known
            .post("/permissions/set", blocks.to_string())
            .await
            .status,
        200
    );
    let device = json!({"fcmToken": "token", "deviceId": "phone"}).to_string();
    assert_eq!(known.post("/registerDevice", device).await.status, 200);
    let held = message(&key(&known), "held", "x");
    assert_eq!(friend.post("/sendMessage", held).await.status, 200);
    member.event().await;
    let unknown = messagebox::auth::Identity::random().identity_key().to_hex();
    let mut asking = AuthSocketClient::authenticated(server.address).await;
    let mut seen = Vec::new();
    // The first request of a session writes that its client has proven itself.
    assert_eq!(alice.post("/listMessages", LIST).await.status, 200);
    let proven = r#"SELECT 'x' AS "value" FROM "auth_sessions" WHERE "isAuthenticated""#;
    eventually("three sessions", || {
        server.database.texts(proven).len() == 3
    })
    .await;
    server.db.probe().await.unwrap();
    let start = server.db.status();
    for who in [key(&known), unknown] {
        let before = server.db.status();
        let mut said = Vec::new();
        let requests = [
            (
                "GET",
                format!("/permissions/quote?recipient={who}&messageBox=inbox"),
                String::new(),
            ),
            (
                "GET",
                format!(
                    "/permissions/quote?recipient={who}&recipient={}&messageBox=inbox",
                    key(&alice)
                ),
                String::new(),
            ),
            (
                "GET",
                format!("/permissions/get?sender={who}&messageBox=inbox"),
                String::new(),
            ),
            (
                "GET",
                format!("/permissions/get?recipient={who}&messageBox=inbox"),
                String::new(),
            ),
            (
                "POST",
                format!("/listMessages?recipient={who}"),
                LIST.to_owned(),
            ),
            (
                "POST",
                "/listMessages".to_owned(),
                json!({"messageBox": format!("{who}-inbox")}).to_string(),
            ),
            (
                "POST",
                "/acknowledgeMessage".to_owned(),
                json!({"messageIds": ["held"]}).to_string(),
            ),
            ("POST", "/sendMessage".to_owned(), message(&who, "1", "x")),
            ("POST", "/sendMessage".to_owned(), message(&who, "1", "x")),
            (
                "POST",
                "/sendMessage".to_owned(),
                message(&who, "2", "x").replace("inbox", "new"),
            ),
        ];
        for (method, target, body) in requests {
            let answer = alice.send(&alice.request(method, &target, body)).await;
            said.push(told(&answer).replace(&who, "WHO"));
        }
        let room = format!("{who}-inbox");
        for (event, data) in [
            ("joinRoom", json!(room)),
            ("leaveRoom", json!(room)),
            (
                "sendMessage",
                json!({"roomId": room, "message": {"messageId": "3", "body": "x"}}),
            ),
        ] {
            asking.emit(event, &data).await;
            said.push(format!("{:?}", asking.event().await).replace(&who, "WHO"));
        }
        // A message, a repeated one, one to another box, one by socket, and the acknowledgement of nothing. They are counted
        // once they are answered.
        eventually("the counts", || {
            let after = server.db.status();
            (after.writes - before.writes, after.stored - before.stored) == (5, 3)
        })
        .await;
        seen.push(said);
    }
    for (known, unknown) in seen[0].iter().zip(&seen[1]) {
        assert_eq!(known, unknown);
    }
    let after = server.db.status();
    assert_eq!(after.writes - start.writes, 10);
}

/// All that an answer says but its time and what makes every signature another.
fn told(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    let fresh = [
        "date",
        "x-bsv-auth-nonce",
        "x-bsv-auth-signature",
        "x-bsv-auth-request-id",
        "x-request-id",
    ];
    headers.retain(|(name, _)| !fresh.contains(&name.as_str()));
    headers.sort();
    format!("{} {} {headers:?}", answer.status, answer.json)
}
