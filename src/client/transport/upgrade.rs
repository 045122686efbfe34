//! Engine.IO: the move of a session from polling to a websocket.

use crate::client::address::ServerAddress;
use crate::client::error::ClientError;
use crate::engineio::{Frame, Packet, decode_payload};

use super::polling::{MAX_PACKETS, get, session_id};
use super::websocket::Websocket;

/// Stands in the ping and the pong that show that the websocket works.
const PROBE: &str = "probe";

/// Begins over polling and moves on. The server's open packet, and what came with it, is given too.
pub(super) async fn upgrade(
    http: &reqwest::Client,
    address: &ServerAddress,
) -> Result<Websocket, ClientError> {
    let url = address.polling_url();
    let opened = decode_payload(get(http, &url).await?, MAX_PACKETS)?;
    let Some(Packet::Open(json)) = opened.first() else {
        return Err(ClientError::Unexpected("no open packet"));
    };
    let sid = session_id(json).ok_or(ClientError::Unexpected("an open packet without sid"))?;
    let url = format!("{url}&sid={sid}");
    let probed = async {
        let url = format!("{}&sid={sid}", address.websocket_url());
        let mut websocket = Websocket::connect(&url).await?;
        let ping = Packet::Ping(PROBE.into());
        websocket.send(Frame::from(&ping)).await?;
        match websocket.next().await? {
            Packet::Pong(text) if &*text == PROBE => Ok(websocket),
            _ => Err(ClientError::Unexpected("no answer to the probe")),
        }
    };
    // The server ends the poll once it is probed, so that nothing is under way over polling when the session moves.
    let (mut websocket, polled) = tokio::try_join!(probed, get(http, &url))?;
    websocket.send(Frame::from(&Packet::Upgrade)).await?;
    let polled = decode_payload(polled, MAX_PACKETS)?;
    let before = opened.into_iter().chain(polled);
    Ok(websocket.preceded_by(before.filter(|packet| *packet != Packet::Noop)))
}
