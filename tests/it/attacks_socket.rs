//! Attacks on sockets: frames made for another socket, session, direction or server, and rooms of others.

use std::sync::atomic::Ordering;

use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, message_nonce, sha256};
use messagebox::ids::RoomId;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::eventually;
use crate::support::server::TestServer;

async fn client(server: &TestServer) -> AuthSocketClient {
    AuthSocketClient::authenticated(server.address).await
}

fn refused(server: &TestServer) -> u64 {
    server.service.counters.refused.load(Ordering::Relaxed)
}

fn to(room: &RoomId, id: &str) -> Value {
    json!({"roomId": room.as_str(), "message": {"messageId": id, "body": "x"}})
}

/// Answers the server's handshake.
async fn prove(client: &mut AuthSocketClient) {
    let request = client.auth_message().await;
    let handled = client.peer.handle(&AuthMessage::parse(&request).unwrap());
    let Ok(Handled::Reply(answer)) = handled else {
        panic!("{handled:?}")
    };
    client.send_auth(&answer).await;
    // The client has spoken, so the server's first event confirms its identity.
    assert_eq!(client.event().await.0, "authenticationSuccess");
}

/// Sends a message of its own and waits for it. The server has handled all earlier frames by then, and sent no event
/// for them.
async fn hears_nothing_else(client: &mut AuthSocketClient, id: &str) {
    let room = client.room("inbox");
    client.send_message(&room, id, "x").await;
    for _ in 0..2 {
        let (event, data) = client.event().await;
        assert_eq!(data["messageId"], id, "{event}: {data}");
    }
}

/// The number of messages in a box, as its owner sees it.
async fn stored(server: &TestServer, owner: &AuthSocketClient, message_box: &str) -> usize {
    let http = Brc104::connect_as(&server.http(""), owner.identity.clone()).await;
    let body = json!({ "messageBox": message_box }).to_string();
    let list = http.post("/listMessages", body).await.json;
    list["messages"].as_array().unwrap().len()
}

#[actix_web::test]
async fn frames_of_another_server_prove_nothing() {
    let (server, other) = (TestServer::start(), TestServer::start());
    let identity = std::sync::Arc::new(Identity::random());
    let mut here = AuthSocketClient::authenticated_as(server.address, identity.clone()).await;
    let there = AuthSocketClient::authenticated_as(other.address, identity).await;
    let room = here.room("foreign");
    // The same identity with an authenticated session at another server. Here its frame is held, then refused after the
    // handshake.
    let foreign = there.signed("sendMessage", &to(&room, "1"));
    let before = refused(&server);
    here.send_auth(&foreign).await;
    prove(&mut here).await;
    eventually("the refusal", || refused(&server) == before + 1).await;
    hears_nothing_else(&mut here, "own").await;
    // The frame with this server's nonce in it fails too: the signature covers the other nonce.
    let own: Value = serde_json::from_str(&here.signed("sendMessage", &to(&room, "2"))).unwrap();
    let mut moved: Value = serde_json::from_str(&foreign).unwrap();
    moved["yourNonce"] = own["yourNonce"].clone();
    let before = refused(&server);
    here.send_auth(&moved.to_string()).await;
    eventually("the refusal", || refused(&server) == before + 1).await;
    assert_eq!(stored(&server, &here, "foreign").await, 0);
}

#[actix_web::test]
async fn what_the_server_said_is_not_said_to_it() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let room = alice.room("inbox");
    alice.send_message(&room, "1", "x").await;
    let ack = alice.auth_message().await;
    let event = alice.auth_message().await;
    let before = refused(&server);
    for received in [&ack, &event] {
        let mut reflected: Value = serde_json::from_str(received).unwrap();
        // Unchanged, with the server as the sender, and with swapped nonces.
        let server_key = reflected["identityKey"].take();
        let nonce = reflected["nonce"].clone();
        let own: Value = serde_json::from_str(&alice.signed("x", &json!(null))).unwrap();
        for key in [server_key.clone(), json!(alice.key().to_hex())] {
            reflected["identityKey"] = key;
            reflected["yourNonce"] = own["yourNonce"].clone();
            reflected["nonce"] = nonce.clone();
            alice.send_auth(&reflected.to_string()).await;
            reflected["nonce"] = own["nonce"].clone();
            alice.send_auth(&reflected.to_string()).await;
        }
    }
    eventually("eight refusals", || refused(&server) == before + 8).await;
    // The client's own half of a handshake leads nowhere either.
    let begun = alice.peer.start_handshake().unwrap();
    let mut as_server: Value = serde_json::from_str(&begun).unwrap();
    as_server["identityKey"] = json!(server.identity_key.to_hex());
    alice.send_auth(&as_server.to_string()).await;
    eventually("one more refusal", || refused(&server) == before + 9).await;
    for received in [ack, event] {
        alice
            .peer
            .handle(&AuthMessage::parse(&received).unwrap())
            .unwrap();
    }
    hears_nothing_else(&mut alice, "2").await;
    assert_eq!(stored(&server, &alice, "inbox").await, 2);
}

