//! A room member on a websocket from an address of the caller's choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload};
use messagebox::ids::{IdentityKey, RoomId};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{connect_from, connect_small};

/// A socket whose identity the server has confirmed.
pub struct Member {
    pub identity: Arc<Identity>,
    pub peer: Peer,
    pub socket: WebSocketStream<TcpStream>,
    /// Whether it answers handshakes of the server.
    pub renews: bool,
}

fn strip(text: &str) -> Option<&str> {
    text.strip_prefix("42[\"authMessage\",")?.strip_suffix(']')
}

impl Member {
    pub async fn connect(server: SocketAddr, from: Ipv4Addr) -> Self {
        let identity = Arc::new(Identity::random());
        let member = Self::connect_as(server, from, identity).await;
        member.expect("a confirmed socket")
    }

    /// Returns `None` if the server does not confirm the identity.
    pub async fn connect_as(
        server: SocketAddr,
        from: Ipv4Addr,
        identity: Arc<Identity>,
    ) -> Option<Self> {
        Self::over(connect_from(from, server).await.ok()?, identity).await
    }

    /// The same with a small receive buffer, so that the kernel holds little unread data.
    pub async fn with_small_buffer(
        server: SocketAddr,
        from: Ipv4Addr,
        identity: Arc<Identity>,
    ) -> Option<Self> {
        Self::over(connect_small(from, server).await.ok()?, identity).await
    }

    async fn over(stream: TcpStream, identity: Arc<Identity>) -> Option<Self> {
        let url = "ws://messages.example/socket.io/?EIO=4&transport=websocket";
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.ok()?;
        let mut member = Self {
            peer: Peer::new(Arc::clone(&identity), PeerConfig::default()),
            identity,
            socket,
            renews: true,
        };
        member.text().await?.starts_with("0{").then_some(())?;
        member.send_text("40".to_owned()).await.then_some(())?;
        member.text().await?.starts_with("40{").then_some(())?;
        let request = member.peer.start_handshake().ok()?;
        member.send_auth(&request).await.then_some(())?;
        let answer = member.text().await?;
        let answer = AuthMessage::parse(strip(&answer)?).ok()?;
        let handled = member.peer.handle(&answer).ok()?;
        matches!(handled, Handled::Established(_)).then_some(())?;
        let claim = json!({"identityKey": member.key().to_hex(), "pace": "0"});
        member.emit("authenticated", &claim).await.then_some(())?;
        let (event, _) = member.event().await?;
        (event == "authenticationSuccess").then_some(member)
    }

    pub fn key(&self) -> IdentityKey {
        self.identity.identity_key()
    }

    pub fn room(&self, message_box: &str) -> RoomId {
        RoomId::of(&self.key(), message_box)
    }

    /// The frame of a signed event.
    pub fn frame(&self, event: &str, data: &Value) -> String {
        let payload = json!({ "eventName": event, "data": data }).to_string();
        let mut json = String::new();
        let payload = SharedPayload::new(payload.into_bytes());
        self.peer.sign(&payload, &mut json).expect("a session");
        format!("42[\"authMessage\",{json}]")
    }

    /// The frame of a message to a room.
    pub fn message_frame(&self, room: &str, id: &str, body: &str) -> String {
        let data = json!({"roomId": room, "message": {"messageId": id, "body": body}});
        self.frame("sendMessage", &data)
    }

    /// Returns `false` if the socket has ended, as do the methods below.
    pub async fn emit(&mut self, event: &str, data: &Value) -> bool {
        let frame = self.frame(event, data);
        self.send_text(frame).await
    }

    async fn send_auth(&mut self, json: &str) -> bool {
        self.send_text(format!("42[\"authMessage\",{json}]")).await
    }

    pub async fn send_text(&mut self, text: String) -> bool {
        self.socket.send(Message::text(text)).await.is_ok()
    }

    /// The next text other than a ping; `None` at the end.
    async fn text(&mut self) -> Option<String> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) if text.as_str() == "2" => {
                    self.send_text("3".to_owned()).await;
                }
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next event, verified.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let text = self.text().await?;
            let Some(json) = strip(&text) else { continue };
            let message = AuthMessage::parse(json).ok()?;
            match self.peer.handle(&message) {
                Ok(Handled::General(verified)) => {
                    let mut event: Value = serde_json::from_slice(&verified.payload).ok()?;
                    let name = event["eventName"].as_str()?.to_owned();
                    return Some((name, event["data"].take()));
                }
                Ok(Handled::Reply(answer)) if self.renews => {
                    self.send_auth(&answer).await;
                }
                _ => {}
            }
        }
    }

    /// Sends a message to a room and returns the data of its ack.
    pub async fn send_message(&mut self, room: &str, id: &str, body: &str) -> Option<Value> {
        let frame = self.message_frame(room, id, body);
        self.send_text(frame).await.then_some(())?;
        let ack = format!("sendMessageAck-{room}");
        loop {
            let (event, data) = self.event().await?;
            if event == ack && data["messageId"] == id {
                return Some(data);
            }
        }
    }
}
