//! Push notifications: a stand-in for Google's server, with its own key.

mod failures;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use messagebox::auth::Identity;
use messagebox::config::Secret;
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use messagebox::ids::IdentityKey;
use messagebox::push::{
    Fcm, FcmSettings, Notification, PushHandle, PushSettings, RetryPolicy, ServiceAccount,
};
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::remote::{Remote, RemoteRequest, Reply};
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::{PATIENCE, eventually};

const SEND: &str = "/v1/projects/the-project/messages:send";

/// The key of the service account. It is published, so it protects nothing.
const KEY: &str = include_str!("../keys/worthless_rsa.pem");
const PUBLIC_KEY: &[u8] = include_bytes!("../keys/worthless_rsa_public.pem");
/// A key of no account.
const OTHER_PUBLIC_KEY: &[u8] = include_bytes!("../keys/worthless_other_rsa_public.pem");

fn account_at(remote: &Remote) -> String {
    let account = json!({
        "type": "service_account", "project_id": "the-project", "private_key_id": "key-1",
        "private_key": KEY, "client_email": "push@the-project.example",
        "token_uri": format!("{}/token", remote.url),
    });
    account.to_string()
}

/// The part of Google that the server uses: tokens at `/token`, messages at the project's path.
struct Google {
    remote: Remote,
    account: String,
}

impl Google {
    /// Answers messages with these replies, then with success. Its tokens live for `token_lives` seconds.
    fn start(replies: Vec<Reply>, token_lives: u64) -> Self {
        let replies = Mutex::new(VecDeque::from(replies));
        let tokens = Mutex::new(0);
        let remote = Remote::start(move |request: &RemoteRequest| {
            if request.path == "/token" {
                let mut tokens = tokens.lock().unwrap();
                *tokens += 1;
                let token = format!("token {tokens}");
                return (
                    200,
                    json!({"access_token": token, "expires_in": token_lives}),
                )
                    .into();
            }
            let next = replies.lock().unwrap().pop_front();
            next.unwrap_or_else(|| (200, json!({"name": "projects/the-project/messages/1"})).into())
        });
        Self {
            account: account_at(&remote),
            remote,
        }
    }

    /// A server that refuses every account.
    fn refusing_account() -> Self {
        let remote =
            Remote::start(|_: &RemoteRequest| (400, json!({"error": "invalid_grant"})).into());
        Self {
            account: account_at(&remote),
            remote,
        }
    }

    fn requests(&self, path: &str) -> Vec<RemoteRequest> {
        let all = self.remote.requests();
        all.into_iter()
            .filter(|request| request.path == path)
            .collect()
    }

    async fn requests_to_send(&self, count: usize) -> Vec<RemoteRequest> {
        eventually("the notifications", || self.requests(SEND).len() >= count).await;
        self.requests(SEND)
    }
}

/// A push worker with its own database.
struct Bench {
    db: DbHandle,
    push: PushHandle,
    owner: IdentityKey,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start(google: &Google, change: impl FnOnce(&mut PushSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("push.db"));
        let db = DbHandle::open(&DbSettings::new(url), None).unwrap();
        let mut settings = PushSettings {
            backoff: RetryPolicy {
                tries: 3,
                first: Duration::from_millis(5),
                longest: Duration::from_millis(20),
            },
            ..PushSettings::default()
        };
        change(&mut settings);
        let fcm = FcmSettings {
            endpoint: google.remote.url.clone(),
            request_timeout: PATIENCE,
            ..FcmSettings::default()
        };
        let account = ServiceAccount::parse(&google.account).unwrap();
        let push = PushHandle::start(Fcm::new(account, &fcm).unwrap(), db.clone(), &settings);
        Self {
            db,
            push,
            owner: Identity::random().identity_key(),
            _folder: folder,
        }
    }

    async fn register(&self, token: &str) -> i64 {
        let token = token.to_owned();
        let registered = self.db.register_device(self.owner, token, None, None);
        registered.await.unwrap().unwrap()
    }

    fn notify(&self, id: &str) {
        self.push.notify(Notification {
            recipient: self.owner,
            sender: self.owner,
            message_id: id.to_owned(),
        });
    }

    async fn flush(&self) {
        assert!(self.push.flush(PATIENCE).await, "{:?}", self.push.status());
    }
}

fn status(status: u16) -> Reply {
    (status, json!({})).into()
}

