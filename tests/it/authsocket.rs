//! AuthSocket: rooms, sending, and frames that prove nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::ids::RoomId;
use messagebox::rooms::RoomAccess;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::server::TestServer;
use crate::support::websocket::Websocket;
use crate::support::{eventually, eventually_async, within};

/// The description that a sender gets when its message id is in use.
const DUPLICATE: &str = "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId.";

async fn client(server: &TestServer) -> AuthSocketClient {
    AuthSocketClient::authenticated(server.address).await
}

#[actix_web::test]
async fn a_sender_gets_its_ack_before_its_own_message() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let room = alice.room("chat-room");
    for n in 0..200 {
        alice.send_message(&room, &n.to_string(), "body").await;
    }
    let mut acked = Vec::new();
    let mut delivered = Vec::new();
    while delivered.len() < 200 {
        let (event, data) = alice.event().await;
        let id = data["messageId"].as_str().unwrap().to_owned();
        if event.starts_with("sendMessageAck-") {
            assert_eq!(data["status"], "success");
            acked.push(id);
        } else {
            assert!(
                acked.contains(&id),
                "{id} was delivered before it was acknowledged"
            );
            delivered.push(id);
        }
    }
    let order: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!((acked, delivered), (order.clone(), order));
}

#[actix_web::test]
async fn members_get_messages_and_nobody_else_does() {
    let server = TestServer::start();
    let (mut alice, mut bob, mut carol) = (
        client(&server).await,
        client(&server).await,
        client(&server).await,
    );
    let mut bob_again =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&bob.identity)).await;
    let room = bob.room("inbox");
    carol.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(carol.event().await.0, "joinFailed");
    alice.send_message(&room, "1", "hello").await;
    assert_eq!(alice.event().await.0, format!("sendMessageAck-{room}"));
    for member in [&mut bob, &mut bob_again] {
        let (event, data) = member.event().await;
        assert_eq!(
            (event, &data["body"]),
            (format!("sendMessage-{room}"), &json!("hello"))
        );
        assert_eq!(data["sender"], alice.key().to_hex());
    }
    // The next event answers Carol's request, so nothing came before it.
    carol.emit("leaveRoom", &json!(room.as_str())).await;
    assert_eq!(carol.event().await.0, "leftRoom");
}

#[actix_web::test]
async fn leaving_ends_delivery_until_the_room_is_joined_again() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let mut witness =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&alice.identity)).await;
    let room = alice.room("inbox");
    alice.emit("leaveRoom", &json!(room.as_str())).await;
    assert_eq!(
        alice.event().await,
        ("leftRoom".to_owned(), json!({"roomId": room.as_str()}))
    );
    hears_once_it_has_joined(&mut alice, &mut witness, &room).await;
}

/// Sends one message while only `witness` is in the room, and one after `alice` has joined.
async fn hears_once_it_has_joined(
    alice: &mut AuthSocketClient,
    witness: &mut AuthSocketClient,
    room: &RoomId,
) {
    alice.send_message(room, "1", "unheard").await;
    assert_eq!(alice.event().await.0, format!("sendMessageAck-{room}"));
    // An ack says that the message is stored. Only its arrival shows that it was delivered.
    assert_eq!(witness.event().await.1["messageId"], "1");
    alice.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(alice.event().await.0, "joinedRoom");
    alice.send_message(room, "2", "heard").await;
    assert_eq!(alice.event().await.0, format!("sendMessageAck-{room}"));
    assert_eq!(alice.event().await.1["messageId"], "2");
}

#[actix_web::test]
async fn rooms_may_be_opened() {
    let server = TestServer::with(|settings| settings.rooms.access = RoomAccess::Open);
    let (mut alice, mut bob) = (client(&server).await, client(&server).await);
    for member in [&mut alice, &mut bob] {
        member.emit("joinRoom", &json!("lobby")).await;
        assert_eq!(
            member.event().await,
            ("joinedRoom".to_owned(), json!({"roomId": "lobby"}))
        );
    }
    let data = json!({"roomId": "lobby", "message": {"messageId": "1", "body": "hi", "recipient": bob.key().to_hex()}});
    alice.emit("sendMessage", &data).await;
    assert_eq!(alice.event().await.0, "sendMessageAck-lobby");
    for member in [&mut alice, &mut bob] {
        let (event, data) = member.event().await;
        assert_eq!(
            (event.as_str(), &data["messageBox"]),
            ("sendMessage-lobby", &json!("default"))
        );
    }
}

