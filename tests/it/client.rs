//! The client layer against a real server: its promises to callers.

#[path = "../../src/bin/messagebox-loadtest/traffic/unverified.rs"]
mod unverified;

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{
    AuthSocket, ClientError, Connector, Failure, MessageBoxClient, OutgoingMessage, ReceivedEvent,
    SendOutcome, TransportKind, UnverifiedReader,
};
use messagebox::ids::RoomId;
use serde_json::json;

use crate::support::remote::Remote;
use crate::support::server::TestServer;
use crate::support::within;
use unverified::unverified_payload;

const TRANSPORTS: [TransportKind; 2] = [TransportKind::Websocket, TransportKind::Polling];

fn connector(server: &TestServer, transport: TransportKind) -> Connector {
    Connector::new(server.http("").parse().unwrap(), transport)
}

fn boxes(server: &TestServer) -> MessageBoxClient {
    let connector = connector(server, TransportKind::Websocket);
    MessageBoxClient::new(connector, Arc::new(Identity::random()))
}

#[actix_web::test]
async fn messages_are_sent_listed_and_acknowledged() {
    let server = TestServer::start();
    let (alice, bob) = (boxes(&server), boxes(&server));
    alice
        .send(bob.identity_key(), "inbox", "1", "hello")
        .await
        .unwrap();
    let listed = bob.list("inbox").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].sender, alice.identity_key().to_hex());
    assert!(listed[0].body.contains("hello"));
    bob.acknowledge(&[String::from("1")]).await.unwrap();
    assert_eq!(bob.list("inbox").await.unwrap(), []);
    let error = bob.acknowledge(&[String::from("1")]).await.unwrap_err();
    let ClientError::Refused { status, code, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((status, code.as_str()), (400, "ERR_INVALID_ACKNOWLEDGMENT"));
}

#[actix_web::test]
async fn a_session_that_the_server_has_forgotten_is_renewed() {
    // One request exhausts a session.
    let server = TestServer::with(|settings| {
        settings.auth.max_seen_nonces = 1.try_into().unwrap();
    });
    let client = boxes(&server);
    for _ in 0..3 {
        assert_eq!(client.list("inbox").await.unwrap(), []);
        assert_eq!(server.state.session_count(), 0);
    }
}

#[actix_web::test]
async fn a_socket_sends_and_receives_over_either_transport() {
    let server = TestServer::start();
    for transport in TRANSPORTS {
        let connector = connector(&server, transport);
        let owner = Arc::new(Identity::random());
        let room = RoomId::of(&owner.identity_key(), "inbox");
        let connect = || AuthSocket::connect(&connector, Arc::clone(&owner));
        let mut one = within("a socket", connect()).await.unwrap();
        let mut other = within("a socket", connect()).await.unwrap();
        assert_eq!(one.server_key(), server.identity_key);
        one.join(&room).await.unwrap();
        other.join(&room).await.unwrap();
        let mut sender = AuthSocket::connect(&connector, Arc::new(Identity::random()))
            .await
            .unwrap();
        let message =
            json!({"roomId": room.as_str(), "message": {"messageId": "1", "body": "hello"}});
        sender.emit("sendMessage", &message).await.unwrap();
        let ack = within("an ack", sender.next_event()).await.unwrap();
        assert_eq!(ack.name, format!("sendMessageAck-{}", room.as_str()));
        assert_eq!(ack.text("status"), "success");
        let verified = within("an event", one.next_event()).await.unwrap();
        assert_eq!(verified.text("body"), "hello");
        let reader: UnverifiedReader = |json| unverified_payload(json, 4096);
        let read = within("an event", other.next_payload(Some(reader)))
            .await
            .unwrap();
        assert_eq!(ReceivedEvent::parse(&read).unwrap(), verified);
        for socket in [one, other, sender] {
            within("a goodbye", socket.close()).await;
        }
    }
}

