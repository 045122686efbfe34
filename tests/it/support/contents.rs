//! A server with data in every table, and the answers that its clients get.

use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::{Value, json};

use super::brc104::Brc104;
use super::server::TestServer;

/// Bodies that are hard to store: JSON escapes, characters that text columns refuse, many bytes, and text that looks
/// like the server's own lines.
const BODIES: [&str; 8] = [
    "\0",
    "a\0b\u{1}\u{1f}\u{7f}\"\\/\u{8}\t\r\n",
    "é e\u{301} 😀𐍈 \u{202e}rtl\u{feff}\u{fffd}\u{10ffff}\u{2028}\u{2029}",
    "'; DROP TABLE messages; --",
    "{\"end\":{\"rows\":{},\"sha256\":\"\"}}\n",
    " leading and trailing ",
    "\u{e000}\u{d7ff}",
    "%_\\%",
];

/// Larger than one batch of reads or inserts.
const LARGE: usize = 3_900_000;

/// Messages beside these, more than one batch of reads or inserts.
const MANY: usize = 620;

/// Two users of the server.
pub struct Contents {
    alice: Arc<Identity>,
    bob: Arc<Identity>,
    /// The cursor after a message that was read and deleted.
    cursor: Value,
}

impl Contents {
    /// Fills every table of this server's database.
    pub async fn of(server: &TestServer) -> Self {
        let alice = Brc104::connect(&server.http("")).await;
        let bob = Brc104::connect(&server.http("")).await;
        let mut bodies: Vec<Value> = BODIES.iter().map(|body| json!(body)).collect();
        bodies.push(json!({"deep": [1.0, 1e300, -0.0, {"a\0": null}], "lone": "\u{fffe}"}));
        for (n, body) in bodies.iter().enumerate() {
            send(&alice, &bob, "inbox", &format!("m {n} 😀"), body).await;
            send(&bob, &alice, "straße ", &format!("{n}"), body).await;
        }
        let large = json!("x".repeat(LARGE));
        send(&alice, &bob, "inbox", "large", &large).await;
        let settings = [
            json!({"messageBox": "inbox", "recipientFee": 0}),
            json!({"messageBox": "inbox", "recipientFee": -1, "sender": Brc104::connect(&server.http("")).await.identity.identity_key().to_hex()}),
            json!({"messageBox": "notifications", "recipientFee": 7}),
        ];
        for setting in settings {
            done(
                bob.post("/permissions/set", setting.to_string())
                    .await
                    .status,
            );
        }
        for device in [
            json!({"fcmToken": "0123456789 token", "deviceId": "Bob's 📱", "platform": "ios"}),
            json!({"fcmToken": "9876543210 token"}),
        ] {
            done(bob.post("/registerDevice", device.to_string()).await.status);
        }
        Self::add_rows(server);
        // These ids were assigned and are gone.
        send(&alice, &bob, "read", "read", &json!("r")).await;
        send(&alice, &bob, "read", "read too", &json!("r")).await;
        let page = bob
            .post("/listMessages", r#"{"messageBox":"read","limit":1}"#)
            .await;
        let gone = json!({"messageIds": ["read", "read too"]});
        done(
            bob.post("/acknowledgeMessage", gone.to_string())
                .await
                .status,
        );
        Self {
            alice: alice.identity,
            bob: bob.identity,
            cursor: page.json["nextCursor"].clone(),
        }
    }

    /// Rows that would need a blockchain, or too many requests.
    fn add_rows(server: &TestServer) {
        let database = &server.database;
        let time = database.time("2026-01-02T03:04:05.678Z");
        let later = database.time("2999-12-31T23:59:59.999Z");
        let long = "p".repeat(300);
        database.run(&format!(
            r#"INSERT INTO "payments" ("id", "created_at", "updated_at", "txid", "output_index", "satoshis", "payer", "payee",
                   "sender_identity_key", "derivation_prefix", "derivation_suffix", "purpose", "state", "settled", "transaction")
               VALUES (3, {time}, {time}, 'aa', 0, 2100000000000000, '02a', '02b', '02a', 'p', 'ß', '{long}', 'kept', TRUE, 'QUJD'),
                      (9, {time}, {time}, 'aa', 4294967295, 0, '02a', '02b', '02a', '', '', '', 'claimed', FALSE, NULL);
               INSERT INTO "payment_inputs" ("created_at", "txid", "output_index", "spent_by", "purpose", "settled")
               VALUES ({time}, 'bb', 1, 'aa', '', FALSE);
               UPDATE "server_fees" SET "delivery_fee" = 11 WHERE "message_box" = 'notifications';
               INSERT INTO "server_fees" ("created_at", "updated_at", "message_box", "delivery_fee")
               VALUES ({time}, {time}, 'letters', 2);"#
        ));
        let rows: Vec<String> = (0..MANY)
            .map(|n| {
                format!(
                    r#"('many {n}', {time}, {time}, (SELECT MIN("messageBoxId") FROM "messageBox"), 's', 'r', '{{"message":{n}}}', {expiry})"#,
                    expiry = if n % 2 == 0 { "NULL" } else { &later },
                )
            })
            .collect();
        database.run(&format!(
            r#"INSERT INTO "messages" ("messageId", "created_at", "updated_at", "messageBoxId", "sender", "recipient", "body", "expires_at")
               VALUES {}"#,
            rows.join(", ")
        ));
    }

