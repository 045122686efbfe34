//! Certificates on sockets: events before them are held, and wrong ones end a socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use messagebox::auth::{Counterparty, KeyId, Protocol, SharedPayload, message_nonce, sha256};
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::{eventually, within};

use super::{Party, Scene, message};

/// An AuthSocket client that can send what the types of [`AuthSocketClient`] do not allow.
struct SocketClient {
    party: Party,
    inner: AuthSocketClient,
    /// The server's session nonce.
    server_nonce: String,
}

impl SocketClient {
    async fn connect(scene: &Scene, party: Party) -> Self {
        let identity = Arc::clone(&party.identity);
        Self {
            inner: AuthSocketClient::connect(scene.server.address, identity).await,
            party,
            server_nonce: String::new(),
        }
    }

    /// Connects and shakes hands, and presents no certificate yet.
    async fn shaken(scene: &Scene) -> Self {
        Self::shaken_as(scene, Party::new()).await
    }

    async fn shaken_as(scene: &Scene, party: Party) -> Self {
        let mut client = Self::connect(scene, party).await;
        let request = client.inner.peer.start_handshake().unwrap();
        client.inner.send_auth(&request).await;
        let response = client.inner.auth_message().await;
        client.hear(&response);
        client
    }

    async fn certified(scene: &Scene) -> Self {
        let mut client = Self::shaken(scene).await;
        client.bring(scene, &scene.valid(&client.party)).await;
        client.authenticate(scene).await;
        assert_eq!(client.inner.event().await.0, "authenticationSuccess");
        client
    }

    /// Handles a message of a handshake. Returns the answer, if there is one.
    fn hear(&mut self, json: &str) -> Option<Value> {
        let message: Value = serde_json::from_str(json).unwrap();
        message["initialNonce"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.server_nonce);
        let parsed = messagebox::auth::AuthMessage::parse(json).unwrap();
        match self.inner.peer.handle(&parsed).unwrap() {
            messagebox::auth::Handled::Reply(reply) => Some(serde_json::from_str(&reply).unwrap()),
            _ => None,
        }
    }

    fn signed(&self, scene: &Scene, data: &[u8], rest: &str) -> String {
        let server = Counterparty::Other(scene.server.identity_key);
        let keys = self.party.identity.pair(server).unwrap();
        let nonce = message_nonce();
        let key_id = KeyId::Pair(&nonce, &self.server_nonce);
        let signature = keys
            .sign(&Protocol::AUTH_SIGNATURE, key_id, &sha256(data))
            .unwrap();
        message(&self.party, &nonce, &self.server_nonce, &signature, rest)
    }

