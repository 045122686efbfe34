//! Engine.IO over a websocket.

use std::collections::VecDeque;

use bytestring::ByteString;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::client::MAX_ANSWER;
use crate::client::error::ClientError;
use crate::engineio::{Frame, Packet};
use crate::outbound::tls;

/// Bytes per read. The library's 128 KiB would take a gigabyte for 10,000 sockets.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes collected before a write.
const WRITE_BUFFER: usize = 4 * 1024;

/// An open websocket that carries an Engine.IO session.
#[derive(Debug)]
pub(in crate::client) struct Websocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Packets received over polling before the upgrade.
    before: VecDeque<Packet>,
}

impl Websocket {
    pub(super) async fn connect(url: &str) -> Result<Self, ClientError> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MAX_ANSWER))
            .max_frame_size(Some(MAX_ANSWER));
        // Frames are small, and a reader waits for each.
        let without_delay = true;
        let connector = if url.starts_with("wss:") {
            Connector::Rustls(tls::client_config())
        } else {
            Connector::Plain
        };
        let connecting =
            connect_async_tls_with_config(url, Some(config), without_delay, Some(connector));
        // A TLS handshake takes 20 KB. The box keeps that out of every future around this one.
        let (stream, _) = Box::pin(connecting).await?;
        Ok(Self {
            stream,
            before: VecDeque::new(),
        })
    }

    /// Returns these packets before those of the websocket.
    pub(super) fn preceded_by(mut self, packets: impl IntoIterator<Item = Packet>) -> Self {
        self.before.extend(packets);
        self
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        let text = |text: ByteString| {
            let text = text.into_bytes().try_into();
            let text = text.map_err(|_| ClientError::Unexpected("text that is not UTF-8"))?;
            Ok::<_, ClientError>(Message::Text(text))
        };
        let message = match frame {
            Frame::Text(whole) => text(whole)?,
            Frame::Shared(shared) => text(shared.whole())?,
            Frame::Binary(bytes) => Message::Binary(bytes),
        };
        Ok(self.stream.send(message).await?)
    }

    /// The next packet. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Packet, ClientError> {
        if let Some(packet) = self.before.pop_front() {
            return Ok(packet);
        }
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let text = ByteString::try_from(bytes::Bytes::from(text))
                        .map_err(|_| ClientError::Unexpected("text that is not UTF-8"))?;
                    return Ok(Packet::decode_text(&text)?);
                }
                Some(Ok(Message::Binary(bytes))) => return Ok(Packet::from_binary(bytes)),
                // The library answers pings.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(ClientError::Closed),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Reads until the server confirms the close. The TCP connection may stay open for a while.
    pub(super) async fn drain(&mut self) {
        while let Some(Ok(message)) = self.stream.next().await {
            if message.is_close() {
                // Sends the library's reply, if that is still possible.
                let _ = self.stream.flush().await;
                return;
            }
        }
    }
}
