//! Attacks on other parties: their message ids, and whether the server serves them.

use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::eventually;
use crate::support::server::TestServer;

use super::{LIST, connect, key, message};

/// The description that a sender gets when its message id is in use.
const DUPLICATE: &str = "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId.";

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
    // A second sender of the same id learns that it is taken. It learns neither the sender nor the box.
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
    // If one recipient of a message cannot be stored, none is.
    let several = json!({"message": {
        "recipients": [to_carol, to_bob], "messageId": ["9", "1"], "messageBox": "inbox", "body": "of mallory",
    }});
    assert_eq!(sent(&mallory, several.to_string()).await, 400);
    assert_eq!(
        (listed(&bob).await, listed(&carol).await),
        (of_alice.clone(), vec![])
    );
    // An id is taken for one recipient only, in all boxes of that recipient.
    assert_eq!(sent(&mallory, message(&to_carol, "1", "x")).await, 200);
    let elsewhere = message(&to_bob, "1", "of mallory").replace("inbox", "outbox");
    assert_eq!(sent(&mallory, elsewhere).await, 400);
    // A message of another recipient cannot be acknowledged, and looks like one that does not exist.
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
    // An attacker who uses Alice's next id does not silence her. She gets an error at once, and any other id works.
    assert_eq!(sent(&mallory, message(&to_bob, "2", "x")).await, 200);
    let refused = alice
        .post("/sendMessage", message(&to_bob, "2", "of alice"))
        .await;
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (400, "ERR_DUPLICATE_MESSAGE", true)
    );
    assert_eq!(sent(&alice, message(&to_bob, "3", "of alice")).await, 200);
    assert_eq!(listed(&bob).await.len(), 3);
}

/// Every question about another identity. It is asked once for one with all kinds of data, and once for an unknown one.
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
    // The first request of a session stores that its client has authenticated.
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
        let mut answers = Vec::new();
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
            answers.push(comparable(&answer).replace(&who, "WHO"));
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
            answers.push(format!("{:?}", asking.event().await).replace(&who, "WHO"));
        }
        // A message, a repeated one, one to another box, one by socket, and an acknowledgement of a missing one. The
        // server counts them after their answers.
        eventually("the counts", || {
            let after = server.db.status();
            (after.writes - before.writes, after.stored - before.stored) == (5, 3)
        })
        .await;
        seen.push(answers);
    }
    for (known, unknown) in seen[0].iter().zip(&seen[1]) {
        assert_eq!(known, unknown);
    }
    let after = server.db.status();
    assert_eq!(after.writes - start.writes, 10);
}

/// An answer without its time and without the parts that differ with every signature.
fn comparable(answer: &Answer) -> String {
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