    fn bringing(&self, scene: &Scene, certificates: &str) -> String {
        let rest = format!(r#""messageType":"certificateResponse","certificates":{certificates}"#);
        self.signed(scene, certificates.as_bytes(), &rest)
    }

    async fn bring(&mut self, scene: &Scene, certificates: &str) {
        let json = self.bringing(scene, certificates);
        self.inner.send_auth(&json).await;
    }

    fn event(&self, scene: &Scene, event: &str, data: &Value) -> String {
        let payload = json!({ "eventName": event, "data": data }).to_string();
        let numbers = SharedPayload::new(payload.clone().into_bytes());
        let rest = format!(r#""messageType":"general","payload":{}"#, numbers.json());
        self.signed(scene, payload.as_bytes(), &rest)
    }

    async fn emit(&mut self, scene: &Scene, event: &str, data: &Value) {
        let json = self.event(scene, event, data);
        self.inner.send_auth(&json).await;
    }

    async fn authenticate(&mut self, scene: &Scene) {
        let json = self.authenticating(scene);
        self.inner.send_auth(&json).await;
    }

    /// Sends an auth message. Returns `false` if the server has closed the socket.
    async fn try_send(&mut self, json: &str) -> bool {
        let frame = format!("42[\"authMessage\",{json}]");
        self.inner.websocket.try_send(frame).await
    }

    fn authenticating(&self, scene: &Scene) -> String {
        let key = self.party.key().to_hex();
        self.event(scene, "authenticated", &json!({ "identityKey": key }))
    }

    /// A client that is certified before the server closes it. On a busy machine the first attempts may fail.
    async fn certified_in_time(scene: &Scene) -> Self {
        loop {
            let party = Party::new();
            let certificates = scene.valid(&party);
            let mut client = Self::shaken_as(scene, party).await;
            let brought = client.bringing(scene, &certificates);
            let authenticated = client.authenticating(scene);
            if client.try_send(&brought).await
                && client.try_send(&authenticated).await
                && client.inner.try_event().await.is_some()
            {
                return client;
            }
        }
    }
}

#[actix_web::test]
async fn on_a_socket_events_before_the_certificates_are_held() {
    let scene = Scene::new();
    let mut bob = SocketClient::certified(&scene).await;
    let mut alice = SocketClient::shaken(&scene).await;
    alice.authenticate(&scene).await;
    let held = &scene.server.service.counters.held;
    eventually("the held event", || held.load(Ordering::Relaxed) == 1).await;
    // A member would receive this.
    let room = alice.inner.room("inbox");
    bob.inner.send_message(&room, "1", "too early").await;
    assert_eq!(bob.inner.event().await.0, format!("sendMessageAck-{room}"));
    // An ack says that the message is stored. When the next message arrives, this one has been delivered too.
    let own = bob.inner.room("inbox");
    bob.inner.send_message(&own, "1", "behind it").await;
    for event in ["sendMessageAck", "sendMessage"] {
        assert_eq!(bob.inner.event().await.0, format!("{event}-{own}"));
    }
    alice.bring(&scene, &scene.valid(&alice.party)).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    bob.inner.send_message(&room, "2", "in time").await;
    let (event, data) = alice.inner.event().await;
    assert_eq!(
        (event, &data["messageId"]),
        (format!("sendMessage-{room}"), &json!("2"))
    );
}

#[actix_web::test]
async fn on_a_socket_only_so_much_is_held() {
    let scene = Scene::with(|settings| settings.auth.max_held_frames = 2);
    let mut alice = SocketClient::shaken(&scene).await;
    for _ in 0..2 {
        alice.authenticate(&scene).await;
    }
    alice
        .emit(
            &scene,
            "joinRoom",
            &json!(alice.inner.room("inbox").as_str()),
        )
        .await;
    alice.bring(&scene, &scene.valid(&alice.party)).await;
    alice.authenticate(&scene).await;
    for _ in 0..3 {
        assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    }
    assert_eq!(scene.refused(), 1);
}

#[actix_web::test]
async fn on_a_socket_what_does_not_fit_ends_it() {
    let scene = Scene::new();
    for refused in 0..5 {
        let mut client = SocketClient::shaken(&scene).await;
        let (word, certificates) = scene.invalid(&client.party).swap_remove(refused);
        client.authenticate(&scene).await;
        client.bring(&scene, &certificates).await;
        assert!(client.inner.try_event().await.is_none(), "{word}");
        assert_eq!(
            scene.refused(),
            u64::try_from(refused).unwrap() + 1,
            "{word}"
        );
    }
}

#[actix_web::test]
async fn a_socket_without_certificates_is_closed_in_time() {
    let scene = Scene::impatient();
    // A certified socket stays open. Its time limit ends before that of the others.
    let alice = SocketClient::certified_in_time(&scene);
    let mut alice = within("a certified client", alice).await;
    let mut silent = SocketClient::shaken(&scene).await;
    let mut proven = SocketClient::shaken(&scene).await;
    let authenticated = proven.authenticating(&scene);
    proven.try_send(&authenticated).await;
    let mut empty = SocketClient::shaken(&scene).await;
    let nothing = empty.bringing(&scene, "[]");
    empty.try_send(&nothing).await;
    for client in [&mut silent, &mut proven, &mut empty] {
        assert!(client.inner.try_event().await.is_none());
    }
    alice.authenticate(&scene).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    eventually("the others to be closed", || {
        scene.server.sockets.len() == 1
    })
    .await;
}

#[actix_web::test]
async fn the_answer_to_a_handshake_of_the_server_may_bring_certificates() {
    let scene = Scene::with(|settings| settings.auth.revival_delay = Duration::from_millis(20));
    let mut alice = SocketClient::connect(&scene, Party::new()).await;
    let request = alice.inner.auth_message().await;
    let request_json: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(request_json["messageType"], "initialRequest");
    assert_eq!(
        request_json["requestedCertificates"]["certifiers"],
        json!([scene.certifier.key().to_hex()])
    );
    let mut answer = alice.hear(&request).unwrap();
    answer["certificates"] = serde_json::from_str(&scene.valid(&alice.party)).unwrap();
    alice.inner.send_auth(&answer.to_string()).await;
    assert_eq!(alice.inner.event().await.0, "keepAlive");
    alice.authenticate(&scene).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");

    let mut mallory = SocketClient::connect(&scene, Party::new()).await;
    let request = mallory.inner.auth_message().await;
    let mut answer = mallory.hear(&request).unwrap();
    answer["certificates"] = serde_json::from_str(&scene.valid(&alice.party)).unwrap();
    mallory.inner.send_auth(&answer.to_string()).await;
    assert!(mallory.inner.try_event().await.is_none());
}
