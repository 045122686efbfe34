//! Every route and every failure of a request to it: status, code and body, compared with the document that the server
//! serves.
//!
//! The test fails for a documented answer that it never sees, and for an answer that is not documented.

mod admins;
mod authentication;
mod bounds;
mod operations;
mod payments;
mod storage;
mod wrong_requests;

use std::time::Duration;

use messagebox::config::Settings;
use messagebox::ids::IdentityKey;
use messagebox::model::IdentityList;
use serde_json::{Value, json};

use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::documents::Documents;
use crate::support::server::TestServer;

/// A key that nobody has.
const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

/// The codes for identities that the operator does not serve.
const UNSERVED: [&str; 2] = ["ERR_IDENTITY_BLOCKED", "ERR_IDENTITY_NOT_ALLOWED"];

/// A server with two clients.
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

    /// Makes the operator's lists refuse Alice with this code.
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

/// A valid request for each authenticated route.
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

/// Failures that the server does not sign: the request was not verified, or another node may still serve it.
const UNVERIFIED: [&str; 2] = ["ERR_BODY_TOO_LARGE", "ERR_REPLAY_UNCHECKED"];

/// Sends requests and expects a failure, with the documented description unless another is given.
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
async fn every_route_matches_its_document() {
    let mut stage = Stage::set(|_| {}).await;
    let mut documents = Documents::of(&stage.server.http("")).await;
    successes(&mut documents, &stage).await;
    wrong_requests::wrong_bodies_of_messages(&mut documents, &stage).await;
    wrong_requests::wrong_bodies_of_others(&mut documents, &stage).await;
    wrong_requests::wrong_queries(&mut documents, &stage).await;
    authentication::unauthenticated(&mut documents, &stage).await;
    authentication::encoded_bodies(&mut documents, &stage).await;
    authentication::wrong_handshakes(&mut documents, &stage).await;
    stage = Stage::set(|settings| settings.server.max_body_bytes = 2_000).await;
    bounds::too_large(&mut documents, &stage).await;
    stage = Stage::set(|settings| settings.server.request_timeout = Duration::from_secs(1)).await;
    bounds::too_slow(&mut documents, &stage).await;
    bounds::large_heads(&mut documents).await;
    bounds::deep_json(&mut documents).await;
    payments::fees(&mut documents).await;
    payments::prices(&mut documents).await;
    payments::replayed_payments(&mut documents).await;
    operations::failing_stores(&mut documents).await;
    storage::all(&mut documents).await;
    authentication::missing_certificates(&mut documents).await;
    bounds::too_often(&mut documents).await;
    operations::identity_lists(&mut documents).await;
    operations::unchecked_replays(&mut documents).await;
    operations::migrations(&mut documents).await;
    operations::health(&mut documents).await;
    admins::all(&mut documents).await;
    let documented = documents.documented();
    let unseen: Vec<_> = documented.difference(&documents.seen).collect();
    assert!(unseen.is_empty(), "documented but never seen: {unseen:#?}");
}

async fn successes(documents: &mut Documents, stage: &Stage) {
    let recipient = stage.bob().to_hex();
    for (method, target, body) in right(&recipient) {
        // A caller can acknowledge only their own messages.
        let client = if target == "/acknowledgeMessage" {
            &stage.bob
        } else {
            &stage.alice
        };
        let answer = ask(client, method, &target, &body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.json);
        documents.hold(method, &target, &answer);
    }
    // Routes with more than one form of answer.
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