#[actix_web::test]
async fn without_automatic_rooms_a_socket_receives_only_rooms_that_it_joined() {
    let server = TestServer::with(|settings| settings.rooms.auto_join = false);
    let mut alice = client(&server).await;
    let mut witness =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&alice.identity)).await;
    let room = alice.room("inbox");
    witness.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(witness.event().await.0, "joinedRoom");
    hears_once_it_has_joined(&mut alice, &mut witness, &room).await;
}

#[actix_web::test]
async fn leaving_a_room_succeeds_or_fails_with_an_event() {
    let server = TestServer::with(|settings| settings.rooms.max_rooms_per_socket = 1);
    let mut alice = client(&server).await;
    let (one, two) = (alice.room("one"), alice.room("two"));
    alice.emit("leaveRoom", &json!(one.as_str())).await;
    assert_eq!(alice.event().await.0, "leftRoom");
    alice.emit("leaveRoom", &json!(two.as_str())).await;
    assert_eq!(
        alice.event().await,
        (
            "leaveFailed".to_owned(),
            json!({"reason": "Too many rooms", "code": "ERR_WEBSOCKET_ROOM_LIMIT"})
        )
    );
    alice.emit("joinRoom", &json!(one.as_str())).await;
    assert_eq!(alice.event().await.0, "joinedRoom");
    alice.emit("leaveRoom", &json!(two.as_str())).await;
    assert_eq!(alice.event().await.0, "leftRoom");
}

#[actix_web::test]
async fn a_room_with_its_key_in_capitals_is_the_same_room() {
    let server = TestServer::with(|settings| settings.rooms.auto_join = false);
    let mut alice = client(&server).await;
    let room = alice.room("Inbox");
    let capitals = format!("{}-Inbox", alice.key().to_hex().to_uppercase());
    alice.emit("joinRoom", &json!(capitals)).await;
    assert_eq!(
        alice.event().await,
        ("joinedRoom".to_owned(), json!({"roomId": room.as_str()}))
    );
    alice.send_message(&room, "1", "heard").await;
    assert_eq!(alice.event().await.0, format!("sendMessageAck-{room}"));
    assert_eq!(alice.event().await.0, format!("sendMessage-{room}"));
    alice.emit("leaveRoom", &json!(capitals)).await;
    assert_eq!(
        alice.event().await,
        ("leftRoom".to_owned(), json!({"roomId": room.as_str()}))
    );
}

#[actix_web::test]
async fn a_key_without_a_box_is_a_malformed_room_not_a_foreign_one() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let key = alice.key().to_hex();
    for room in [key.clone(), format!("{key}-"), format!("{key}- ")] {
        alice.emit("joinRoom", &json!(room)).await;
        assert_eq!(
            alice.event().await,
            (
                "joinFailed".to_owned(),
                json!({"reason": "Invalid room ID", "code": "ERR_WEBSOCKET_INVALID_ROOM"})
            )
        );
    }
}

/// JavaScript's `trim` also removes U+FEFF.
#[actix_web::test]
async fn a_box_has_one_name_over_both_ways_whatever_stands_around_it() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let http = Brc104::connect_as(&server.http(""), Arc::clone(&alice.identity)).await;
    let (key, room) = (alice.key().to_hex(), alice.room("inbox"));
    let names = [
        "\u{feff}inbox",
        "inbox\u{feff}",
        "\u{a0}\u{2003}inbox\u{feff} ",
        "inbox",
    ];
    for (id, name) in names.iter().enumerate() {
        let (by_socket, by_http) = (format!("s{id}"), format!("h{id}"));
        let written = alice.room(name);
        alice.send_message(&written, &by_socket, "x").await;
        assert_eq!(alice.event().await.0, format!("sendMessageAck-{written}"));
        let (event, data) = alice.event().await;
        assert_eq!(
            (event, &data["messageId"]),
            (format!("sendMessage-{room}"), &json!(by_socket))
        );
        let body = json!({"message": {
            "recipient": key, "messageBox": name, "messageId": by_http, "body": "x",
        }});
        assert_eq!(
            http.post("/sendMessage", body.to_string()).await.status,
            200
        );
        assert_eq!(alice.event().await.1["messageId"], by_http);
    }
    let listed = http
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await
        .json;
    assert_eq!(
        listed["messages"].as_array().unwrap().len(),
        2 * names.len()
    );
}

