//! Push notifications: a server that stands for Google's, with a key of its own.

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
use crate::support::remote::{Asked, Remote, Reply};
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::{PATIENCE, eventually};

const SEND: &str = "/v1/projects/the-project/messages:send";

/// Of the service account: a key that everybody has.
const KEY: &str = include_str!("../keys/worthless_rsa.pem");
const PUBLIC_KEY: &[u8] = include_bytes!("../keys/worthless_rsa_public.pem");
/// Of nobody.
const OTHER_PUBLIC_KEY: &[u8] = include_bytes!("../keys/worthless_other_rsa_public.pem");

fn account_at(remote: &Remote) -> String {
    let account = json!({
        "type": "service_account", "project_id": "the-project", "private_key_id": "key-1",
        "private_key": KEY, "client_email": "push@the-project.example",
        "token_uri": format!("{}/token", remote.url),
    });
    account.to_string()
}

/// Google, as far as it concerns us: tokens at `/token`, messages at the project's path.
struct Google {
    remote: Remote,
    account: String,
}

impl Google {
    /// Answers messages with these replies, and then with success; its tokens live so many seconds.
    fn start(replies: Vec<Reply>, token_lives: u64) -> Self {
        let replies = Mutex::new(VecDeque::from(replies));
        let tokens = Mutex::new(0);
        let remote = Remote::start(move |asked: &Asked| {
            if asked.path == "/token" {
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

    /// Knows no account.
    fn refusing_account() -> Self {
        let remote = Remote::start(|_: &Asked| (400, json!({"error": "invalid_grant"})).into());
        Self {
            account: account_at(&remote),
            remote,
        }
    }

    fn asked(&self, path: &str) -> Vec<Asked> {
        let all = self.remote.asked();
        all.into_iter().filter(|asked| asked.path == path).collect()
    }

    async fn asked_for(&self, count: usize) -> Vec<Asked> {
        eventually("the notifications", || self.asked(SEND).len() >= count).await;
        self.asked(SEND)
    }
}

/// A worker on a database of its own.
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
    // Another box, and the same message twice, notify nobody.
    send("inbox", "0").await;
    send("notifications", "1").await;
    send("notifications", "1").await;
    let mut live =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&alice.identity)).await;
    let room = messagebox::ids::RoomId::of(&bob_key, "notifications");
    // Notifications are sent side by side: the second is not to be there before the first.
    google.asked_for(1).await;
    live.send_message(&room, "2", "a secret").await;
    assert_eq!(live.event().await.1["status"], "success");
    let asked = google.asked_for(2).await;
    let alert = json!({"title": "New Message", "body": "1"});
    assert_eq!(
        asked[0].json,
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
    assert_eq!(asked[0].authorization, "Bearer token 1");
    assert_eq!(asked[1].json["message"]["notification"]["body"], "2");
    assert_eq!(asked.len(), 2);
    assert!(!asked.iter().any(|asked| asked.text.contains("a secret")));
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
    // Nobody takes a token away from another; its owner may register it again.
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
    let ids = |said: &str| -> Vec<Value> {
        let lines = server.log_objects().into_iter();
        let said = lines.filter(|line| line["message"].as_str().unwrap().contains(said));
        said.map(|line| line["id"].clone()).collect()
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
        // The first of them hangs.
        google.asked_for(1).await;
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
    let tokens = google.asked("/token");
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
    // Another key has not signed it.
    let key = DecodingKey::from_rsa_pem(OTHER_PUBLIC_KEY).unwrap();
    assert!(decode::<Value>(assertion, &key, &validation).is_err());
}

#[actix_web::test]
async fn a_token_is_asked_for_again_when_it_ends_or_is_refused() {
    // It is not used in its last five minutes.
    let short = Google::start(Vec::new(), 300);
    let bench = Bench::start(&short, |settings| settings.concurrency = 1);
    bench.register("one").await;
    for id in ["1", "2"] {
        bench.notify(id);
    }
    bench.flush().await;
    assert_eq!(short.asked("/token").len(), 2);

    let refusing = Google::start(vec![status(401)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let asked = refusing.asked(SEND);
    assert_eq!(asked[0].authorization, "Bearer token 1");
    assert_eq!(asked[1].authorization, "Bearer token 2");
    assert_eq!(bench.push.status().sent, 1);
    // One that is refused twice is given up.
    let refusing = Google::start(vec![status(401), status(401)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!(
        (refusing.asked(SEND).len(), bench.push.status().refused),
        (2, 1)
    );
}

#[actix_web::test]
async fn what_may_work_later_is_tried_again_and_what_cannot_is_not() {
    let busy = Reply {
        status: 429,
        json: json!({}),
        retry_after: Some(1),
        held_by: None,
    };
    let google = Google::start(vec![busy, status(503)], 3_600);
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let counts = bench.push.status();
    assert_eq!((counts.sent, counts.retried, counts.failed), (1, 2, 0));

    let down = Google::start((0..9).map(|_| status(500)).collect(), 3_600);
    let bench = Bench::start(&down, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!((down.asked(SEND).len(), bench.push.status().failed), (3, 1));

    let refusing = Google::start(vec![status(400)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    let id = bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!(
        (refusing.asked(SEND).len(), bench.push.status().failed),
        (1, 1)
    );
    // Our own mistake costs nobody a device.
    let devices = bench.db.devices(bench.owner).await.unwrap();
    assert!(devices[0].id == id && devices[0].active);
}

/// A wrong project answers 404 for every device. Only `UNREGISTERED` is about one of them.
#[actix_web::test]
async fn what_firebase_says_of_the_project_costs_nobody_a_device() {
    let of_project = || -> Vec<Reply> {
        vec![
            (404, json!({"error": {"status": "NOT_FOUND", "message": "Requested entity was not found."}})).into(),
            status(404),
            (403, json!({"error": {"status": "PERMISSION_DENIED"}})).into(),
            (403, json!({"error": {"details": [{"errorCode": "SENDER_ID_MISMATCH"}]}})).into(),
        ]
    };
    let google = Google::start([of_project(), of_project()].concat(), 3_600);
    let bench = Bench::start(&google, |settings| settings.concurrency = 1);
    bench.register("one").await;
    bench.register("two").await;
    for id in 0..4 {
        bench.notify(&id.to_string());
    }
    bench.flush().await;
    assert_eq!(google.asked(SEND).len(), 8);
    let counts = bench.push.status();
    // Counted for each notification, and not for each device.
    assert_eq!(
        (
            counts.refused,
            counts.failed,
            counts.retried,
            counts.dead_tokens
        ),
        (4, 0, 0, 0)
    );
    let devices = bench.db.devices(bench.owner).await.unwrap();
    assert!(devices.len() == 2 && devices.iter().all(|device| device.active));
    // Once the project is right, the same devices are notified.
    bench.notify("later");
    bench.flush().await;
    assert_eq!(bench.push.status().sent, 2);
}

#[actix_web::test]
async fn a_refused_project_is_logged_once() {
    let refuse: Reply = (404, json!({"error": {"status": "NOT_FOUND"}})).into();
    let google = Google::start(vec![refuse; 6], 3_600);
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let variables = [
        ("LOG_FORMAT", "json"),
        ("FIREBASE_SERVICE_ACCOUNT_JSON", &*google.account),
        ("FIREBASE_ENDPOINT", &google.remote.url),
        ("PUSH_BOXES", "inbox"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let bob = Brc104::connect(&format!("http://{address}")).await;
    for token in ["one", "two"] {
        let device = json!({ "fcmToken": token }).to_string();
        assert_eq!(bob.post("/registerDevice", device).await.status, 200);
    }
    let bob_key = bob.identity.identity_key().to_hex();
    for id in 0..4 {
        let message = json!({"message": {
            "recipient": bob_key, "messageBox": "inbox", "messageId": id.to_string(), "body": "x",
        }});
        assert_eq!(
            bob.post("/sendMessage", message.to_string()).await.status,
            200
        );
    }
    // The last two arrive.
    google.asked_for(8).await;
    let devices = bob.send(&bob.request("GET", "/devices", "")).await.json;
    let devices = devices["devices"].as_array().unwrap().clone();
    assert!(
        devices.iter().all(|device| device["active"] == true),
        "{devices:?}"
    );
    let lines = server.log_objects();
    let told: Vec<_> = lines
        .iter()
        .filter(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("FIREBASE_PROJECT_ID")
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["level"], "ERROR");
    server.kill();
}

/// An account that is gone: asking for an access token again is of no use.
#[actix_web::test]
async fn an_account_that_is_refused_is_not_asked_for_again_by_each_device() {
    let google = Google::refusing_account();
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let counts = bench.push.status();
    assert_eq!((counts.refused, counts.failed, counts.retried), (1, 0, 0));
    assert_eq!(
        (google.asked("/token").len(), google.asked(SEND).len()),
        (1, 0)
    );
}

#[actix_web::test]
async fn a_dead_token_is_deactivated_until_it_is_registered_again() {
    let gone: Reply = (
        404,
        json!({"error": {"status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}),
    )
        .into();
    let google = Google::start(vec![gone], 3_600);
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert!(!bench.db.devices(bench.owner).await.unwrap()[0].active);
    bench.notify("2");
    bench.flush().await;
    assert_eq!(google.asked(SEND).len(), 1);
    bench.register("one").await;
    bench.notify("3");
    bench.flush().await;
    let status = bench.push.status();
    assert_eq!((status.dead_tokens, status.sent), (1, 1));
    assert!(bench.db.devices(bench.owner).await.unwrap()[0].active);
}

#[actix_web::test]
async fn what_does_not_fit_is_dropped_and_counted() {
    let google = Google::start(vec![status(0)], 3_600);
    let bench = Bench::start(&google, |settings| {
        settings.max_queued = 48;
        settings.concurrency = 1;
    });
    bench.register("one").await;
    bench.notify("1");
    google.asked_for(1).await;
    // One is under way, and two wait: that is the part of one recipient.
    for id in ["2", "3", "4", "5"] {
        bench.notify(id);
    }
    let status = bench.push.status();
    assert_eq!((status.pending, status.dropped), (3, 2), "{status:?}");
    assert!(!bench.push.flush(Duration::from_millis(1)).await);
}

/// A device that is always to be tried again later keeps its owner waiting, and nobody else.
#[actix_web::test]
async fn whoever_is_notified_much_or_later_keeps_nobody_waiting() {
    let busy = (0..2).map(|_| Reply {
        status: 429,
        json: json!({}),
        retry_after: Some(3_600),
        held_by: None,
    });
    let google = Google::start(busy.collect(), 3_600);
    let mut bench = Bench::start(&google, |settings| {
        settings.concurrency = 1;
        settings.backoff.longest = Duration::from_secs(3_600);
    });
    bench.register("one").await;
    bench.register("two").await;
    for id in 0..700 {
        bench.notify(&id.to_string());
    }
    google.asked_for(2).await;
    bench.owner = Identity::random().identity_key();
    bench.register("other").await;
    bench.notify("other");
    eventually("the other's notification", || bench.push.status().sent == 1).await;
    let other = &google.asked(SEND)[2];
    assert_eq!(other.json["message"]["notification"]["body"], "other");
    eventually("its end", || bench.push.status().pending == 625).await;
    assert_eq!(bench.push.status().dropped, 75);
}

#[test]
fn nothing_that_is_shown_holds_a_key_or_a_token() {
    let google = Google::start(Vec::new(), 3_600);
    let account = ServiceAccount::parse(&google.account).unwrap();
    let shown = format!(
        "{account:?} {:?}",
        Fcm::new(account.clone(), &FcmSettings::default())
    );
    assert!(!shown.contains("PRIVATE") && shown.contains("push@the-project.example"));
}