#[actix_web::test]
async fn a_frame_counts_once_on_whatever_socket_it_comes_again() {
    let server = TestServer::start();
    let identity = std::sync::Arc::new(Identity::random());
    let mut alice = AuthSocketClient::authenticated_as(server.address, identity.clone()).await;
    let room = alice.room("inbox");
    let frame = alice.signed("leaveRoom", &json!(room.as_str()));
    alice.send_auth(&frame).await;
    assert_eq!(alice.event().await.0, "leftRoom");
    let open = server.sockets.len();
    drop(alice);
    eventually("its end", || server.sockets.len() < open).await;
    // Not even its sender may replay it on another socket, which takes over the lost session after the handshake.
    let mut back = AuthSocketClient::connect(server.address, identity).await;
    let before = refused(&server);
    back.send_auth(&frame).await;
    prove(&mut back).await;
    eventually("the refusal", || refused(&server) == before + 1).await;
    back.handshake().await;
    hears_nothing_else(&mut back, "1").await;
}

#[actix_web::test]
async fn truncated_frames_end_no_session() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let room = alice.room("inbox");
    let frame = alice.signed("sendMessage", &to(&room, "cut"));
    let before = refused(&server);
    // Complete JSON without one part. Invalid JSON ends its socket, as `malformed_packets…` shows.
    let whole: Value = serde_json::from_str(&frame).unwrap();
    let fields: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
    for field in &fields {
        let mut cut = whole.clone();
        cut.as_object_mut().unwrap().remove(field);
        alice.send_auth(&cut.to_string()).await;
    }
    for field in ["payload", "signature"] {
        let bytes = whole[field].as_array().unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut cut = whole.clone();
            cut[field] = json!(bytes[..length]);
            alice.send_auth(&cut.to_string()).await;
        }
    }
    let expected = before + u64::try_from(fields.len()).unwrap() + 8;
    eventually("the refusals", || refused(&server) == expected).await;
    alice.send_auth(&frame).await;
    assert_eq!(alice.event().await.1["messageId"], "cut");
    assert_eq!(alice.event().await.1["messageId"], "cut");
    assert_eq!(stored(&server, &alice, "inbox").await, 1);
}

#[actix_web::test]
async fn no_spelling_of_a_room_is_another_persons_room() {
    let server = TestServer::start();
    let (mut alice, mut bob, mut mallory) = (
        client(&server).await,
        client(&server).await,
        client(&server).await,
    );
    let (his, hers) = (bob.key().to_hex(), mallory.key().to_hex());
    let long = {
        let key = secp256k1::PublicKey::from_slice(bob.key().as_bytes()).unwrap();
        hex::encode(key.serialize_uncompressed())
    };
    let foreign = [
        format!("{his}-inbox"),
        format!("{}-inbox", his.to_uppercase()),
        format!("{long}-inbox"),
        format!(" {his}-inbox"),
        format!("{his}\0-inbox"),
        format!("{his}\u{2010}inbox"),
        format!("{his}_inbox"),
        format!("{his}inbox"),
        format!("{}-inbox", his.split_at(64).0),
        his.clone(),
        format!("0x{his}-inbox"),
        his.replace(['0', 'a'], "\u{430}") + "-inbox",
        format!("{his}-"),
        format!("{his}-{hers}-inbox"),
        format!("-{his}-inbox"),
        format!("%{his}-inbox"),
    ];
    for room in &foreign {
        mallory.emit("joinRoom", &json!(room)).await;
        assert_eq!(mallory.event().await.0, "joinFailed", "{room}");
    }
    // Her own rooms are hers in every spelling: no message to Bob arrives there.
    for room in [
        format!("{hers}-{his}-inbox"),
        format!("{hers}--inbox"),
        format!("{hers}-inbox"),
    ] {
        mallory.emit("joinRoom", &json!(room)).await;
        assert_eq!(
            mallory.event().await,
            ("joinedRoom".to_owned(), json!({"roomId": room}))
        );
    }
    // Leaving his rooms removes nobody else from them.
    for room in [&foreign[0], &foreign[1]] {
        mallory.emit("leaveRoom", &json!(room)).await;
        assert_eq!(mallory.event().await.0, "leftRoom", "{room}");
    }
    // A message to a room reaches the owner and box that the room names, or is refused.
    for message_box in ["inbox", "a-b", "-inbox", &format!("{hers}-inbox")] {
        let room = bob.room(message_box);
        alice.send_message(&room, message_box, "x").await;
        assert_eq!(alice.event().await.0, format!("sendMessageAck-{room}"));
        let (event, data) = bob.event().await;
        assert_eq!(
            (event, &data["messageBox"]),
            (format!("sendMessage-{room}"), &json!(message_box))
        );
        assert_eq!(stored(&server, &bob, message_box).await, 1, "{message_box}");
    }
    // A recipient named beside the room must be its owner.
    for named in [json!(hers), json!(alice.key().to_hex()), json!("nonsense")] {
        let mut data = to(&bob.room("inbox"), "named");
        data["message"]["recipient"] = named;
        alice.emit("sendMessage", &data).await;
        assert_eq!(alice.event().await.0, "messageFailed");
        assert_eq!(alice.event().await.1["status"], "error");
    }
    hears_nothing_else(&mut mallory, "own").await;
}