#[actix_web::test]
async fn a_message_that_was_sent_before_is_acknowledged_as_such() {
    let server = TestServer::start();
    let (mut alice, bob) = (client(&server).await, client(&server).await);
    let room = bob.room("inbox");
    for already in [json!(null), json!(true)] {
        alice.send_message(&room, "1", "x").await;
        let (_, ack) = alice.event().await;
        assert_eq!(ack["status"], "success");
        assert_eq!(ack["alreadySent"], already);
    }
}

#[actix_web::test]
async fn a_failure_is_sent_as_an_event_and_as_an_ack() {
    let server = TestServer::start();
    let (mut alice, mut bob) = (client(&server).await, client(&server).await);
    let room = bob.room("inbox");
    alice.send_message(&room, "1", "first").await;
    assert_eq!(alice.event().await.1["status"], "success");
    bob.event().await;
    bob.send_message(&room, "1", "squatted").await;
    assert_eq!(
        bob.event().await,
        (
            "messageFailed".to_owned(),
            json!({"reason": DUPLICATE, "code": "ERR_DUPLICATE_MESSAGE"})
        )
    );
    let (event, data) = bob.event().await;
    assert_eq!(event, format!("sendMessageAck-{room}"));
    assert_eq!(
        data,
        json!({"status": "error", "messageId": "1", "reason": DUPLICATE, "code": "ERR_DUPLICATE_MESSAGE"})
    );
}

#[actix_web::test]
async fn a_refusal_does_not_overtake_an_ack() {
    let server = TestServer::start();
    let (mut alice, bob) = (client(&server).await, client(&server).await);
    let room = bob.room("inbox");
    let wrong =
        |id: &str| json!({"roomId": room.as_str(), "message": {"messageId": id, "body": " "}});
    for n in 0..50 {
        alice.send_message(&room, &format!("good {n}"), "x").await;
        alice
            .emit("sendMessage", &wrong(&format!("wrong {n}")))
            .await;
    }
    for n in 0..50 {
        assert_eq!(
            alice.event().await.1,
            json!({"status": "success", "messageId": format!("good {n}")})
        );
        assert_eq!(alice.event().await.0, "messageFailed");
        assert_eq!(alice.event().await.1["messageId"], format!("wrong {n}"));
    }
}

#[actix_web::test]
async fn frames_that_prove_nothing_change_nothing() {
    let server = TestServer::start();
    let (mut alice, bob) = (client(&server).await, client(&server).await);
    let room = alice.room("inbox");
    let send =
        |id: &str| json!({"roomId": room.as_str(), "message": {"messageId": id, "body": "x"}});
    let replayed = alice.signed("sendMessage", &send("good"));
    alice.send_auth(&replayed).await;
    assert_eq!(alice.event().await.1["status"], "success");
    assert_eq!(alice.event().await.1["messageId"], "good");

    let mut forged: Value =
        serde_json::from_str(&alice.signed("sendMessage", &send("forged"))).unwrap();
    forged["identityKey"] = json!(bob.key().to_hex());
    let mut tampered: Value =
        serde_json::from_str(&alice.signed("sendMessage", &send("tampered"))).unwrap();
    tampered["payload"][0] = json!(0);
    let foreign = bob.signed("sendMessage", &send("foreign"));
    let garbage = [
        "null",
        "7",
        "\"x\"",
        "[]",
        "{}",
        r#"{"version":"0.1","messageType":"general"}"#,
    ];
    let before = server.service.counters.refused.load(Ordering::Relaxed);
    for frame in [&*replayed, &*forged.to_string(), &*tampered.to_string()] {
        alice.send_auth(frame).await;
    }
    for frame in garbage {
        alice.send_auth(frame).await;
    }
    eventually("nine refusals", || {
        server.service.counters.refused.load(Ordering::Relaxed) == before + 9
    })
    .await;
    // A frame of another socket's session proves nothing, but the server starts a handshake.
    alice.send_auth(&foreign).await;
    let handshake: Value = serde_json::from_str(&alice.auth_message().await).unwrap();
    assert_eq!(handshake["messageType"], "initialRequest");
    alice.send_message(&room, "still here", "x").await;
    assert_eq!(alice.event().await.1["messageId"], "still here");
    assert_eq!(alice.event().await.1["messageId"], "still here");
}

