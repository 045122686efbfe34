//! Lists for both generations of clients: older ones read a whole box, newer ones read pages.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::admin::ask;
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::server::TestServer;

/// Bytes that current clients count beside the body: request id, status, lengths, headers.
const AROUND: usize = 64;

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

async fn send(
    sender: &Brc104,
    recipient: &Brc104,
    message_box: &str,
    id: &str,
    body: &str,
) -> Answer {
    let recipient = recipient.identity.identity_key().to_hex();
    let message = json!({
        "recipient": recipient, "messageBox": message_box, "messageId": id, "body": body,
    });
    let request = json!({ "message": message }).to_string();
    sender.post("/sendMessage", request).await
}

async fn list(client: &Brc104, request: &Value) -> Value {
    let answer = client.post("/listMessages", request.to_string()).await;
    assert!(
        answer.status == 200 && answer.signed,
        "{request}: {}",
        answer.json
    );
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    if request.as_object().unwrap().len() > 1 {
        assert!(length + AROUND <= 4_100_000, "{request}: {length} bytes");
    }
    answer.json
}

fn ids(list: &Value, field: &str) -> Vec<String> {
    let items = list[field].as_array().cloned().unwrap_or_default();
    let id = |item: &Value| item["messageId"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}

/// As the newest client does: continues at `nextOffset` while `hasMore` is true.
async fn read_by_offset(client: &Brc104, limit: Option<u32>) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut offset) = (Vec::new(), 0, 0);
    loop {
        let mut request = json!({"messageBox": "inbox", "offset": offset});
        if let Some(limit) = limit {
            request["limit"] = json!(limit);
        }
        let page = list(client, &request).await;
        assert_eq!(page["offset"], offset);
        found.extend(ids(&page, "messages"));
        pages += 1;
        let next = page["nextOffset"].as_u64().unwrap();
        if page["hasMore"] == false {
            assert_eq!(page["nextCursor"], Value::Null);
            return (found, pages);
        }
        assert!(page["hasMore"] == true && next > offset && page["nextCursor"].is_string());
        offset = next;
    }
}

#[actix_web::test]
async fn a_list_always_has_its_offset_and_whether_there_is_more() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let empty = json!({
        "status": "success", "messages": [], "limit": 1000, "offset": 0, "nextOffset": 0,
        "hasMore": false, "nextCursor": null,
    });
    assert_eq!(list(&bob, &json!({"messageBox": "inbox"})).await, empty);
    for n in 10..45 {
        assert_eq!(
            send(&alice, &bob, "inbox", &n.to_string(), "x")
                .await
                .status,
            200
        );
    }
    let all: Vec<String> = (10..45).map(|n| n.to_string()).collect();
    assert_eq!(read_by_offset(&bob, Some(10)).await, (all.clone(), 4));
    assert_eq!(read_by_offset(&bob, None).await, (all.clone(), 1));
    // `skip` is the same as `offset`.
    let page = list(
        &bob,
        &json!({"messageBox": "inbox", "skip": 30, "limit": 3}),
    )
    .await;
    assert_eq!(ids(&page, "messages"), all[30..33]);
    assert_eq!((&page["limit"], &page["offset"]), (&json!(3), &json!(30)));
    assert_eq!(
        (&page["nextOffset"], &page["hasMore"]),
        (&json!(33), &json!(true))
    );
    let beyond = list(&bob, &json!({"messageBox": "inbox", "offset": 99})).await;
    assert_eq!(
        (&beyond["nextOffset"], &beyond["hasMore"]),
        (&json!(99), &json!(false))
    );
    // One message, and none for a message in another box.
    let one = list(&bob, &json!({"messageBox": "inbox", "messageId": "20"})).await;
    assert_eq!(
        (ids(&one, "messages"), &one["hasMore"]),
        (vec!["20".to_owned()], &json!(false))
    );
    let none = list(&bob, &json!({"messageBox": "other", "messageId": "20"})).await;
    assert_eq!(none["messages"], json!([]));
    // A cursor skips no message, whatever is acknowledged in the meantime.
    let first = list(&bob, &json!({"messageBox": "inbox", "limit": 10})).await;
    let read = json!({"messageIds": ids(&first, "messages")});
    assert_eq!(
        bob.post("/acknowledgeMessage", read.to_string())
            .await
            .status,
        200
    );
    let next = json!({"messageBox": "inbox", "limit": 1000, "cursor": first["nextCursor"]});
    assert_eq!(ids(&list(&bob, &next).await, "messages"), all[10..]);
}

/// Quotes are escaped twice, so a list is much larger than the stored bytes.
#[actix_web::test]
async fn a_page_fits_into_what_current_clients_take_and_older_ones_get_all() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let body = "\"".repeat(60_000);
    let all: Vec<String> = (10..50).map(|n| n.to_string()).collect();
    for id in &all {
        assert_eq!(send(&alice, &bob, "inbox", id, &body).await.status, 200);
    }
    let (found, pages) = read_by_offset(&bob, None).await;
    assert_eq!((found, pages), (all.clone(), 3));
    assert_eq!(read_by_offset(&bob, Some(1_000)).await, (all.clone(), 3));
    // A client without pages.
    let whole = list(&bob, &json!({"messageBox": "inbox"})).await;
    assert_eq!(ids(&whole, "messages"), all);
    assert_eq!(whole["hasMore"], false);
}

