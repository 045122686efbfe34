//! Engine.IO: moving a session from polling to a websocket.

use crate::client::address::ServerAddress;
use crate::client::error::ClientError;
use crate::engineio::{Frame, Packet};

use super::polling::{get, open};
use super::websocket::Websocket;

/// The data of the ping and the pong that test the websocket.
const PROBE: &str = "probe";

/// Opens a session over polling and moves it. The packets received over polling, with the open packet, come first.
pub(super) async fn upgrade(
    http: &reqwest::Client,
    address: &ServerAddress,
) -> Result<Websocket, ClientError> {
    let url = address.polling_url();
    let (sid, opened) = open(http, &url).await?;
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
    // The server ends the poll when it receives the probe. So no packet is in flight over polling when the session
    // moves.
    let (mut websocket, polled) = tokio::try_join!(probed, get(http, &url))?;
    websocket.send(Frame::from(&Packet::Upgrade)).await?;
    let before = opened.into_iter().chain(polled);
    Ok(websocket.preceded_by(before.filter(|packet| *packet != Packet::Noop)))
}