#[actix_web::test]
async fn a_held_frame_counts_once_its_sender_has_proven_itself() {
    let server = TestServer::start();
    let identity = Arc::new(Identity::random());
    let lost = AuthSocketClient::authenticated_as(server.address, Arc::clone(&identity)).await;
    let room = lost.room("inbox");
    let late = lost.signed(
        "sendMessage",
        &json!({"roomId": room.as_str(), "message": {"messageId": "late", "body": "x"}}),
    );
    let stolen = late.clone();
    let sessions = server.sockets.len();
    let AuthSocketClient { websocket, .. } = lost;
    drop(websocket);
    eventually("the lost socket's end", || server.sockets.len() < sessions).await;

    // A thief without the key cannot answer the handshake.
    let mut thief = AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await;
    thief.send_auth(&stolen).await;
    let request = thief.auth_message().await;
    let answer = thief
        .peer
        .handle(&messagebox::auth::AuthMessage::parse(&request).unwrap())
        .unwrap();
    let messagebox::auth::Handled::Reply(answer) = answer else {
        panic!("an answer")
    };
    thief.send_auth(&answer).await;

    let mut back = AuthSocketClient::connect(server.address, identity).await;
    back.send_auth(&late).await;
    let request = back.auth_message().await;
    let answer = back
        .peer
        .handle(&messagebox::auth::AuthMessage::parse(&request).unwrap())
        .unwrap();
    let messagebox::auth::Handled::Reply(answer) = answer else {
        panic!("an answer")
    };
    back.send_auth(&answer).await;
    assert_eq!(back.event().await.0, "authenticationSuccess");
    let (event, data) = back.event().await;
    assert_eq!(
        (event, &data["messageId"]),
        (format!("sendMessageAck-{room}"), &json!("late"))
    );
    assert_eq!(back.event().await.0, format!("sendMessage-{room}"));
}

#[actix_web::test]
async fn a_silent_socket_is_asked_and_then_a_member_again() {
    let server =
        TestServer::with(|settings| settings.auth.revival_delay = Duration::from_millis(50));
    let mut silent = AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await;
    let request = silent.auth_message().await;
    let answer = silent
        .peer
        .handle(&messagebox::auth::AuthMessage::parse(&request).unwrap())
        .unwrap();
    let messagebox::auth::Handled::Reply(answer) = answer else {
        panic!("an answer")
    };
    silent.send_auth(&answer).await;
    let mut alice = client(&server).await;
    let room = silent.room("inbox");
    // The last message of the handshake and this one travel on different sockets.
    let members = || async { server.service.rooms.status().await.unwrap().members };
    eventually_async("two members", async || members().await == 2).await;
    alice.send_message(&room, "1", "welcome back").await;
    assert_eq!(silent.event().await.0, "keepAlive");
    assert_eq!(silent.event().await.1["body"], "welcome back");
}

/// A client that authenticates before its time limit. On a busy machine the first attempts may fail.
async fn proven_in_time(server: &TestServer) -> AuthSocketClient {
    loop {
        let Some(mut client) = AuthSocketClient::try_authenticated(server.address).await else {
            continue;
        };
        let key = json!({ "identityKey": client.key().to_hex() });
        let frame = client.signed("authenticated", &key);
        let frame = format!("42[\"authMessage\",{frame}]");
        if client.websocket.try_send(frame).await && client.try_event().await.is_some() {
            return client;
        }
    }
}

#[actix_web::test]
async fn a_socket_that_proves_nothing_is_closed_in_time() {
    let server = TestServer::with(|settings| settings.auth.timeout = Duration::from_millis(100));
    let mut member = within("a member", proven_in_time(&server)).await;
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    let mut idle = Websocket::connect(&url).await;
    idle.try_send("40".to_owned()).await;
    within("the end", idle.closed()).await;
    let room = member.room("inbox");
    member.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(member.event().await.0, "joinedRoom");
}

