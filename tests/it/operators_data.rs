//! Data that operators list and delete: waiting messages, devices, permissions, by routes and by the command.

use messagebox::auth::Identity;
use messagebox::config::Secret;
use serde_json::{Value, json};

use crate::support::admin::{ask, ask_with};
use crate::support::brc104::Brc104;
use crate::support::command::{Finished, User};
use crate::support::server::TestServer;

struct Stage {
    server: TestServer,
    alice: Brc104,
    bob: Brc104,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::start();
        Self {
            alice: Brc104::connect(&server.http("")).await,
            bob: Brc104::connect(&server.http("")).await,
            server,
        }
    }

    fn bob(&self) -> String {
        self.bob.identity.identity_key().to_hex()
    }

    async fn send(&self, to: &str, message_box: &str, id: &str) {
        let message = json!({"message": {
            "recipient": to, "messageBox": message_box, "messageId": id, "body": "12345",
        }});
        let sent = self.alice.post("/sendMessage", message.to_string()).await;
        assert_eq!(sent.status, 200, "{}", sent.json);
    }

    async fn ask(&self, method: &str, target: &str) -> Value {
        ask(&self.server, method, target).await
    }
}

/// The stored bytes of one message.
const BYTES: usize = r#"{"message":"12345"}"#.len();

#[actix_web::test]
async fn waiting_messages_are_counted_by_box_and_by_identity() {
    let stage = Stage::set().await;
    let (alice, bob) = (stage.alice.identity.identity_key().to_hex(), stage.bob());
    for (to, message_box, id) in [
        (&bob, "inbox", "1"),
        (&bob, "inbox", "2"),
        (&bob, "chat", "3"),
        (&alice, "inbox", "4"),
    ] {
        stage.send(to, message_box, id).await;
    }
    let boxes = stage.ask("GET", "/admin/boxes?full=true").await;
    let waits = |owner: &str, name: &str, count: usize| {
        json!({
            "identity": owner, "messageBox": name, "messages": count, "bytes": count * BYTES, "oldestSeconds": 0,
        })
    };
    let expected = [
        waits(&bob, "inbox", 2),
        waits(&bob, "chat", 1),
        waits(&alice, "inbox", 1),
    ];
    let mut found = boxes["boxes"].as_array().unwrap().clone();
    // A slow machine takes a second or two.
    for item in &mut found {
        assert!(item["oldestSeconds"].as_u64().unwrap() < 60);
        item["oldestSeconds"] = json!(0);
    }
    assert_eq!(
        (found.as_slice(), &boxes["next"]),
        (&expected[..], &json!(null))
    );
    assert!(boxes.get("total").is_none());
    let page = stage.ask("GET", "/admin/boxes?full=true&limit=2").await;
    let next = page["next"].as_str().unwrap();
    let rest = stage
        .ask("GET", &format!("/admin/boxes?full=true&after={next}"))
        .await;
    assert_eq!(rest["boxes"][0]["identity"], alice);
    let own = stage
        .ask("GET", &format!("/admin/boxes?identity={bob}"))
        .await;
    assert_eq!(own["boxes"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            &own["total"]["messages"],
            &own["total"]["bytes"],
            &own["total"]["boxes"]
        ),
        (&json!(3), &json!(3 * BYTES), &json!(2))
    );
    // Keys are shortened unless the request asks for full ones.
    assert!(!own.to_string().contains(&bob));
    let inboxes = stage
        .ask("GET", "/admin/inboxes?order=messages&full=true")
        .await;
    assert_eq!(
        inboxes["inboxes"],
        json!([
            {"identity": bob, "messages": 3, "bytes": 3 * BYTES},
            {"identity": alice, "messages": 1, "bytes": BYTES},
        ])
    );
    let first = stage.ask("GET", "/admin/inboxes?limit=1&full=true").await;
    let after = first["next"].as_str().unwrap();
    assert_eq!(after, alice.as_str().min(&bob));
    let second = stage
        .ask("GET", &format!("/admin/inboxes?after={after}&full=true"))
        .await;
    assert_eq!(second["inboxes"][0]["identity"], alice.as_str().max(&bob));
    assert_eq!(second["next"], json!(null));
}

