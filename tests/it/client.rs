//! The client layer against a real server: what it promises to those who stand on it.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{
    AuthSocket, ClientError, Connector, MessageBoxClient, Reading, ReceivedEvent, TransportKind,
};
use messagebox::ids::RoomId;
use serde_json::json;

use crate::support::server::TestServer;
use crate::support::within;

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
    let server = TestServer::with(|settings| {
        settings.auth.session_ttl = Duration::from_millis(50);
    });
    let client = boxes(&server);
    for _ in 0..3 {
        assert_eq!(client.list("inbox").await.unwrap(), []);
        tokio::time::sleep(Duration::from_millis(120)).await;
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
        let reading = Reading::Unverified { max_bytes: 4096 };
        let read = within("an event", other.next_payload(reading))
            .await
            .unwrap();
        assert_eq!(ReceivedEvent::parse(&read).unwrap(), verified);
        for socket in [one, other, sender] {
            within("a goodbye", socket.close()).await;
        }
    }
}

#[actix_web::test]
async fn a_refusal_and_an_end_are_told_as_what_they_are() {
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