/// The server renews the session every few events. No event is lost, with or without verification.
#[actix_web::test]
async fn a_socket_survives_renewals_of_its_session() {
    let server = TestServer::with(|settings| {
        settings.auth.max_seen_nonces = 8.try_into().unwrap();
    });
    let connector = connector(&server, TransportKind::Websocket);
    let reader: UnverifiedReader = |json| unverified_payload(json, 4096);
    for reader in [None, Some(reader)] {
        let mut socket = AuthSocket::connect(&connector, Arc::new(Identity::random()))
            .await
            .unwrap();
        let room = RoomId::of(&Identity::random().identity_key(), "inbox");
        for id in 0..100 {
            let id = id.to_string();
            let message =
                json!({"roomId": room.as_str(), "message": {"messageId": id, "body": "x"}});
            socket.emit("sendMessage", &message).await.unwrap();
            let ack = within("an ack", socket.next_payload(reader)).await.unwrap();
            let ack = ReceivedEvent::parse(&ack).unwrap();
            assert_eq!(
                (ack.text("status"), ack.text("messageId")),
                ("success", &*id)
            );
        }
        within("a goodbye", socket.close()).await;
    }
}

#[actix_web::test]
async fn a_refusal_and_an_end_have_their_own_errors() {
    let server = TestServer::start();
    for transport in TRANSPORTS {
        let connector = connector(&server, transport);
        let mut socket = AuthSocket::connect(&connector, Arc::new(Identity::random()))
            .await
            .unwrap();
        let foreign = RoomId::of(&Identity::random().identity_key(), "inbox");
        let error = socket.join(&foreign).await.unwrap_err();
        let ClientError::EventRefused { event, reason } = error else {
            panic!("{error}");
        };
        assert_eq!(
            (event.as_str(), reason.as_str()),
            ("joinFailed", "The room belongs to another identity")
        );
        server
            .sockets
            .close_all(messagebox::engineio::CloseReason::TransportClose);
        let ended = within("the end", socket.next_event()).await;
        assert!(ended.is_err(), "{ended:?}");
    }
}

#[actix_web::test]
async fn a_session_moves_from_polling_to_a_websocket() {
    let server = TestServer::start();
    let connector = connector(&server, TransportKind::Polling).upgrading();
    let owner = Arc::new(Identity::random());
    let connect = AuthSocket::connect(&connector, Arc::clone(&owner));
    let mut socket = within("a socket", connect).await.unwrap();
    let room = RoomId::of(&owner.identity_key(), "inbox");
    socket.join(&room).await.unwrap();
    assert_eq!(server.sockets.len(), 1);
    for n in 0..20 {
        let (id, body) = (n.to_string(), format!("message {n}"));
        let send = boxes(&server);
        send.send(owner.identity_key(), "inbox", &id, &body)
            .await
            .unwrap();
        let event = within("an event", socket.next_event()).await.unwrap();
        let message = event.message_of(&room).unwrap();
        assert_eq!((message.message_id, message.body), (id, body));
    }
    assert_eq!(
        ReceivedEvent::parse(b"{\"eventName\":\"sendMessage-elsewhere\"}")
            .unwrap()
            .message_of(&room),
        None
    );
    within("a goodbye", socket.close()).await;
}

