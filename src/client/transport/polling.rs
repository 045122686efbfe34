//! Engine.IO over HTTP long-polling.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::MAX_ANSWER;
use crate::client::error::ClientError;
use crate::client::error::refusal::refused;
use crate::engineio::{Frame, Packet, decode_payload, encode_payload};
use crate::outbound::http::read;

/// Received packets that may be queued before the client polls again.
const MAX_WAITING: usize = 1024;
/// Maximum packets of one payload. No MessageBox server sends more.
pub(super) const MAX_PACKETS: usize = 100_000;
/// Largest response to sent packets in bytes. Usually it is `ok`.
const MAX_ACCEPTED: usize = 64 * 1024;
/// The server's ping ends a poll, after 25 s by default.
const POLL_TIMEOUT: Duration = Duration::from_secs(120);

/// A polling session. A task of its own polls, because dropping a poll ends the session.
#[derive(Debug)]
pub(in crate::client) struct Polling {
    http: reqwest::Client,
    url: String,
    packets: mpsc::Receiver<Result<Packet, ClientError>>,
    polls: JoinHandle<()>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.polls.abort();
    }
}

impl Polling {
    /// Opens a session. The server's open packet is the first packet.
    pub(super) async fn connect(http: &reqwest::Client, url: &str) -> Result<Self, ClientError> {
        let opened = get(http, url).await?;
        let mut packets = decode_payload(opened, MAX_PACKETS)?.into_iter();
        let Some(Packet::Open(json)) = packets.next() else {
            return Err(ClientError::Unexpected("no open packet"));
        };
        let sid = session_id(&json).ok_or(ClientError::Unexpected("an open packet without sid"))?;
        let url = format!("{url}&sid={sid}");
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        // The channel is empty and larger than the packets that came with the open packet.
        let _ = sender.try_send(Ok(Packet::Open(json.clone())));
        for packet in packets {
            let _ = sender.try_send(Ok(packet));
        }
        let polls = tokio::spawn(poll(http.clone(), url.clone(), sender));
        Ok(Self {
            http: http.clone(),
            url,
            packets: receiver,
            polls,
        })
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        let body = encode_payload(&[frame]);
        let request = self.http.post(&self.url).body(body);
        let answer = request
            .header("content-type", "text/plain;charset=UTF-8")
            .send()
            .await?;
        let answer = check(answer).await?;
        read(answer, MAX_ACCEPTED).await?;
        Ok(())
    }

    /// The next packet. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Packet, ClientError> {
        self.packets
            .recv()
            .await
            .unwrap_or(Err(ClientError::Closed))
    }

    /// Waits until the server ends the session.
    pub(super) async fn drain(&mut self) {
        while let Some(Ok(_)) = self.packets.recv().await {}
    }
}

pub(super) fn session_id(open: &str) -> Option<String> {
    let open: serde_json::Value = serde_json::from_str(open).ok()?;
    Some(open.get("sid")?.as_str()?.to_owned())
}

async fn poll(
    http: reqwest::Client,
    url: String,
    packets: mpsc::Sender<Result<Packet, ClientError>>,
) {
    loop {
        let body = get(&http, &url).await;
        let decoded = body.and_then(|body| Ok(decode_payload(body, MAX_PACKETS)?));
        match decoded {
            Ok(decoded) => {
                for packet in decoded {
                    let is_last = packet == Packet::Close;
                    if packets.send(Ok(packet)).await.is_err() || is_last {
                        return;
                    }
                }
            }
            Err(error) => {
                // The send fails only if the receiver is gone.
                let _ = packets.send(Err(error)).await;
                return;
            }
        }
    }
}

pub(super) async fn get(http: &reqwest::Client, url: &str) -> Result<Bytes, ClientError> {
    let answer = http.get(url).timeout(POLL_TIMEOUT).send().await?;
    let answer = check(answer).await?;
    Ok(read(answer, MAX_ANSWER).await?.into())
}

async fn check(answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    // Failures are rare, and would make every future around this one larger.
    Err(Box::pin(refused(answer, "Engine.IO over polling")).await)
}
