//! Sessions of sockets after a restart, and nonces that count once. `tests/pair` has revival, keep-alives and renewal.

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