#[actix_web::test]
async fn messages_too_large_for_a_page_are_refused_or_named() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let large = "x".repeat(4_000_000);
    let refused = send(&alice, &bob, "inbox", "1", &large).await;
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (413, "ERR_MESSAGE_BODY_TOO_LARGE", true)
    );
    let fits = "x".repeat(3_990_000);
    assert_eq!(send(&alice, &bob, "inbox", "1", &fits).await.status, 200);
    // The limit applies to the list item, not to the request.
    let quotes = "\"".repeat(1_100_000);
    assert_eq!(send(&alice, &bob, "inbox", "2", &quotes).await.status, 413);
    let (found, _) = read_by_offset(&bob, None).await;
    assert_eq!(found, ["1"]);
    // Rows from before the limit.
    let free = TestServer::with(|settings| settings.messages.max_message_bytes = 0);
    let (alice, bob) = (connect(&free).await, connect(&free).await);
    for (id, body) in [("1", "x"), ("2", &*large), ("3", &*quotes), ("4", "x")] {
        let body = if id == "2" {
            format!("{body}{body}")
        } else {
            body.to_owned()
        };
        assert_eq!(send(&alice, &bob, "inbox", id, &body).await.status, 200);
    }
    let page = list(&bob, &json!({"messageBox": "inbox", "offset": 0})).await;
    assert_eq!(
        (ids(&page, "messages"), ids(&page, "oversized")),
        (
            vec!["1".to_owned(), "4".to_owned()],
            vec!["2".to_owned(), "3".to_owned()],
        )
    );
    assert_eq!(
        (&page["nextOffset"], &page["hasMore"]),
        (&json!(4), &json!(false))
    );
    let named = &page["oversized"][0];
    assert_eq!(named["sender"], alice.identity.identity_key().to_hex());
    // `{"message":"..."}`
    assert_eq!(named["bodyBytes"], 8_000_014);
    let one = list(&bob, &json!({"messageBox": "inbox", "messageId": "2"})).await;
    assert_eq!(
        (ids(&one, "messages").len(), ids(&one, "oversized").len()),
        (0, 1)
    );
    let whole = list(&bob, &json!({"messageBox": "inbox"})).await;
    assert_eq!(ids(&whole, "messages"), ["1", "2", "3", "4"]);
    assert_eq!(whole["oversized"], Value::Null);
    let status = ask(&free, "GET", "/admin/status").await;
    assert_eq!(status["http"]["oversized"], 3);
}

/// On a socket the ack says so, and clients continue over HTTP with the same id.
#[actix_web::test]
async fn the_same_id_in_another_box_is_refused_with_an_error() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    assert_eq!(send(&alice, &bob, "inbox", "id", "text").await.status, 200);
    // Encrypted again for another attempt.
    let again = send(&alice, &bob, "inbox", "id", "text again").await;
    assert_eq!(
        (again.status, &again.json["results"][0]["alreadySent"]),
        (200, &json!(true))
    );
    let other = send(&alice, &bob, "other", "id", "text").await;
    assert_eq!(
        (other.status, other.code(), other.signed),
        (400, "ERR_DUPLICATE_MESSAGE", true)
    );
    let description = other.json["description"].as_str().unwrap();
    assert!(description.contains("new messageId"), "{description}");
    let identity = Arc::clone(&alice.identity);
    let mut socket = AuthSocketClient::authenticated_as(server.address, identity).await;
    let bob_key = bob.identity.identity_key();
    let room = |name: &str| messagebox::ids::RoomId::of(&bob_key, name);
    socket.send_message(&room("inbox"), "id", "text").await;
    let (_, ack) = socket.event().await;
    assert_eq!(
        ack,
        json!({"status": "success", "messageId": "id", "alreadySent": true})
    );
    socket.send_message(&room("other"), "id", "text").await;
    assert_eq!(socket.event().await.0, "messageFailed");
    let (event, ack) = socket.event().await;
    assert_eq!(event, format!("sendMessageAck-{}", room("other")));
    assert_eq!(
        (&ack["status"], &ack["messageId"]),
        (&json!("error"), &json!("id"))
    );
    assert_eq!(ack["reason"], description);
    // With its own id it arrives.
    assert_eq!(
        send(&alice, &bob, "other", "id 2", "text").await.status,
        200
    );
    let listed = list(&bob, &json!({"messageBox": "other"})).await;
    assert_eq!(ids(&listed, "messages"), ["id 2"]);
}

#[actix_web::test]
async fn a_message_id_has_up_to_256_bytes() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    for id in ["x".repeat(256), "é".repeat(128)] {
        assert_eq!(send(&alice, &bob, "inbox", &id, "text").await.status, 200);
        let listed = list(&bob, &json!({"messageBox": "inbox", "messageId": id})).await;
        assert_eq!(ids(&listed, "messages"), [&*id]);
        let acknowledged = json!({ "messageIds": [id] }).to_string();
        assert_eq!(
            bob.post("/acknowledgeMessage", acknowledged).await.status,
            200
        );
    }
    for id in ["x".repeat(257), "é".repeat(129)] {
        let refused = send(&alice, &bob, "inbox", &id, "text").await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "ERR_INVALID_MESSAGEID")
        );
    }
}
