//! Sessions of sockets: who speaks first, what keeps them alive, and when a new one replaces them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::eventually;
use crate::support::server::TestServer;

fn confirm(client: &AuthSocketClient) -> Value {
    json!({ "identityKey": client.key().to_hex() })
}

/// The client's nonce of the session in which the server signs its next event, and the event's name.
async fn next_session(client: &mut AuthSocketClient) -> (String, String) {
    let json = client.auth_message().await;
    let message: Value = serde_json::from_str(&json).unwrap();
    let parsed = messagebox::auth::AuthMessage::parse(&json).unwrap();
    let handled = client.peer.handle(&parsed).unwrap();
    let messagebox::auth::Handled::General(verified) = handled else {
        panic!("an event was expected, not {handled:?}");
    };
    let event: Value = serde_json::from_slice(&verified.payload).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&message["yourNonce"]), text(&event["eventName"]))
}

/// A client that has reconnected to a server without its session, and an `authenticated` event in the lost session.
async fn after_a_restart(identity: &Arc<Identity>) -> (TestServer, AuthSocketClient, String) {
    let gone = TestServer::start();
    let lost = AuthSocketClient::authenticated_as(gone.address, Arc::clone(identity)).await;
    let frame = lost.signed("authenticated", &confirm(&lost));
    let server =
        TestServer::with(|settings| settings.auth.revival_delay = Duration::from_millis(100));
    let client = AuthSocketClient::connect(server.address, Arc::clone(identity)).await;
    (server, client, frame)
}

/// Sends a message to the client's box and waits for it.
async fn is_reached(server: &TestServer, client: &mut AuthSocketClient, id: &str) {
    let mut sender = AuthSocketClient::authenticated(server.address).await;
    sender.send_message(&client.room("inbox"), id, "x").await;
    assert_eq!(sender.event().await.1["status"], "success");
    assert_eq!(client.event().await.1["messageId"], id);
}

/// The newest published client asks for confirmation in its lost session, and joins its rooms after it.
#[actix_web::test]
async fn a_client_that_has_spoken_is_confirmed_first_after_a_restart() {
    let identity = Arc::new(Identity::random());
    let (server, mut client, frame) = after_a_restart(&identity).await;
    client.send_auth(&frame).await;
    client.answer_handshake().await;
    let (event, data) = client.event().await;
    assert_eq!(event, "authenticationSuccess");
    assert_eq!(data, json!({"status": "success"}));
    let room = client.room("inbox").to_string();
    client.emit("joinRoom", &json!(room)).await;
    assert_eq!(
        client.event().await,
        ("joinedRoom".to_owned(), json!({"roomId": room}))
    );
    is_reached(&server, &mut client, "newest").await;
}

/// The clients up to 2.5.5 reconnect by themselves, send nothing, and disconnect on a confirmation.
#[actix_web::test]
async fn a_silent_client_gets_a_harmless_first_event_after_a_restart() {
    let identity = Arc::new(Identity::random());
    let (server, mut client, _) = after_a_restart(&identity).await;
    client.answer_handshake().await;
    assert_eq!(client.event().await, ("keepAlive".to_owned(), json!({})));
    is_reached(&server, &mut client, "silent").await;
    // The application's next call succeeds.
    client.send_message(&client.room("inbox"), "own", "x").await;
    assert_eq!(client.event().await.1["status"], "success");
}

/// The clients in between drop their connection and start a new one with the next call.
#[actix_web::test]
async fn a_client_that_begins_anew_is_as_any_other_after_a_restart() {
    let identity = Arc::new(Identity::random());
    let (server, gone, _) = after_a_restart(&identity).await;
    drop(gone);
    let mut client = AuthSocketClient::authenticated_as(server.address, identity).await;
    is_reached(&server, &mut client, "between").await;
}

#[actix_web::test]
async fn a_quiet_socket_is_kept_alive_once_it_is_authenticated() {
    let server = TestServer::with(|settings| {
        settings.socket.keep_alive = Duration::from_millis(150);
        settings.auth.revival_delay = Duration::from_secs(60);
    });
    let mut stranger =
        AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await;
    let mut client = AuthSocketClient::authenticated(server.address).await;
    for _ in 0..3 {
        assert_eq!(client.event().await, ("keepAlive".to_owned(), json!({})));
    }
    // The next event answers this handshake, so nothing came before it.
    stranger.handshake().await;
}

/// Each end remembers a limited number of nonces per session.
#[actix_web::test]
async fn a_session_is_renewed_before_its_nonces_run_out_and_the_old_one_still_verifies() {
    let server = TestServer::with(|settings| {
        settings.auth.max_seen_nonces = 40.try_into().unwrap();
    });
    let mut client = AuthSocketClient::authenticated(server.address).await;
    let room = json!(client.room("inbox").as_str());
    // Together with `authenticated`, the 30th event starts the renewal.
    for _ in 0..28 {
        client.emit("joinRoom", &room).await;
        assert_eq!(client.event().await.0, "joinedRoom");
    }
    client.emit("joinRoom", &room).await;
    let (old, event) = next_session(&mut client).await;
    assert_eq!(event, "joinedRoom");
    let late = client.signed("leaveRoom", &room);
    client.answer_handshake().await;
    let (new, event) = next_session(&mut client).await;
    assert_eq!(event, "keepAlive");
    assert_ne!(new, old);
    // The old session still verifies, and the answer comes in the new one.
    client.send_auth(&late).await;
    assert_eq!(
        next_session(&mut client).await,
        (new.clone(), "leftRoom".to_owned())
    );
    for _ in 0..20 {
        client.emit("joinRoom", &room).await;
        let joined = ("joinedRoom".to_owned(), new.clone());
        let (session, event) = next_session(&mut client).await;
        assert_eq!((event, session), joined);
    }
}

#[actix_web::test]
async fn a_nonce_counts_once_however_many_came_after_it() {
    let server = TestServer::with(|settings| {
        settings.auth.max_seen_nonces = 2.try_into().unwrap();
    });
    let mut client = AuthSocketClient::authenticated(server.address).await;
    let room = json!(client.room("inbox").as_str());
    let first = client.signed("joinRoom", &room);
    client.send_auth(&first).await;
    // It does not answer the handshake that comes in between.
    for _ in 0..6 {
        client.emit("joinRoom", &room).await;
    }
    let mut joined = 0;
    while joined < 7 {
        let name = client.event_or_unanswered().await;
        joined += usize::from(name.as_deref() == Some("joinedRoom"));
    }
    let refused = || server.service.counters.refused.load(Ordering::Relaxed);
    let before = refused();
    client.send_auth(&first).await;
    eventually("the refusal of the replay", || refused() == before + 1).await;
    let received = server.service.counters.events.get();
    assert_eq!(received.get("joinRoom"), Some(&7));
}
