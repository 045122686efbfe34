//! A websocket client that shows every frame.

use actix_codec::Framed;
use awc::BoxedSocket;
use awc::ws::{Codec, Frame, Message};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};

use super::within;

pub struct Websocket(Framed<BoxedSocket, Codec>);

/// A received frame, or the end.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Bytes),
    /// The websocket ended, with a close code if there was one.
    Closed(Option<u16>),
}

impl Websocket {
    pub async fn connect(url: &str) -> Self {
        let client = awc::Client::builder()
            .max_http_version(awc::http::Version::HTTP_11)
            .finish();
        let (_, framed) = client
            .ws(url)
            .max_frame_size(64 << 20)
            .connect()
            .await
            .unwrap();
        Self(framed)
    }

    /// Connects and reads the open packet. Returns `None` if the server is gone.
    pub async fn try_open(url: &str) -> Option<Self> {
        let client = awc::Client::builder()
            .max_http_version(awc::http::Version::HTTP_11)
            .finish();
        let (_, framed) = client.ws(url).connect().await.ok()?;
        let mut websocket = Self(framed);
        matches!(websocket.next().await, Got::Text(text) if text.starts_with("0{"))
            .then_some(websocket)
    }

    /// Connects and reads the open packet.
    pub async fn open(url: &str) -> Self {
        let mut websocket = Self::connect(url).await;
        assert!(websocket.text().await.starts_with("0{"));
        websocket
    }

    pub async fn send(&mut self, text: impl Into<String>) {
        let text: String = text.into();
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// Sends. Returns `false` if the websocket has ended.
    pub async fn try_send(&mut self, text: String) -> bool {
        self.0.send(Message::Text(text.into())).await.is_ok()
    }

    pub async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.0
            .send(Message::Binary(Bytes::from_static(bytes)))
            .await
            .unwrap();
    }

    pub async fn send_message(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn next(&mut self) -> Got {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Frame::Text(bytes))) => {
                        return Got::Text(String::from_utf8(bytes.to_vec()).unwrap());
                    }
                    Some(Ok(Frame::Binary(bytes))) => return Got::Binary(bytes),
                    Some(Ok(Frame::Close(reason))) => {
                        return Got::Closed(reason.map(|reason| reason.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Got::Closed(None),
                }
            }
        };
        within("the next frame", next).await
    }

    /// The next frame, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Got::Text(text) => text,
            other => panic!("text was expected, not {other:?}"),
        }
    }

    /// Waits for the end and returns its code. Skips all frames before it.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Got::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}
