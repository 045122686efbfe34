//! An AuthSocket client over a websocket. Tests can see and change every frame.

use std::sync::Arc;

use messagebox::auth::{
    AuthMessage, Handled, Identity, MessageType, Peer, PeerConfig, SharedPayload,
};
use messagebox::ids::{IdentityKey, RoomId};
use serde_json::{Value, json};

use super::websocket::{Got, Websocket};

pub struct AuthSocketClient {
    pub identity: Arc<Identity>,
    pub peer: Peer,
    pub websocket: Websocket,
}

impl AuthSocketClient {
    /// Connects and joins the main namespace. Sends nothing more yet.
    pub async fn connect(address: std::net::SocketAddr, identity: Arc<Identity>) -> Self {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut websocket = Websocket::open(&url).await;
        websocket.send("40").await;
        assert!(websocket.text().await.starts_with("40{\"sid\":"));
        Self {
            peer: Peer::new(Arc::clone(&identity), PeerConfig::default()),
            identity,
            websocket,
        }
    }

    /// Connects, shakes hands and waits for the confirmation. The client is not paced.
    pub async fn authenticated(address: std::net::SocketAddr) -> Self {
        Self::authenticated_as(address, Arc::new(Identity::random())).await
    }

    pub async fn authenticated_as(address: std::net::SocketAddr, identity: Arc<Identity>) -> Self {
        let mut client = Self::connect(address, identity).await;
        client.handshake().await;
        let key = client.key().to_hex();
        client
            .emit("authenticated", &json!({ "identityKey": key, "pace": "0" }))
            .await;
        let (event, data) = client.event().await;
        assert_eq!(
            (event.as_str(), data),
            ("authenticationSuccess", json!({"status": "success"}))
        );
        client
    }

    /// Connects and shakes hands. Returns `None` if the server is gone.
    pub async fn try_authenticated(address: std::net::SocketAddr) -> Option<Self> {
        let identity = Arc::new(Identity::random());
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut websocket = Websocket::try_open(&url).await?;
        websocket.try_send("40".to_owned()).await.then_some(())?;
        match websocket.next().await {
            Got::Text(text) => assert!(text.starts_with("40{\"sid\":")),
            _ => return None,
        }
        let mut client = Self {
            peer: Peer::new(Arc::clone(&identity), PeerConfig::default()),
            identity,
            websocket,
        };
        let request = client.peer.start_handshake().unwrap();
        let frame = format!("42[\"authMessage\",{request}]");
        client.websocket.try_send(frame).await.then_some(())?;
        let response = client.try_auth_message().await?;
        let response = AuthMessage::parse(&response).unwrap();
        let handled = client.peer.handle(&response).unwrap();
        assert!(matches!(handled, Handled::Established(_)));
        Some(client)
    }

    pub async fn handshake(&mut self) {
        let request = self.peer.start_handshake().unwrap();
        self.send_auth(&request).await;
        let response = self.auth_message().await;
        let handled = self
            .peer
            .handle(&AuthMessage::parse(&response).unwrap())
            .unwrap();
        assert!(matches!(handled, Handled::Established(_)));
    }

    /// Answers the server's handshake.
    pub async fn answer_handshake(&mut self) {
        let request = self.auth_message().await;
        let request = AuthMessage::parse(&request).unwrap();
        assert_eq!(request.kind, MessageType::InitialRequest);
        let Ok(Handled::Reply(answer)) = self.peer.handle(&request) else {
            panic!("a handshake is answered");
        };
        self.send_auth(&answer).await;
    }

    pub fn key(&self) -> IdentityKey {
        self.identity.identity_key()
    }

    pub fn room(&self, message_box: &str) -> RoomId {
        RoomId::of(&self.key(), message_box)
    }

    /// The auth message of an event.
    pub fn signed(&self, event: &str, data: &Value) -> String {
        self.signed_json(event, &data.to_string())
    }

    /// The same with data that no `Value` can hold.
    fn signed_json(&self, event: &str, data: &str) -> String {
        let payload = format!(r#"{{"eventName":{},"data":{data}}}"#, json!(event));
        let mut out = String::new();
        self.peer
            .sign(&SharedPayload::new(payload.into_bytes()), &mut out)
            .unwrap();
        out
    }

    pub async fn emit(&mut self, event: &str, data: &Value) {
        let json = self.signed(event, data);
        self.send_auth(&json).await;
    }

    pub async fn emit_json(&mut self, event: &str, data: &str) {
        let json = self.signed_json(event, data);
        self.send_auth(&json).await;
    }

    pub async fn send_auth(&mut self, json: &str) {
        self.websocket
            .send(format!("42[\"authMessage\",{json}]"))
            .await;
    }

    pub async fn send_message(&mut self, room: &RoomId, message_id: &str, body: &str) {
        let data = json!({
            "roomId": room.as_str(),
            "message": { "messageId": message_id, "body": body },
        });
        self.emit("sendMessage", &data).await;
    }

    /// The next auth message. Answers pings in the meantime.
    pub async fn auth_message(&mut self) -> String {
        self.try_auth_message().await.expect("the websocket ended")
    }

    async fn try_auth_message(&mut self) -> Option<String> {
        loop {
            match self.websocket.next().await {
                Got::Text(text) if text == "2" => self.websocket.send("3").await,
                Got::Text(text) => {
                    let json = text
                        .strip_prefix("42[\"authMessage\",")
                        .and_then(|rest| rest.strip_suffix(']'));
                    return Some(
                        json.unwrap_or_else(|| panic!("not an auth message: {text}"))
                            .to_owned(),
                    );
                }
                Got::Binary(_) => panic!("a binary frame"),
                Got::Closed(_) => return None,
            }
        }
    }

    /// The next event of the server, verified.
    pub async fn event(&mut self) -> (String, Value) {
        self.try_event().await.expect("the websocket ended")
    }

    /// The name of the next event, or `None` for an auth message of another kind.
    pub async fn event_or_request(&mut self) -> Option<String> {
        let json = self.auth_message().await;
        match self.peer.handle(&AuthMessage::parse(&json).unwrap()) {
            Ok(Handled::General(verified)) => {
                let event: Value = serde_json::from_slice(&verified.payload).unwrap();
                event["eventName"].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// The name of the next event, or `None` for a handshake of the server, which stays unanswered.
    pub async fn event_or_unanswered(&mut self) -> Option<String> {
        let json = self.auth_message().await;
        let message = AuthMessage::parse(&json).unwrap();
        if message.kind == MessageType::InitialRequest {
            return None;
        }
        let Ok(Handled::General(verified)) = self.peer.handle(&message) else {
            panic!("an event was expected");
        };
        let event: Value = serde_json::from_slice(&verified.payload).unwrap();
        event["eventName"].as_str().map(str::to_owned)
    }

    /// The next event, verified. Answers handshakes of the server.
    pub async fn try_event(&mut self) -> Option<(String, Value)> {
        let verified = loop {
            let json = self.try_auth_message().await?;
            let handled = self.peer.handle(&AuthMessage::parse(&json).unwrap());
            match handled.unwrap() {
                Handled::General(verified) => break verified,
                // The server starts a new session.
                Handled::Reply(answer) => {
                    let frame = format!("42[\"authMessage\",{answer}]");
                    self.websocket.try_send(frame).await.then_some(())?;
                }
                other => panic!("an event was expected, not {other:?}"),
            }
        };
        let mut event: Value = serde_json::from_slice(&verified.payload).unwrap();
        Some((
            event["eventName"].as_str().unwrap().to_owned(),
            event["data"].take(),
        ))
    }
}