#[actix_web::test]
async fn nobody_is_confirmed_as_another_nor_before_a_proof() {
    let server = TestServer::start();
    let bob = client(&server).await;
    let mut mallory =
        AuthSocketClient::connect(server.address, std::sync::Arc::new(Identity::random())).await;
    // Unsigned events prove nothing.
    let claim = json!({"identityKey": bob.key().to_hex()});
    for (event, data) in [
        ("authenticated", claim.clone()),
        ("joinRoom", json!(bob.room("inbox").as_str())),
        ("sendMessage", to(&bob.room("inbox"), "plain")),
        ("leaveRoom", json!(bob.room("inbox").as_str())),
    ] {
        mallory
            .websocket
            .send(format!("42{}", json!([event, data])))
            .await;
    }
    let mut refusals = Vec::new();
    while !refusals.iter().any(|text: &String| text.contains("leave")) && refusals.len() < 4 {
        let text = mallory.websocket.text().await;
        assert!(
            !text.contains("Success") && !text.contains("\"joinedRoom\""),
            "{text}"
        );
        refusals.push(text);
    }
    assert_eq!(server.service.rooms.status().await.unwrap().members, 1);
    mallory.handshake().await;
    mallory.emit("authenticated", &claim).await;
    assert_eq!(mallory.event().await.0, "authenticationFailed");
    // A second handshake under another key does not make one socket speak for two.
    let mut second = Peer::new(bob.identity.clone(), PeerConfig::default());
    let before = refused(&server);
    mallory.send_auth(&second.start_handshake().unwrap()).await;
    eventually("the refusal", || refused(&server) == before + 1).await;
    hears_nothing_else(&mut mallory, "own").await;
    assert_eq!(stored(&server, &bob, "inbox").await, 0);
}

#[actix_web::test]
async fn a_session_belongs_to_the_socket_or_to_http_where_it_was_begun() {
    let server = TestServer::start();
    let identity = std::sync::Arc::new(Identity::random());
    let mut one = AuthSocketClient::authenticated_as(server.address, identity.clone()).await;
    let mut two = AuthSocketClient::authenticated_as(server.address, identity.clone()).await;
    let http = Brc104::connect_as(&server.http(""), identity.clone()).await;
    assert_eq!(
        http.post("/listMessages", r#"{"messageBox":"x"}"#)
            .await
            .status,
        200
    );
    // A frame of an open socket, sent on another socket of the same identity.
    let room = one.room("moved");
    let frame = one.signed("sendMessage", &to(&room, "1"));
    let before = refused(&server);
    two.send_auth(&frame).await;
    prove(&mut two).await;
    eventually("the refusal", || refused(&server) == before + 1).await;
    assert_eq!(stored(&server, &one, "moved").await, 0);
    // A frame signed in an HTTP session.
    let payload = json!({"eventName": "sendMessage", "data": to(&room, "2")}).to_string();
    let nonce = message_nonce();
    let signature = http
        .session
        .sign(&nonce, &sha256(payload.as_bytes()))
        .unwrap();
    let general = json!({
        "version": "0.1", "messageType": "general", "identityKey": identity.identity_key().to_hex(),
        "nonce": nonce, "yourNonce": http.session.peer_nonce(),
        "payload": payload.as_bytes(), "signature": signature.to_vec(),
    });
    two.send_auth(&general.to_string()).await;
    prove(&mut two).await;
    eventually("the refusal", || refused(&server) == before + 2).await;
    assert_eq!(stored(&server, &one, "moved").await, 0);
    // On its own socket, the first frame counts.
    one.send_auth(&frame).await;
    assert_eq!(one.event().await.1["messageId"], "1");
    assert_eq!(stored(&server, &one, "moved").await, 1);
    // A socket's session signs no HTTP request.
    let sessions = std::mem::replace(
        &mut two.peer,
        Peer::new(identity.clone(), PeerConfig::default()),
    );
    let mut sessions = sessions.into_authenticated_sessions();
    assert!(!sessions.is_empty());
    while let Some(session) = sessions.pop() {
        let http = Brc104::in_session(&server.http(""), identity.clone(), session);
        let answer = http.post("/listMessages", r#"{"messageBox":"x"}"#).await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (401, "ERR_AUTH_FAILED", false)
        );
    }
}