#[actix_web::test]
async fn a_message_over_a_socket_is_stored_or_refused() {
    let server = TestServer::start();
    let connector = connector(&server, TransportKind::Websocket);
    let mut socket = AuthSocket::connect(&connector, Arc::new(Identity::random()))
        .await
        .unwrap();
    let bob = boxes(&server);
    let to = bob.identity_key();
    let message = |message_id| OutgoingMessage {
        recipient: to,
        message_box: "inbox",
        message_id,
        body: "hello",
        expires_at: None,
    };
    socket.send_message(&message("1")).await.unwrap();
    assert_eq!(bob.list("inbox").await.unwrap()[0].message_id, "1");
    bob.set_permission("inbox", None, -1).await.unwrap();
    let refused = socket.send_message(&message("2")).await;
    let error = refused.unwrap_err();
    assert_eq!(error.failure(), Failure::Refused);
    let ClientError::EventRefused { reason, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(reason, "The recipient has blocked you");
}

#[actix_web::test]
async fn a_box_that_does_not_fit_into_a_list_is_listed_whole() {
    let server = TestServer::with(|settings| settings.messages.max_listed_bytes = 2_000);
    let (alice, bob) = (boxes(&server), boxes(&server));
    let body = "x".repeat(600);
    for n in 0..10 {
        let id = format!("{n}");
        let sent = alice.send(bob.identity_key(), "inbox", &id, &body).await;
        assert_eq!(sent.unwrap(), SendOutcome::Stored);
    }
    let again = alice.send(bob.identity_key(), "inbox", "9", &body).await;
    assert_eq!(again.unwrap(), SendOutcome::Already);
    let listed = bob.list("inbox").await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|it| it.message_id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(listed[0].created_at.ends_with('Z'));
}

#[actix_web::test]
async fn a_server_that_falls_silent_is_left() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let silent = async {
        use futures_util::{SinkExt as _, StreamExt as _};
        use tokio_tungstenite::tungstenite::Message;
        let (stream, _) = listener.accept().await.unwrap();
        let mut websocket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let open =
            r#"0{"sid":"a","upgrades":[],"pingInterval":100,"pingTimeout":100,"maxPayload":1000}"#;
        websocket.send(Message::text(open)).await.unwrap();
        assert_eq!(
            websocket.next().await.unwrap().unwrap(),
            Message::text("40")
        );
        websocket
            .send(Message::text(r#"40{"sid":"b"}"#))
            .await
            .unwrap();
        while let Some(Ok(_)) = websocket.next().await {}
    };
    let connector = Connector::new(address.parse().unwrap(), TransportKind::Websocket);
    let connecting = async {
        let connected = AuthSocket::connect(&connector, Arc::new(Identity::random()));
        let error = within("the end", connected).await.unwrap_err();
        assert!(matches!(error, ClientError::Timeout(_)), "{error}");
        assert_eq!(error.failure(), Failure::Unreachable);
    };
    tokio::join!(silent, connecting);
}

#[actix_web::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = Remote::start(|_| (0, json!(null)).into());
    for transport in TRANSPORTS {
        let connector = Connector::new(silent.url.parse().unwrap(), transport)
            .with_timeout(Duration::from_millis(200))
            .unwrap();
        let socket = AuthSocket::connect(&connector, Arc::new(Identity::random()));
        let error = within("an error", socket).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Unreachable, "{error}");
        let client = MessageBoxClient::new(connector, Arc::new(Identity::random()));
        let error = within("an error", client.list("inbox")).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Unreachable, "{error}");
    }
}

/// Writes the head of an answer and then its body, until the client disconnects.
async fn pour(listener: &tokio::net::TcpListener, head: &str, what: &[u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = vec![0; 16 * 1024];
    assert_ne!(stream.read(&mut request).await.unwrap(), 0);
    stream.write_all(head.as_bytes()).await.unwrap();
    while stream.write_all(what).await.is_ok() {}
}

/// The client's memory stays bounded, whatever length is announced and however long the body is.
#[actix_web::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    for (status, head) in [
        (200, "transfer-encoding: chunked"),
        (200, "content-length: 999999999999"),
        (500, "transfer-encoding: chunked"),
    ] {
        let head = format!("HTTP/1.1 {status} X\r\n{head}\r\n\r\n");
        for transport in TRANSPORTS {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let connector = Connector::new(address.parse().unwrap(), transport);
            let client = MessageBoxClient::new(connector.clone(), Arc::new(Identity::random()));
            let asking = async {
                let error = match transport {
                    TransportKind::Websocket => client.list("inbox").await.unwrap_err(),
                    TransportKind::Polling => {
                        let socket = AuthSocket::connect(&connector, Arc::new(Identity::random()));
                        socket.await.unwrap_err()
                    }
                };
                match status {
                    200 => assert!(matches!(error, ClientError::TooLong), "{error}"),
                    _ => assert_eq!(error.status(), Some(500), "{error}"),
                }
            };
            let poured = pour(&listener, &head, chunk.as_bytes());
            within("the end of both sessions", async {
                tokio::join!(poured, asking)
            })
            .await;
        }
    }
}
