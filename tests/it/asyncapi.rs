//! Compares the served `AsyncAPI` document with the events that the server takes and sends.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use messagebox::model::IdentityList;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling;
use crate::support::server::TestServer;

struct Document {
    yaml: Value,
    seen: BTreeSet<String>,
    reasons: BTreeSet<String>,
}

impl Document {
    async fn of(server: &TestServer) -> Self {
        let (status, text) = polling::get(&server.http("/docs/asyncapi.yaml")).await;
        assert_eq!(status, 200);
        Self {
            yaml: serde_norway::from_str(&text).unwrap(),
            seen: BTreeSet::new(),
            reasons: BTreeSet::new(),
        }
    }

    fn messages(&self) -> &serde_json::Map<String, Value> {
        self.yaml["components"]["messages"].as_object().unwrap()
    }

    /// Checks a payload against the one message with its name.
    fn hold(&mut self, event: &str, data: &Value) {
        let payload = json!({"eventName": event, "data": data});
        let fits = |message: &Value| {
            let mut schema = message["payload"].clone();
            schema["components"] = self.yaml["components"].clone();
            jsonschema::draft202012::new(&schema)
                .unwrap()
                .is_valid(&payload)
        };
        let fitting: Vec<&String> = self
            .messages()
            .iter()
            .filter_map(|(name, message)| fits(message).then_some(name))
            .collect();
        assert_eq!(fitting.len(), 1, "{payload} is {fitting:?}");
        self.seen.insert(fitting[0].clone());
        if let Some(reason) = data["reason"].as_str() {
            self.reasons.insert(reason.to_owned());
        }
    }

    /// Sends an event. Checks it and `answers` answers against the document.
    async fn ask(
        &mut self,
        client: &mut AuthSocketClient,
        event: &str,
        data: Value,
        answers: usize,
    ) {
        client.emit(event, &data).await;
        for _ in 0..answers {
            let (event, data) = client.event().await;
            self.hold(&event, &data);
        }
    }

    /// The same with an event that is valid.
    async fn ask_well(
        &mut self,
        client: &mut AuthSocketClient,
        event: &str,
        data: Value,
        answers: usize,
    ) {
        self.hold(event, &data);
        self.ask(client, event, data, answers).await;
    }
}

fn message(room: &str, id: &str) -> Value {
    json!({"roomId": room, "message": {"messageId": id, "body": "hello"}})
}