    /// The server's answers to every question that they may ask.
    pub async fn answers(&self, server: &TestServer) -> Vec<Value> {
        let base = server.http("");
        let alice = Brc104::connect_as(&base, Arc::clone(&self.alice)).await;
        let bob = Brc104::connect_as(&base, Arc::clone(&self.bob)).await;
        let bobs = self.bob.identity_key().to_hex();
        let mut all = Vec::new();
        for (who, body) in [
            (&bob, r#"{"messageBox":"inbox"}"#),
            (&bob, r#"{"messageBox":"inbox","limit":3}"#),
            (&bob, r#"{"messageBox":"inbox","limit":3,"order":"desc"}"#),
            (&alice, r#"{"messageBox":"straße "}"#),
            (&alice, r#"{"messageBox":"straße"}"#),
        ] {
            all.push(who.post("/listMessages", body).await.json);
        }
        assert_eq!(
            all[0]["messages"].as_array().unwrap().len(),
            BODIES.len() + 2
        );
        for (who, target) in [
            (&bob, "/permissions/list".to_owned()),
            (&bob, "/devices".to_owned()),
            (
                &alice,
                format!("/permissions/quote?recipient={bobs}&messageBox=notifications"),
            ),
            (
                &alice,
                format!("/permissions/quote?recipient={bobs}&messageBox=letters"),
            ),
        ] {
            let answer = who.send(&who.request("GET", &target, "")).await;
            done(answer.status);
            all.push(answer.json);
        }
        all
    }

    /// A new message comes after the old ones, even after deleted ones.
    pub async fn goes_on(&self, server: &TestServer) {
        let base = server.http("");
        let alice = Brc104::connect_as(&base, Arc::clone(&self.alice)).await;
        let bob = Brc104::connect_as(&base, Arc::clone(&self.bob)).await;
        send(&alice, &bob, "read", "new", &json!("n")).await;
        let page = json!({"messageBox": "read", "limit": 9, "cursor": self.cursor});
        let listed = bob.post("/listMessages", page.to_string()).await.json;
        assert_eq!(listed["messages"][0]["messageId"], "new", "{listed}");
        // Other ids are not assigned again either.
        let device = json!({"fcmToken": "yet another token"});
        done(bob.post("/registerDevice", device.to_string()).await.status);
        let free = json!({"messageBox": "letters", "recipientFee": 0});
        done(bob.post("/permissions/set", free.to_string()).await.status);
    }
}

fn done(status: u16) {
    assert_eq!(status, 200);
}

async fn send(from: &Brc104, to: &Brc104, message_box: &str, id: &str, body: &Value) {
    let recipient = to.identity.identity_key().to_hex();
    let message =
        json!({"recipient": recipient, "messageBox": message_box, "messageId": id, "body": body});
    let answer = from
        .post("/sendMessage", json!({ "message": message }).to_string())
        .await;
    assert_eq!(answer.status, 200, "{id}: {:?}", answer.json);
}
