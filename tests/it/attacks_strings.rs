//! Strings with a meaning for the database or for readers of the log.

use std::net::SocketAddr;

use messagebox::events::is_message_box;
use messagebox::js_trim::js_trim;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling;
use crate::support::raw_http::exchange;
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::websocket::Websocket;
use crate::support::within;

/// Strings that break out of a statement, a line or an encoding.
const STRINGS: [&str; 21] = [
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "x' OR '1'='1",
    "x'; DROP TABLE messages; --",
    "x\" /* */ # --",
    "%",
    "_",
    "?1 $1 :a @b {}",
    "a\nb\r\nc\td",
    "\u{1}\u{1b}[31m\u{7f}",
    "a\u{85}b\u{2028}c\u{2029}d",
    "é",
    "e\u{301}",
    "😀𐍈",
    "\u{202e}rtl",
    "\u{feff}bom",
    "\u{fffd}\u{10ffff}",
];

/// A box with this name, or with a similar one. The server must not trim it, and clients must read it in event names.
fn box_of(text: &str) -> String {
    if is_message_box(text) && js_trim(text) == text {
        return text.to_owned();
    }
    hex::encode(text)
}

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

#[actix_web::test]
async fn what_is_stored_is_listed_unchanged() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let to = bob.identity.identity_key().to_hex();
    for text in STRINGS {
        let message_box = box_of(text);
        let message = json!({"message": {"recipient": to, "messageBox": message_box, "messageId": text, "body": text}});
        let sent = alice.post("/sendMessage", message.to_string()).await;
        assert_eq!(
            (sent.status, &sent.json["messageId"]),
            (200, &json!(text)),
            "{text:?}"
        );
        let set = json!({"messageBox": message_box, "recipientFee": 0});
        let set = bob.post("/permissions/set", set.to_string()).await;
        assert_eq!(set.status, 200, "{text:?}");
        let device = json!({"fcmToken": format!("{text}0123456789"), "deviceId": text});
        let registered = bob.post("/registerDevice", device.to_string()).await;
        assert_eq!(registered.status, 200, "{text:?}");
    }
    // Each box holds its own message and no other, so no string has matched another.
    for text in STRINGS {
        let list = json!({ "messageBox": box_of(text) }).to_string();
        let listed = bob.post("/listMessages", list).await.json;
        let items = listed["messages"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{text:?}");
        assert_eq!(items[0]["messageId"], text);
        let body: Value = serde_json::from_str(items[0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({ "message": text }));
        let encoded = percent_encoded(&box_of(text));
        let get = format!("/permissions/get?messageBox={encoded}");
        let found = bob.send(&bob.request("GET", &get, "")).await;
        assert_eq!(found.json["permission"]["messageBox"], box_of(text));
    }
    let devices = bob.send(&bob.request("GET", "/devices", "")).await.json;
    let mut names: Vec<&str> = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["deviceId"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let mut expected = STRINGS;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for text in STRINGS {
        let ids = json!({ "messageIds": [text] }).to_string();
        assert_eq!(
            bob.post("/acknowledgeMessage", &*ids).await.status,
            200,
            "{text:?}"
        );
        assert_eq!(
            bob.post("/acknowledgeMessage", &*ids).await.status,
            400,
            "{text:?}"
        );
    }
}

/// The published clients disconnect for good when the name of an event is too long or not printable. So the server
/// takes no message for a box whose name would become part of such an event.
#[actix_web::test]
async fn a_box_whose_events_would_cut_its_owner_off_takes_no_messages() {
    let server = TestServer::start();
    let mut alice = AuthSocketClient::authenticated(server.address).await;
    let bob = AuthSocketClient::authenticated(server.address).await;
    let http = Brc104::connect_as(&server.http(""), alice.identity.clone()).await;
    let (long, longer) = ("x".repeat(129), "x".repeat(178));
    let unprintable = ["a\u{1}b", "a\u{7f}", "\u{202e}rtl", "\u{2066}a"];
    let names = [long.as_str(), &longer].into_iter().chain(unprintable);
    for (index, message_box) in names.enumerate() {
        let message = json!({
            "recipient": bob.key().to_hex(), "messageBox": message_box,
            "messageId": index.to_string(), "body": "x",
        });
        let sent = http
            .post("/sendMessage", json!({ "message": message }).to_string())
            .await;
        let refused = (sent.status, sent.code());
        assert_eq!(refused, (400, "ERR_INVALID_MESSAGEBOX"), "{message_box:?}");
        let room = bob.room(message_box);
        alice.send_message(&room, &index.to_string(), "x").await;
        let (event, data) = alice.event().await;
        assert_eq!(event, "messageFailed", "{message_box:?}");
        assert_eq!(data["reason"], "Invalid message box");
        // The sender's own client could not read this ack.
        if message_box == long {
            let (event, data) = alice.event().await;
            assert_eq!(event, format!("sendMessageAck-{room}"));
            assert_eq!(data["status"], "error");
        }
    }
    let longest = bob.room(&"é".repeat(64));
    alice.send_message(&longest, "fits", "x").await;
    assert_eq!(alice.event().await.1["status"], "success");
}

/// Some databases cannot store U+0000. The server passes it to none, and all answer alike.
#[actix_web::test]
async fn a_name_with_u0000_is_nobodys() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let key = alice.identity.identity_key().to_hex();
    let text = "a\0b";
    let message = |field: &str| {
        let mut message =
            json!({"recipient": key, "messageBox": "x", "messageId": "x", "body": "x"});
        message[field] = json!(text);
        json!({ "message": message }).to_string()
    };
    for (route, body, code) in [
        (
            "/sendMessage",
            message("messageBox"),
            "ERR_INVALID_MESSAGEBOX",
        ),
        (
            "/sendMessage",
            message("messageId"),
            "ERR_INVALID_MESSAGEID",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": [text]}).to_string(),
            "ERR_INVALID_ACKNOWLEDGMENT",
        ),
        (
            "/permissions/set",
            json!({"messageBox": text, "recipientFee": 0}).to_string(),
            "ERR_INVALID_MESSAGE_BOX",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": text}).to_string(),
            "ERR_INVALID_FCM_TOKEN",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": "x", "deviceId": text}).to_string(),
            "ERR_INVALID_DEVICE_ID",
        ),
    ] {
        let answer = alice.post(route, &*body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, code),
            "{route} {body}"
        );
    }
    let get = async |target: &str| alice.send(&alice.request("GET", target, "")).await;
    let listed = alice
        .post("/listMessages", json!({"messageBox": text}).to_string())
        .await;
    assert_eq!((listed.status, &listed.json["messages"]), (200, &json!([])));
    let found = get("/permissions/get?messageBox=a%00b").await;
    assert_eq!(
        (found.status, &found.json["permission"]),
        (200, &Value::Null)
    );
    let found = get("/permissions/list?messageBox=a%00b").await;
    assert_eq!((found.status, &found.json["totalCount"]), (200, &json!(0)));
    let quote = get(&format!(
        "/permissions/quote?recipient={key}&messageBox=a%00b"
    ))
    .await;
    assert_eq!(
        (quote.status, quote.code()),
        (400, "ERR_INVALID_MESSAGE_BOX")
    );
    // In a body it is an escape of JSON, which is stored as it is.
    assert_eq!(
        alice.post("/sendMessage", message("body")).await.status,
        200
    );
    let listed = alice
        .post("/listMessages", r#"{"messageBox":"x"}"#)
        .await
        .json;
    assert_eq!(
        listed["messages"][0]["body"],
        json!({"message": text}).to_string()
    );
    let mut member = AuthSocketClient::authenticated(server.address).await;
    // The name of an ack for this room would be unreadable for clients.
    member.send_message(&member.room(text), "x", "x").await;
    assert_eq!(member.event().await.0, "messageFailed");
    member.send_message(&member.room("x"), text, "x").await;
    assert_eq!(member.event().await.0, "messageFailed");
    assert_eq!(member.event().await.1["status"], "error");
}

/// JSON can express half of a surrogate pair, which is no text.
#[actix_web::test]
async fn what_is_no_text_is_refused_with_the_code_of_its_field() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let key = alice.identity.identity_key().to_hex();
    let mut member = AuthSocketClient::authenticated(server.address).await;
    for escape in [r"\ud800", r"\udc00", r"\udc00\ud800", r"a\ud83d"] {
        let message = |field: &str| {
            let value = |name: &str| if name == field { escape } else { "x" };
            format!(
                r#"{{"message":{{"recipient":"{key}","messageBox":"{}","messageId":"{}","body":"{}"}}}}"#,
                value("messageBox"),
                value("messageId"),
                value("body"),
            )
        };
        let cases = [
            (
                "/sendMessage",
                message("messageBox"),
                "ERR_INVALID_MESSAGEBOX",
            ),
            (
                "/sendMessage",
                message("messageId"),
                "ERR_INVALID_MESSAGEID",
            ),
            ("/sendMessage", message("body"), "ERR_INVALID_MESSAGE_BODY"),
            (
                "/sendMessage",
                message("").replace(&key, escape),
                "ERR_INVALID_RECIPIENT_KEY",
            ),
            (
                "/listMessages",
                format!(r#"{{"messageBox":"{escape}"}}"#),
                "ERR_INVALID_JSON",
            ),
            (
                "/acknowledgeMessage",
                format!(r#"{{"messageIds":["{escape}"]}}"#),
                "ERR_INVALID_MESSAGE_ID",
            ),
            (
                "/permissions/set",
                format!(r#"{{"messageBox":"{escape}","recipientFee":0}}"#),
                "ERR_INVALID_JSON",
            ),
            (
                "/registerDevice",
                format!(r#"{{"fcmToken":"{escape}"}}"#),
                "ERR_INVALID_JSON",
            ),
        ];
        for (route, body, code) in cases {
            let answer = alice.post(route, &*body).await;
            assert_eq!(
                (answer.status, answer.code(), answer.signed),
                (400, code, true),
                "{route} {body}"
            );
        }
        // In an object, in an array and on a socket, the server refuses it with the same reason as in a string.
        let reason = "Invalid message body: it has half of a surrogate pair, so it is not Unicode";
        for body in [
            format!(r#""{escape}""#),
            format!(r#"{{"a":"{escape}"}}"#),
            format!(r#"["{escape}"]"#),
        ] {
            let kept = message("").replace(r#""body":"x""#, &format!(r#""body":{body}"#));
            let answer = alice.post("/sendMessage", kept).await;
            let description = answer.json["description"].as_str().unwrap();
            assert_eq!(answer.code(), "ERR_INVALID_MESSAGE_BODY");
            assert!(description.starts_with(reason), "{body}: {description}");
        }
        let room = member.room("x");
        let data =
            format!(r#"{{"roomId":"{room}","message":{{"messageId":"1","body":"{escape}"}}}}"#);
        member.emit_json("sendMessage", &data).await;
        assert_eq!(member.event().await.0, "messageFailed");
        let (_, ack) = member.event().await;
        assert_eq!(ack["code"], "ERR_INVALID_MESSAGE_BODY");
        assert!(ack["reason"].as_str().unwrap().starts_with(reason), "{ack}");
    }
    // A whole pair is a character, however it is written.
    let whole = format!(
        r#"{{"message":{{"recipient":"{key}","messageBox":"x","messageId":"x","body":{{"a":"\ud83d\ude00"}}}}}}"#
    );
    assert_eq!(alice.post("/sendMessage", whole).await.status, 200);
    let list = alice
        .post("/listMessages", r#"{"messageBox":"x"}"#)
        .await
        .json;
    assert_eq!(
        list["messages"][0]["body"],
        r#"{"message":{"a":"\ud83d\ude00"}}"#
    );
}

/// Starts a line that looks like the server's own.
const FORGED: &str = "\n[2026-01-01T00:00:00.000Z ERROR messagebox] forged\r[2026 \u{1b}[2J\0\u{85}\u{2028}\u{202e}end";

fn percent_encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

/// An auth message with the forged line in this field.
fn handshake(field: &str) -> String {
    let value = |name: &str, usual: &'static str| {
        let text = if name == field { FORGED } else { usual };
        json!(text)
    };
    json!({
        "version": value("version", "0.1"), "messageType": value("messageType", "initialRequest"),
        "identityKey": value("identityKey", "02"), "initialNonce": value("initialNonce", "AAAA"),
        "certificates": [{"type": FORGED, "subject": FORGED, "fields": {FORGED: FORGED}}], "payload": FORGED,
    })
    .to_string()
}

/// Sends it unauthenticated in every place that takes a string.
async fn say_it_unproven(address: SocketAddr) {
    let encoded = percent_encoded(FORGED);
    for head in [
        format!("GET /{encoded}?{encoded} HTTP/1.1\r\nhost: x\r\nx-note: {FORGED}\r\n"),
        format!(
            "GET /socket.io/?EIO={encoded}&transport={encoded}&sid={encoded} HTTP/1.1\r\nhost: x\r\n"
        ),
        format!("GET /socket.io/?EIO=4&transport=polling&sid={encoded} HTTP/1.1\r\nhost: x\r\n"),
        format!("{FORGED} / HTTP/1.1\r\nhost: x\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {FORGED}\r\ncontent-length: {FORGED}\r\n"),
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: {}\r\n",
            FORGED.replace(['\n', '\r', '\0'], "\t")
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {}\r\n",
            FORGED.replace(['\n', '\r', '\0'], "\t")
        ),
    ] {
        exchange(
            address,
            format!("{head}connection: close\r\n\r\n").as_bytes(),
        )
        .await;
    }
    let path = format!("http://{address}/.well-known/auth");
    for field in ["version", "messageType", "identityKey", "initialNonce"] {
        polling::post(&path, handshake(field)).await;
    }
    polling::post(&path, json!(FORGED).to_string()).await;
}

/// Sends it in signed requests.
async fn say_it_over_http(address: SocketAddr) {
    let encoded = percent_encoded(FORGED);
    let alice = Brc104::connect(&format!("http://{address}")).await;
    let key = alice.identity.identity_key().to_hex();
    let message = json!({"message": {"recipient": key, "messageBox": FORGED, "messageId": FORGED, "body": FORGED}});
    for (method, target, body) in [
        ("POST", "/sendMessage".to_owned(), message.to_string()),
        (
            "POST",
            "/sendMessage".to_owned(),
            message.to_string().replace(&key, "\\n[2026"),
        ),
        (
            "POST",
            "/listMessages".to_owned(),
            json!({"messageBox": FORGED, "order": FORGED}).to_string(),
        ),
        (
            "POST",
            "/acknowledgeMessage".to_owned(),
            json!({"messageIds": [FORGED]}).to_string(),
        ),
        (
            "POST",
            "/registerDevice".to_owned(),
            json!({"fcmToken": FORGED, "deviceId": FORGED}).to_string(),
        ),
        (
            "POST",
            "/registerDevice".to_owned(),
            json!({"fcmToken": "x", "platform": FORGED}).to_string(),
        ),
        (
            "POST",
            "/permissions/set".to_owned(),
            json!({"messageBox": FORGED, "recipientFee": 0}).to_string(),
        ),
        (
            "GET",
            format!("/permissions/quote?recipient={encoded}&messageBox={encoded}"),
            String::new(),
        ),
        ("GET", format!("/{encoded}"), String::new()),
    ] {
        alice.send(&alice.request(method, &target, body)).await;
    }
    let odd = alice
        .request("POST", "/listMessages", "{}")
        .set("x-bsv-auth-your-nonce", "\u{85}\u{202e}");
    alice.send(&odd).await;
}

/// Sends it in signed events and in packets.
async fn say_it_on_sockets(address: SocketAddr) {
    let text = json!(FORGED).to_string();
    let mut member = AuthSocketClient::authenticated(address).await;
    for (event, data) in [
        (FORGED, json!(FORGED)),
        ("joinRoom", json!(FORGED)),
        ("leaveRoom", json!(FORGED)),
        ("authenticated", json!({"identityKey": FORGED})),
        (
            "sendMessage",
            json!({"roomId": FORGED, "message": {"messageId": FORGED, "body": FORGED}}),
        ),
        (
            "sendMessage",
            json!({"roomId": format!("{}-{FORGED}", member.key()), "message": {"messageId": "x".repeat(300), "body": FORGED}}),
        ),
    ] {
        member.emit(event, &data).await;
    }
    for field in ["version", "messageType", "identityKey", "initialNonce"] {
        member.send_auth(&handshake(field)).await;
    }
    let unknown = json!({"version": "0.1", "messageType": "general", "identityKey": FORGED, "nonce": FORGED,
        "yourNonce": FORGED, "payload": [1], "signature": [1]});
    member.send_auth(&unknown.to_string()).await;
    member.send_auth(&text).await;
    member.websocket.send(format!("42[{text},{text}]")).await;
    // The server answers this after everything before it.
    let room = member.room("inbox");
    member.emit("joinRoom", &json!(room.as_str())).await;
    while within("the room", member.event_or_request())
        .await
        .as_deref()
        != Some("joinedRoom")
    {}

    for packet in [
        format!("40/{FORGED},{text}"),
        format!("4{FORGED}"),
        format!("42{FORGED}"),
        format!("41/{FORGED},"),
        format!("451-[{text},{{\"_placeholder\":true,\"num\":{text}}}]"),
        FORGED.to_owned(),
    ] {
        let mut broken = Websocket::open(&format!(
            "ws://{address}/socket.io/?EIO=4&transport=websocket"
        ))
        .await;
        broken.send(packet).await;
    }
}

#[actix_web::test]
async fn no_string_forges_a_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let variables = [("RUST_LOG", "debug"), ("NODE_ENV", "development")];
    let mut server = ServerProcess::with(address, folder.path(), &variables, None);
    say_it_unproven(address).await;
    say_it_over_http(address).await;
    say_it_on_sockets(address).await;
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let log = server.log();
    assert!(
        log.contains("forged"),
        "the log contains none of the strings"
    );
    for line in log.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let is_ours = line.starts_with("[20")
            && !line.starts_with("[2026-01-01T")
            && !line.starts_with("[2026 ");
        assert!(is_ours, "{line:?}");
        let steers = |c: char| {
            c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!line.contains(steers), "{line:?}");
    }
}