#[actix_web::test]
async fn a_device_is_removed_and_a_permission_unset() {
    let stage = Stage::set().await;
    let bob = stage.bob();
    let of_bob = |rest: &str| format!("/admin/identities/{bob}{rest}");
    let device = r#"{"fcmToken":"the token of a device","platform":"ios"}"#;
    assert_eq!(stage.bob.post("/registerDevice", device).await.status, 200);
    let devices = stage.ask("GET", &of_bob("/devices")).await;
    assert_eq!(devices["devices"][0]["fcmToken"], "...f a device");
    let id = devices["devices"][0]["id"].as_i64().unwrap();
    let remove = of_bob(&format!("/devices/{id}/remove"));
    assert_eq!(
        stage.ask("POST", &remove).await,
        json!({"status": "success", "removed": true})
    );
    let (status, text) = ask_with(&stage.server, "POST", &remove, &[]).await;
    assert!(
        status == 404 && text.contains("ERR_UNKNOWN_DEVICE"),
        "{text}"
    );
    let own = stage
        .bob
        .send(&stage.bob.request("GET", "/devices", ""))
        .await;
    assert_eq!(own.json["devices"], json!([]));

    let alice = stage.alice.identity.identity_key().to_hex();
    for body in [
        json!({"messageBox": "a b", "recipientFee": 5}),
        json!({"messageBox": "a b", "recipientFee": -1, "sender": alice}),
    ] {
        let set = stage.bob.post("/permissions/set", body.to_string()).await;
        assert_eq!(set.status, 200);
    }
    let fee = async || {
        let quote = format!("/permissions/quote?messageBox=a%20b&recipient={bob}");
        let quote = stage
            .alice
            .send(&stage.alice.request("GET", &quote, ""))
            .await;
        quote.json["quote"]["recipientFee"].clone()
    };
    assert_eq!(fee().await, -1);
    let listed = stage.ask("GET", &of_bob("/permissions")).await;
    assert_eq!(
        (
            &listed["totalCount"],
            listed["permissions"].as_array().unwrap().len()
        ),
        (&json!(2), 2)
    );
    let unset = of_bob(&format!(
        "/permissions/unset?messageBox=a%20b&sender={alice}"
    ));
    for removed in [true, false] {
        assert_eq!(stage.ask("POST", &unset).await["removed"], removed);
        assert_eq!(fee().await, 5);
    }
    let unset = of_bob("/permissions/unset?messageBox=a%20b");
    assert_eq!(stage.ask("POST", &unset).await["removed"], true);
    assert_eq!(fee().await, 0);
}

#[actix_web::test]
async fn the_command_does_all_of_it() {
    let stage = Stage::set().await;
    let bob = stage.bob();
    let user = User::without_key(&stage.server.http(""));
    let device = r#"{"fcmToken":"the token of a device"}"#;
    assert_eq!(stage.bob.post("/registerDevice", device).await.status, 200);
    let permission = r#"{"messageBox":"chat","recipientFee":0}"#;
    assert_eq!(
        stage.bob.post("/permissions/set", permission).await.status,
        200
    );
    stage.send(&bob, "inbox", "1").await;
    assert_eq!(user.run(&["names", "set", "bob", &bob]).code, 0);
    let admin = |arguments: &[&str]| user.run(&[&["admin"], arguments].concat());
    let human = |arguments: &[&str]| -> String {
        let result: Finished = admin(&[arguments, &["--human"]].concat());
        result.human().to_owned()
    };
    let boxes = admin(&["boxes", "--identity", "bob"]).json();
    assert_eq!(
        (&boxes["total"]["messages"], &boxes["boxes"][0]["identity"]),
        (&json!(1), &json!(bob))
    );
    let shown = human(&["boxes", "--identity", "bob"]);
    assert!(
        shown.contains("inbox  1 message, 19 bytes, the oldest"),
        "{shown}"
    );
    assert!(
        shown.contains("bob (") && shown.contains("total:"),
        "{shown}"
    );
    assert!(human(&["inboxes"]).contains("1 message, 19 bytes"));
    assert!(human(&["devices", "bob"]).contains("...f a device"));
    let id = admin(&["devices", "bob"]).json()["devices"][0]["id"].to_string();
    assert_eq!(human(&["remove-device", "bob", &id]).trim(), "removed");
    let gone = admin(&["remove-device", "bob", &id]);
    assert!(
        gone.code == 1 && gone.err.contains("no such device"),
        "{}",
        gone.err
    );
    assert_eq!(human(&["devices", "bob"]).trim(), "no devices");
    assert_eq!(
        human(&["permissions", "bob"]).trim(),
        "chat  everybody: allowed"
    );
    assert_eq!(
        human(&["unset-permission", "bob", "chat"]).trim(),
        "removed"
    );
    assert_eq!(human(&["permissions", "bob"]).trim(), "no permissions");

    assert!(human(&["block", "bob"]).contains("not served"));
    assert_eq!(
        stage
            .bob
            .post("/listMessages", r#"{"messageBox":"inbox"}"#)
            .await
            .status,
        403
    );
    assert!(human(&["list", "block"]).contains(&bob));
    assert!(human(&["unblock", "bob"]).ends_with("served\n"));
    assert_eq!(human(&["list", "block"]).trim(), "no identities");
    assert!(human(&["allow", "bob"]).contains("served"));
    assert_eq!(
        admin(&["list", "allow"]).json()["identities"][0]["identity"],
        bob
    );
    assert!(human(&["disallow", "bob"]).contains("served"));
}

#[test]
fn without_admin_rights_every_route_is_refused() {
    let server = TestServer::with(|settings| {
        settings.admin.token = Some(Secret::new("the operator's token"));
    });
    let key = Identity::random().identity_key().to_hex();
    let user = User::of(&server.http(""));
    for arguments in [&["boxes"][..], &["block", &key], &["devices", &key]] {
        let refused = user.run(&[&["admin"], arguments].concat());
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(
            refused.err.contains("Your key is not an admin's"),
            "{}",
            refused.err
        );
    }
    let mut with_token = user.command(&["admin", "block", &key]);
    let with_token = with_token.env("MESSAGEBOX_ADMIN_TOKEN", "the operator's token");
    let result = Finished::new(with_token.output().unwrap());
    assert_eq!(result.json()["blocked"], true);
}