#[actix_web::test]
async fn a_stored_message_is_notified_once_and_nobody_waits_for_it() {
    let google = Google::start(Vec::new(), 3_600);
    let (account, url) = (google.account.clone(), google.remote.url.clone());
    let server = TestServer::with(move |settings| {
        settings.push.enabled = true;
        settings.push.service_account_json = Some(Secret::new(account));
        settings.push.endpoint = url;
        settings.fees.boxes.insert("notifications".to_owned(), 0);
    });
    let base = server.http("");
    let (alice, bob) = (Brc104::connect(&base).await, Brc104::connect(&base).await);
    let free = r#"{"messageBox":"notifications","recipientFee":0}"#;
    assert_eq!(bob.post("/permissions/set", free).await.status, 200);
    let device = r#"{"fcmToken":"the token of a device","deviceId":"mine","platform":"ios"}"#;
    let registered = bob.post("/registerDevice", device).await;
    assert_eq!(
        registered.json,
        json!({
            "status": "success", "message": "Device registered successfully for push notifications",
            "deviceId": 1,
        })
    );
    let (alice_key, bob_key) = (alice.identity.identity_key(), bob.identity.identity_key());
    let send = async |message_box: &str, id: &str| {
        let body = json!({"message": {
            "recipient": bob_key.to_hex(), "messageBox": message_box, "messageId": id, "body": "a secret",
        }});
        assert_eq!(
            alice.post("/sendMessage", body.to_string()).await.status,
            200
        );
    };
    // Another box, and the same message again, cause no notification.
    send("inbox", "0").await;
    send("notifications", "1").await;
    send("notifications", "1").await;
    let mut live =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&alice.identity)).await;
    let room = messagebox::ids::RoomId::of(&bob_key, "notifications");
    // Notifications are sent in parallel, so the test waits for the first.
    google.requests_to_send(1).await;
    live.send_message(&room, "2", "a secret").await;
    assert_eq!(live.event().await.1["status"], "success");
    let sent = google.requests_to_send(2).await;
    let alert = json!({"title": "New Message", "body": "1"});
    assert_eq!(
        sent[0].json,
        json!({"message": {
            "token": "the token of a device",
            "notification": alert,
            "android": {
                "priority": "high", "data": {"messageId": "1", "originator": alice_key.to_hex()},
            },
            "apns": {
                "headers": {"apns-push-type": "alert", "apns-priority": "10"},
                "payload": {
                    "aps": {"mutable-content": 1, "alert": alert},
                    "messageId": "1", "originator": alice_key.to_hex(),
                },
            },
        }})
    );
    assert_eq!(sent[0].authorization, "Bearer token 1");
    assert_eq!(sent[1].json["message"]["notification"]["body"], "2");
    assert_eq!(sent.len(), 2);
    assert!(!sent.iter().any(|sent| sent.text.contains("a secret")));
    let devices = bob.send(&bob.request("GET", "/devices", "")).await;
    let device = &devices.json["devices"][0];
    assert_eq!(
        (&device["fcmToken"], &device["active"]),
        (&json!("...f a device"), &json!(true))
    );
    assert_eq!(
        (&device["deviceId"], &device["platform"]),
        (&json!("mine"), &json!("ios"))
    );
    for name in ["createdAt", "updatedAt", "lastUsed"] {
        assert!(device[name].is_string(), "{device}");
    }
    // Nobody can take over a token of another identity. Its owner may register it again.
    let token = r#"{"fcmToken":"the token of a device"}"#;
    let taken = alice.post("/registerDevice", token).await;
    assert_eq!(
        (taken.status, taken.code(), taken.signed),
        (409, "ERR_DEVICE_TOKEN_ALREADY_REGISTERED", true)
    );
    let again = bob.post("/registerDevice", token).await;
    assert_eq!(again.json["deviceId"], 1);
    let other = r#"{"fcmToken":"another","platform":"web"}"#;
    assert_eq!(
        bob.post("/registerDevice", other).await.json["status"],
        "success"
    );
    let page = |query: &str| bob.request("GET", &format!("/devices{query}"), "");
    let all = bob.send(&page("")).await.json;
    assert_eq!((&all["limit"], &all["offset"]), (&json!(100), &json!(0)));
    let rows = all["devices"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let second = bob.send(&page("?limit=1&offset=1")).await.json;
    assert_eq!(
        (&second["limit"], &second["offset"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(second["devices"], json!([rows[1]]));
    let nobodys = alice.send(&alice.request("GET", "/devices", "")).await;
    assert_eq!(nobodys.json["devices"], json!([]));
}

#[actix_web::test]
async fn the_log_lines_of_a_notification_bear_the_id_of_its_message() {
    let google = Google::start(Vec::new(), 3_600);
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let variables = [
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "messagebox=debug"),
        ("ENABLE_FIREBASE", "true"),
        ("FIREBASE_SERVICE_ACCOUNT_JSON", &google.account),
        ("FIREBASE_ENDPOINT", &google.remote.url),
        ("PUSH_BOXES", "inbox"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let bob = Brc104::connect(&format!("http://{address}")).await;
    let device = r#"{"fcmToken":"the token of a device"}"#;
    assert_eq!(bob.post("/registerDevice", device).await.status, 200);
    let bob_key = bob.identity.identity_key().to_hex();
    let ids = |text: &str| -> Vec<Value> {
        let lines = server.log_objects().into_iter();
        let matching = lines.filter(|line| line["message"].as_str().unwrap().contains(text));
        matching.map(|line| line["id"].clone()).collect()
    };
    for id in 0..2 {
        let message = json!({"message": {
            "recipient": bob_key, "messageBox": "inbox", "messageId": id.to_string(), "body": "a secret",
        }});
        let sent = bob.post("/sendMessage", message.to_string()).await;
        assert_eq!(sent.status, 200);
        eventually("the line", || ids("is notified").len() > id).await;
    }
    let (stored, notified) = (ids("messages are stored"), ids("is notified"));
    assert!(stored.iter().all(Value::is_string), "{stored:?}");
    assert_ne!(stored[0], stored[1]);
    assert_eq!(notified, stored);
    server.kill();
}

#[actix_web::test]
async fn a_reply_does_not_wait_for_google() {
    let google = Google::start(vec![status(0)], 3_600);
    let (account, url) = (google.account.clone(), google.remote.url.clone());
    let server = TestServer::with(move |settings| {
        settings.push.enabled = true;
        settings.push.service_account_json = Some(Secret::new(account));
        settings.push.endpoint = url;
        settings.push.boxes = vec!["inbox".to_owned()];
    });
    let alice = Brc104::connect(&server.http("")).await;
    let device = r#"{"fcmToken":"token"}"#;
    assert_eq!(alice.post("/registerDevice", device).await.status, 200);
    let recipient = alice.identity.identity_key().to_hex();
    for id in ["1", "2"] {
        let body = json!({"message": {
            "recipient": recipient, "messageBox": "inbox", "messageId": id, "body": "x",
        }});
        assert_eq!(
            alice.post("/sendMessage", body.to_string()).await.status,
            200
        );
        // The first notification hangs.
        google.requests_to_send(1).await;
    }
}

#[actix_web::test]
async fn the_assertion_is_signed_and_its_token_is_kept() {
    let google = Google::start(Vec::new(), 3_600);
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.register("other").await;
    for id in ["1", "2", "3"] {
        bench.notify(id);
    }
    bench.flush().await;
    let status = bench.push.status();
    assert_eq!((status.sent, status.failed, status.pending), (6, 0, 0));
    let tokens = google.requests("/token");
    assert_eq!(tokens.len(), 1);
    let form = &tokens[0].text;
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = form.strip_prefix(grant).unwrap();
    assert_eq!(
        decode_header(assertion).unwrap().kid.as_deref(),
        Some("key-1")
    );
    let mut validation = Validation::new(Algorithm::RS256);
    let token_uri = format!("{}/token", google.remote.url);
    validation.set_audience(&[&token_uri]);
    validation.set_issuer(&["push@the-project.example"]);
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY).unwrap();
    let claims = decode::<Value>(assertion, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/firebase.messaging"
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3_600
    );
    // A second key did not sign it.
    let key = DecodingKey::from_rsa_pem(OTHER_PUBLIC_KEY).unwrap();
    assert!(decode::<Value>(assertion, &key, &validation).is_err());
}

#[actix_web::test]
async fn a_token_is_asked_for_again_when_it_ends_or_is_refused() {
    // The server does not use a token in its last five minutes.
    let short = Google::start(Vec::new(), 300);
    let bench = Bench::start(&short, |settings| settings.concurrency = 1);
    bench.register("one").await;
    for id in ["1", "2"] {
        bench.notify(id);
    }
    bench.flush().await;
    assert_eq!(short.requests("/token").len(), 2);

    let refusing = Google::start(vec![status(401)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let requests = refusing.requests(SEND);
    assert_eq!(requests[0].authorization, "Bearer token 1");
    assert_eq!(requests[1].authorization, "Bearer token 2");
    assert_eq!(bench.push.status().sent, 1);
    // After the second refusal, the notification fails.
    let refusing = Google::start(vec![status(401), status(401)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!(
        (refusing.requests(SEND).len(), bench.push.status().refused),
        (2, 1)
    );
}