#[actix_web::test]
async fn every_event_matches_its_document() {
    let server = TestServer::with(|settings| {
        settings.rooms.max_rooms_per_socket = 1;
        settings.messages.max_message_bytes = 1_000;
    });
    let mut document = Document::of(&server).await;
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let mut alice = AuthSocketClient::authenticated(server.address).await;
    let (own, foreign) = (
        alice.room("inbox").to_string(),
        bob.room("inbox").to_string(),
    );
    let own_key = alice.key().to_hex();

    document
        .ask_well(
            &mut alice,
            "authenticated",
            json!({"identityKey": own_key, "pace": "99/99"}),
            1,
        )
        .await;
    for data in [
        json!({}),
        json!({"identityKey": "x"}),
        json!({"identityKey": bob.key().to_hex()}),
    ] {
        document.ask(&mut alice, "authenticated", data, 1).await;
    }
    document
        .ask_well(&mut alice, "joinRoom", json!(own), 1)
        .await;
    for data in [
        json!(7),
        json!(foreign),
        json!(own_key),
        json!(format!("{own}-2")),
    ] {
        document.ask(&mut alice, "joinRoom", data, 1).await;
    }
    document
        .ask_well(&mut alice, "leaveRoom", json!(own), 1)
        .await;
    for data in [json!(""), json!(format!("{own}-2"))] {
        document.ask(&mut alice, "leaveRoom", data, 1).await;
    }

    document
        .ask_well(&mut alice, "sendMessage", message(&foreign, "1"), 1)
        .await;
    let (event, data) = bob.event().await;
    document.hold(&event, &data);
    // A message that was sent before.
    document
        .ask_well(&mut alice, "sendMessage", message(&foreign, "1"), 1)
        .await;
    let with = |field: &str, value: Value| {
        let mut data = message(&foreign, "2");
        data["message"][field] = value;
        data
    };
    document.hold(
        "sendMessage",
        &with("expiresAt", json!("2999-01-01T00:00:00Z")),
    );
    document.ask(&mut alice, "sendMessage", json!(7), 1).await;
    document
        .ask(
            &mut alice,
            "sendMessage",
            json!({"roomId": "", "message": {}}),
            1,
        )
        .await;
    for data in [
        json!({"roomId": foreign, "message": 7}),
        json!({"roomId": "lobby", "message": {"messageId": "1", "body": "x"}}),
        message(&bob.room(&"x".repeat(129)).to_string(), "2"),
        with("body", json!(7)),
        with("body", json!("x".repeat(1_000))),
        with("messageId", json!(7)),
        with("recipient", json!(own_key)),
        with("expiresAt", json!("soon")),
    ] {
        document.ask(&mut alice, "sendMessage", data, 2).await;
    }
    // No `Value` holds invalid Unicode.
    let escaped = message(&foreign, "2")
        .to_string()
        .replace("hello", r"\ud800");
    alice.emit_json("sendMessage", &escaped).await;
    for _ in 0..2 {
        let (event, data) = alice.event().await;
        document.hold(&event, &data);
    }
    let shallow = TestServer::with(|settings| {
        settings.limits.max_json_depth = NonZeroUsize::new(5).unwrap();
    });
    let mut deep = AuthSocketClient::authenticated(shallow.address).await;
    let data = json!({"roomId": "x", "message": {"more": [[{}]]}});
    document.ask(&mut deep, "sendMessage", data, 1).await;
    // Another sender has used the id.
    document
        .ask(&mut bob, "sendMessage", message(&foreign, "1"), 2)
        .await;
    // The recipient blocks the sender, or charges a fee.
    let http = Brc104::connect_as(&server.http(""), bob.identity.clone()).await;
    for (message_box, fee) in [("blocked", -1), ("priced", 1)] {
        let body = json!({"messageBox": message_box, "recipientFee": fee}).to_string();
        assert_eq!(http.post("/permissions/set", body).await.status, 200);
        let room = bob.room(message_box).to_string();
        document
            .ask(&mut alice, "sendMessage", message(&room, "3"), 2)
            .await;
    }
    // Unsigned events.
    for event in ["authenticated", "joinRoom", "leaveRoom", "sendMessage"] {
        alice.websocket.send(format!(r#"42["{event}",{{}}]"#)).await;
        let text = alice.websocket.text().await;
        let plain: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        document.hold(plain[0].as_str().unwrap(), &plain[1]);
    }
    // One socket too many.
    let few = TestServer::with(|settings| settings.limits.sockets_per_identity = 0);
    let mut refused = AuthSocketClient::connect(few.address, bob.identity.clone()).await;
    refused.handshake().await;
    let identity_key = bob.key().to_hex();
    document
        .ask(
            &mut refused,
            "authenticated",
            json!({"identityKey": identity_key}),
            1,
        )
        .await;
    // An identity that the operator does not serve.
    let unserved = TestServer::start();
    let (bobs, alices) = (bob.key(), alice.key());
    for (list, identity) in [(IdentityList::Block, bobs), (IdentityList::Allow, alices)] {
        unserved.db.set_listed(list, identity, true).await.unwrap();
        unserved.db.refresh_identity_lists().await.unwrap();
        let mut refused = AuthSocketClient::connect(unserved.address, bob.identity.clone()).await;
        refused.handshake().await;
        let claim = json!({"identityKey": bobs.to_hex()});
        document.ask(&mut refused, "authenticated", claim, 1).await;
        unserved.db.set_listed(list, bobs, false).await.unwrap();
    }
    // The store fails, and is full.
    server.database.take_tables();
    document
        .ask(&mut alice, "sendMessage", message(&foreign, "4"), 2)
        .await;
    let full = TestServer::with(|settings| settings.database.max_queued_writes = 0);
    let mut carol = AuthSocketClient::authenticated(full.address).await;
    let room = carol.room("inbox").to_string();
    document
        .ask(&mut carol, "sendMessage", message(&room, "1"), 2)
        .await;

    // A handshake of the server, with a client that has not spoken.
    let eager = TestServer::with(|settings| settings.auth.revival_delay = Duration::ZERO);
    let mut silent = AuthSocketClient::connect(eager.address, bob.identity.clone()).await;
    silent.answer_handshake().await;
    let (event, data) = silent.event().await;
    document.hold(&event, &data);

    let documented: BTreeSet<String> = document.messages().keys().cloned().collect();
    assert_eq!(document.seen, documented);
    let reasons = &document.yaml["components"]["schemas"]["ReasonText"]["enum"];
    let documented: BTreeSet<String> = serde_json::from_value(reasons.clone()).unwrap();
    assert_eq!(document.reasons, documented);
}

#[actix_web::test]
async fn the_document_holds_together() {
    let server = TestServer::start();
    let document = Document::of(&server).await;
    assert_eq!(document.yaml["asyncapi"], "3.0.0");
    let mut references = Vec::new();
    collect(&document.yaml, &mut references);
    assert!(references.len() > 30);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.yaml.pointer(pointer).is_some(),
            "{reference} has no target"
        );
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(reference) if name == "$ref" => {
                        references.push(reference.clone());
                    }
                    other => collect(other, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[actix_web::test]
async fn the_documents_are_for_everybody_and_can_be_switched_off() {
    let server = TestServer::with(|settings| settings.server.routing_prefix = "/api".to_owned());
    for (path, mark) in [
        ("/docs/", "swagger-ui"),
        ("/docs/swagger-initializer.js", "openapi.json"),
        ("/docs/openapi.json", "/api/sendMessage"),
        ("/openapi.json", "/api/sendMessage"),
        ("/docs/asyncapi.yaml", "asyncapi: 3.0.0"),
    ] {
        let (status, body) = polling::get(&server.http(path)).await;
        assert!(status == 200 && body.contains(mark), "{path}: {status}");
        // The page loads everything it needs from this server.
        for line in body
            .lines()
            .filter(|line| line.contains("src=") || line.contains("href="))
        {
            assert!(
                !line.contains("//"),
                "{path} loads from another server: {line}"
            );
        }
    }
    let silent = TestServer::with(|settings| settings.server.docs = false);
    for path in [
        "/docs/",
        "/docs/openapi.json",
        "/openapi.json",
        "/docs/asyncapi.yaml",
    ] {
        assert_eq!(polling::get(&silent.http(path)).await.0, 401, "{path}");
    }
}