#[actix_web::test]
async fn a_closed_socket_leaves_no_member_and_no_room() {
    let server = TestServer::start();
    for _ in 0..20 {
        let mut gone = client(&server).await;
        let room = gone.room("inbox");
        gone.emit("joinRoom", &json!(room.as_str())).await;
        assert_eq!(gone.event().await.0, "joinedRoom");
    }
    eventually("all sockets to close", || server.sockets.is_empty()).await;
    let status = server.service.rooms.status().await.unwrap();
    assert_eq!((status.members, status.rooms), (0, 0));
}

/// A client whose host has a path asks for a namespace with that name. It ends with a slash if the host does.
#[actix_web::test]
async fn a_host_with_a_path_is_a_namespace() {
    let server = TestServer::with(|settings| settings.server.routing_prefix = "/api".to_owned());
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    for (name, served) in [
        ("/api", true),
        ("/api/", true),
        ("/ws", true),
        ("/wss/", true),
        ("/other", false),
        ("/api//", false),
    ] {
        let mut websocket = Websocket::open(&url).await;
        websocket.send(format!("40{name},")).await;
        let answer = websocket.text().await;
        let joined = answer.starts_with(&format!("40{name},{{\"sid\":"));
        let refused = answer == format!("44{name},{{\"message\":\"Invalid namespace\"}}");
        assert_eq!((joined, refused), (served, !served), "{answer}");
    }
}

#[actix_web::test]
async fn malformed_packets_end_their_own_socket_only() {
    let server = TestServer::start();
    let mut member = client(&server).await;
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    for packets in [
        vec!["4abc"],
        vec!["42[\"x\"]"],
        vec!["40", "42{}"],
        vec!["40", "451-[\"x\"]", "42[\"y\"]"],
        vec!["40", "abc"],
        vec!["40{]"],
    ] {
        let mut bad = Websocket::open(&url).await;
        for packet in &packets {
            bad.send(*packet).await;
        }
        within("the end", bad.closed()).await;
    }
    let room = member.room("inbox");
    member.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(member.event().await.0, "joinedRoom");
}

/// With default settings: clients take an envelope of 1 MiB.
#[actix_web::test]
async fn events_up_to_a_mebibyte_are_delivered_and_the_ack_of_a_larger_one_says_that_it_is_not() {
    let server = TestServer::start();
    let mut alice = client(&server).await;
    let mut bob = client(&server).await;
    let room = bob.room("inbox");
    for (id, length, live) in [
        ("large", 1_000_000, Value::Null),
        ("too large", 1_048_576, json!(false)),
        ("small", 1, Value::Null),
    ] {
        alice.send_message(&room, id, &"x".repeat(length)).await;
        let (_, ack) = alice.event().await;
        assert_eq!((&ack["status"], &ack["live"]), (&json!("success"), &live));
        assert_eq!(ack["messageId"], id);
    }
    assert_eq!(bob.event().await.1["messageId"], "large");
    assert_eq!(bob.event().await.1["messageId"], "small");
    let bob = Brc104::connect_as(&server.http(""), Arc::clone(&bob.identity)).await;
    let listed = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
    assert_eq!(listed.json["messages"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn a_member_that_stops_reading_holds_nobody_up() {
    let server = TestServer::with(|settings| settings.socket.max_outbound_bytes = 900_000);
    let mut alice = client(&server).await;
    let stalled = client(&server).await;
    let mut reader =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&stalled.identity)).await;
    let room = stalled.room("inbox");
    let body = "x".repeat(100_000);
    // The kernel buffers a few MiB for a connection, and an event is a third of one.
    let mut n = 0;
    while server.sockets.len() == 3 {
        assert!(n < 200, "the stalled member is not cut off");
        alice.send_message(&room, &n.to_string(), &body).await;
        assert_eq!(alice.event().await.1["status"], "success");
        // One by one: three of these exceed the limit even for a client that reads, if they come at once.
        assert_eq!(reader.event().await.1["messageId"], n.to_string());
        n += 1;
    }
    assert_eq!(server.sockets.len(), 2);
    drop((alice, reader, stalled));
}
