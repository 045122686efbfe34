//! Engine.IO over HTTP long-polling.

use std::time::Duration;

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
const MAX_PACKETS: usize = 100_000;
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
        let (sid, packets) = open(http, url).await?;
        let url = format!("{url}&sid={sid}");
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        for packet in packets {
            // The channel is empty and larger than the packets that came with the open packet.
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

/// Opens a session. Returns its id, and the packets of the first poll, starting with the open packet.
pub(super) async fn open(
    http: &reqwest::Client,
    url: &str,
) -> Result<(String, Vec<Packet>), ClientError> {
    let packets = get(http, url).await?;
    let Some(Packet::Open(json)) = packets.first() else {
        return Err(ClientError::Unexpected("no open packet"));
    };
    let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let sid = json.get("sid").and_then(serde_json::Value::as_str);
    let sid = sid.ok_or(ClientError::Unexpected("an open packet without sid"))?;
    Ok((sid.to_owned(), packets))
}

async fn poll(
    http: reqwest::Client,
    url: String,
    packets: mpsc::Sender<Result<Packet, ClientError>>,
) {
    loop {
        match get(&http, &url).await {
            Ok(received) => {
                for packet in received {
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

/// Polls once.
pub(super) async fn get(http: &reqwest::Client, url: &str) -> Result<Vec<Packet>, ClientError> {
    let answer = http.get(url).timeout(POLL_TIMEOUT).send().await?;
    let body = read(check(answer).await?, MAX_ANSWER).await?;
    Ok(decode_payload(body.into(), MAX_PACKETS)?)
}

async fn check(answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    // Failures are rare, and would make every future around this one larger.
    Err(Box::pin(refused(answer, "Engine.IO over polling")).await)
}
